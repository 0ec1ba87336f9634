// What the folded search finds does not depend on whether data is passed over by WebAssembly.
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { Finder } from '../../../../src/credential/finder.ts';
import { FoldedSkip } from '../../../../src/credential/search/folded-skip.ts';

const runs = { numRuns: process.env.SLOW ? 5_000 : 150 };
vi.setConfig({ testTimeout: process.env.SLOW ? 600_000 : 60_000 });

const values = [
  'bench-credential-0123456789',
  'hunter2hunter2',
  'ghp_A1b2C3d4E5f6',
  'p@ss wörd with spaces',
  'zzzzzzzzzz',
];
const fill = fc.constantFrom(
  ...[
    'x',
    'z',
    'The quick brown fox jumps. ',
    'a = b; c &amp; d\\n',
    '\\u0061\\n  ',
    '%41%42 ',
    'QUJDRA+/',
    '\n    \t',
  ],
  ...[
    'bench-credential-012345678',
    'hunter2hunter',
    '\u00e9\u6f22',
    '{"a":[1,2,3]}',
    '\0',
    'g h p _ A 1 b 2 ',
  ],
);
/** A value in some writing, or nearly one. */
const written = fc.tuple(fc.nat(values.length - 1), fc.nat(7), fc.nat(2)).map(([which, how, cut]) => {
  const value = (values[which] as string).slice(cut);
  const bytes = Buffer.from(value);
  switch (how) {
    case 0:
      return value.toUpperCase();
    case 1:
      return bytes.toString('hex');
    case 2:
      return bytes.toString('base64');
    case 3:
      return encodeURIComponent(value);
    case 4:
      return [...value]
        .map((character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
        .join('');
    case 5:
      return [...value].join('-');
    case 6:
      return value.replace(/(.{5})/g, '$1\n  ');
    default:
      return value;
  }
});
const data = fc
  .array(
    fc.oneof(
      {
        weight: 3,
        arbitrary: fc.tuple(fill, fc.nat(9000)).map(([text, length]) => text.repeat(length / text.length)),
      },
      { weight: 1, arbitrary: fc.constantFrom(65_400, 65_536, 131_072).map((length) => 'x'.repeat(length)) },
      { weight: 3, arbitrary: written },
    ),
    { minLength: 1, maxLength: 10 },
  )
  .map((parts) => Buffer.from(parts.join('')));
const chosen = fc.subarray(values, { minLength: 1 });

function found(secrets: readonly string[], bytes: Buffer, slice: number): unknown {
  const finder = new Finder(
    secrets.map((value) => ({ value })),
    { folded: true },
  );
  const search = finder.findInSlices(bytes, slice);
  for (;;) {
    const { done, value } = search.next();
    if (done === true) return { whole: finder.find(bytes), sliced: value };
  }
}

test('W-CRED-1 every value is found with it as without', () => {
  fc.assert(
    fc.property(chosen, data, fc.constantFrom(5000, 32_768, 100_000), (secrets, bytes, slice) => {
      const withSkip = found(secrets, bytes, slice);
      const none = vi.spyOn(FoldedSkip, 'of').mockReturnValue(undefined);
      try {
        expect(withSkip).toEqual(found(secrets, bytes, slice));
      } finally {
        none.mockRestore();
      }
    }),
    runs,
  );
});

test('searches that take turns do not see the tables of each other', () => {
  const bytes = Buffer.from(`${'x'.repeat(20_000)}hunter2hunter2${'y'.repeat(20_000)}zzzzzzzzzz`);
  const [one, other] = ['hunter2hunter2', 'zzzzzzzzzz'].map(
    (value) => new Finder([{ value }], { folded: true }),
  );
  const turns = [one, other].map((finder) => (finder as Finder).findInSlices(bytes, 4500));
  const results: unknown[] = [];
  for (let open = true; open; ) {
    open = false;
    for (const [at, turn] of turns.entries()) {
      const { done, value } = turn.next();
      if (done === true) results[at] ??= value;
      else open = true;
    }
  }
  expect(results).toMatchObject([[{ start: 20_000, end: 20_014 }], [{ start: 40_014, end: 40_024 }]]);
});

test('this machine has the vectors, and most data is passed over', () => {
  const passed = vi.spyOn(FoldedSkip.prototype, 'from');
  try {
    const finder = new Finder([{ value: 'bench-credential-0123456789' }], { folded: true });
    finder.find(Buffer.alloc(200_000, 'x'));
    expect(passed.mock.results.map(({ value }) => value > 199_900)).toEqual([true]);
    passed.mockClear();
    finder.find(Buffer.alloc(200_000, 'The quick brown fox. '));
    expect(passed.mock.calls.length).toBeLessThan(2000);
  } finally {
    passed.mockRestore();
  }
});
