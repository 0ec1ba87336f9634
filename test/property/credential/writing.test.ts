// Each character of a secret in a writing of its own, drawn anew for each; the text cut anywhere. Nothing of the secret
// is left, and nothing else is gone.
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { Finder, type Match } from '../../../src/credential/finder.ts';
import { Redactor, ResponseSealer } from '../../../src/credential/redact.ts';
import { cpuTimeOf } from '../../fixtures/cpu-time.ts';

const runs = { numRuns: process.env.SLOW ? 20_000 : 200 };
vi.setConfig({ testTimeout: process.env.SLOW ? 600_000 : 60_000 });

const hex = (code: number, digits: number): string => code.toString(16).padStart(digits, '0');
const units = (character: string): number[] =>
  Array.from({ length: character.length }, (_, at) => character.charCodeAt(at));
const bytes = (character: string, mark: string): string =>
  Buffer.from(character).toString('hex').replace(/../g, `${mark}$&`);

/** The writings of one character that every value is found in. */
const ESCAPES: readonly ((character: string) => string)[] = [
  (character) => character,
  (character) =>
    units(character)
      .map((code) => `\\u${hex(code, 4)}`)
      .join(''),
  (character) =>
    units(character)
      .map((code) => `\\\\\\u${hex(code, 4).toUpperCase()}`)
      .join(''),
  (character) => bytes(character, '%'),
  (character) => bytes(character, '%25').toUpperCase(),
  (character) => `&#${character.codePointAt(0)};`,
  (character) => `&#0${character.codePointAt(0)};`,
  (character) => `&#x${character.codePointAt(0)?.toString(16)};`,
  (character) => JSON.stringify(character).slice(1, -1),
];
/** Those that need eight letters and digits, and none of the marks of escapes. */
const MORE: readonly ((character: string) => string)[] = [
  (character) => (character < '\u0080' ? `\\x${hex(character.charCodeAt(0), 2)}` : character),
  (character) => `&amp;#${character.codePointAt(0)};`,
  (character) =>
    `\\\\\\\\\\\\\\${`u${hex(character.charCodeAt(0), 4)}`}`.repeat(character.length === 1 ? 1 : 0) ||
    character,
  (character) =>
    units(character)
      .map((code) => `%u${hex(code, 4)}`)
      .join(''),
];
const LOOSE: readonly ((character: string) => string)[] = [
  (character) => character.toUpperCase(),
  (character) => character.toLowerCase(),
];
const NOTHING = ['', '', '', ''];
const FILLERS = ['\0', '\\u0000', '%00', '\n', '\r\n', '\\n', '\\\\r\\\\n', '=\r\n', '\\\n'];
const STRICT_FILLERS = FILLERS.filter((filler) => !filler.startsWith('='));
/** A line break with the next line's indentation. */
const INDENTED = ['\n  ', '\r\n\t', '\n \t  ', '\\n    ', '\\\\n  ', '%0A ', '&#10;  ', '\\u000a  '];
const SEPARATORS = ['-', '_', ':', '.', '/', '+', '::'];

interface Draw {
  readonly value: string;
  readonly written: string;
}

function draw(
  value: fc.Arbitrary<string>,
  writings: readonly ((character: string) => string)[],
  between: readonly string[],
): fc.Arbitrary<Draw> {
  return value.chain((value) => {
    const characters = Array.from(value);
    return fc
      .tuple(
        fc.array(fc.nat(writings.length - 1), { minLength: characters.length, maxLength: characters.length }),
        fc.array(fc.constantFrom(...between), { minLength: characters.length, maxLength: characters.length }),
      )
      .map(([ways, gaps]) => ({
        value,
        written: characters
          .map(
            (character, at) =>
              (at === 0 ? '' : (gaps[at] ?? '')) + (writings[ways[at] ?? 0]?.(character) ?? ''),
          )
          .join(''),
      }));
  });
}

const token = fc.stringMatching(/^[a-z]{3}[A-Za-z0-9_-]{12,40}[a-z]{3}$/);
const password = fc.stringMatching(/^[A-Za-z0-9]{6}[A-Za-z0-9!#$*+,./:;=?@^_|~-]{2,20}[A-Za-z0-9]{2}$/);
const foreign = fc.stringMatching(/^[a-z]{5}[éßжλ漢😀a-z0-9]{2,12}[a-z]{5}$/u);
/** Passwords with the marks of escapes; a mark that is one raw is no beginning of another character. */
const marked = fc.stringMatching(/^[A-Z]{8}[A-Z0-9%&\\!]{0,10}[A-Z!]{2}$/);

const alnum = (value: string): number => value.replace(/[^A-Za-z0-9]/g, '').length;
/** Quoted-printable (RFC 2045 6.7), where "=" is always an escape. */
const QUOTED: readonly ((character: string) => string)[] = [
  (character) => (character === '=' ? '=3D' : character),
  (character) => bytes(character, '=').toUpperCase(),
  (character) => bytes(character, '='),
];
const SOFT_BREAKS = ['=\r\n', '=\n', '=  \r\n', '=\r\n', '\r\n '];
const drawn = fc.oneof(
  draw(
    fc.oneof(token, password, foreign).filter((value) => alnum(value) >= 8),
    QUOTED,
    [...NOTHING, ...SOFT_BREAKS],
  ),
  draw(
    fc.oneof(token, password, foreign).filter((value) => alnum(value) >= 8),
    [...ESCAPES, ...MORE],
    [...NOTHING, ...INDENTED],
  ),
  draw(fc.oneof(token, password, foreign, marked), ESCAPES, ['']),
  draw(
    fc.oneof(token, password, foreign).filter((value) => alnum(value) >= 8),
    [...ESCAPES, ...MORE],
    [...NOTHING, ...STRICT_FILLERS],
  ),
  draw(
    token.filter((value) => alnum(value) >= 16),
    [...ESCAPES, ...MORE, ...LOOSE],
    [...NOTHING, ...FILLERS, ...INDENTED, ...SEPARATORS],
  ),
);

function inPieces(
  stream: { push(chunk: Buffer): Buffer[]; flush(): Buffer[] },
  data: Buffer,
  cuts: number[],
): string {
  const out: Buffer[] = [];
  let done = 0;
  for (const cut of [...cuts.map((cut) => cut % data.length).sort((a, b) => a - b), data.length]) {
    out.push(...stream.push(data.subarray(done, cut)));
    done = cut;
  }
  return Buffer.concat([...out, ...stream.flush()]).toString();
}

const cuts = fc.array(fc.nat(2000), { maxLength: 12 });

test('W-CRED-1 W-CRED-2 a secret whose characters are each written in their own way is removed, cut anywhere', () => {
  fc.assert(
    fc.property(drawn, cuts, ({ value, written }, cuts) => {
      const redactor = new Redactor([{ name: 'T', value }]);
      const text = `{${written}}`;
      const stream = new Redactor([{ name: 'T', value }]).stream();
      expect(inPieces(stream, Buffer.from(text), cuts)).toBe('{[redacted:T]}');
      expect(redactor.text(`<${text}`)).toBe('<{[redacted:T]}');
    }),
    runs,
  );
});

test('W-CRED-1 W-CRED-3 so it is from a string in JSON', () => {
  fc.assert(
    fc.property(drawn, ({ value, written }) => {
      const line = Buffer.from(
        JSON.stringify({ result: { content: [{ type: 'text', text: `(${written})` }] } }),
      );
      const redacted = new Redactor([{ name: 'T', value }]).redact(line).toString();
      expect(JSON.parse(redacted)).toEqual({
        result: { content: [{ type: 'text', text: '([redacted:T])' }] },
      });
    }),
    runs,
  );
});

const secret16 = fc.stringMatching(/^[A-Za-z0-9_-]{16,40}$/);
const encoding = fc.constantFrom<'base64' | 'base64url' | 'hex'>('base64', 'base64url', 'hex');

test('W-CRED-1 W-CRED-2 base64 and hexadecimal digits are found in lines of any length, in either case, with colons, and escaped', () => {
  const writings = [...ESCAPES, ...MORE];
  fc.assert(
    fc.property(
      secret16.chain((value) =>
        encoding.chain((encoding) => {
          const coded = Buffer.from(value).toString(encoding).replace(/=+$/, '');
          const all = encoding === 'hex' ? [...writings, ...LOOSE] : writings;
          const between = [...NOTHING, ...FILLERS, ...(encoding === 'hex' ? [':', '-'] : [])];
          return draw(fc.constant(coded), all, between).map(({ written }) => ({ value, written }));
        }),
      ),
      cuts,
      ({ value, written }, cuts) => {
        const stream = new Redactor([{ name: 'T', value }]).stream();
        // The last character of base64 has bits that the secret alone does not decide.
        expect(inPieces(stream, Buffer.from(`{${written}}`), cuts)).toMatch(
          /^\{\[redacted:T\][\s\S]{0,40}\}$/,
        );
      },
    ),
    runs,
  );
});

test('W-SEAL-3 a host gets the placeholder back from an answer that writes each character in its own way', () => {
  fc.assert(
    fc.property(drawn, cuts, ({ value, written }, cuts) => {
      const sealer = new ResponseSealer([{ value, placeholder: 'sealed-placeholder' }]);
      expect(inPieces(sealer.transform(false), Buffer.from(`{${written}}`), cuts)).toBe(
        '{sealed-placeholder}',
      );
    }),
    runs,
  );
});

test('W-SEAL-1 W-SEAL-3 what a stream holds back depends on the text, not on the value', () => {
  const value = 'ghp_16C7e42F292c6912E7710c838347Ae178B4a';
  const decoy = 'ghq_61D8f53G303d7023F8821d949458Bf289C5b';
  const sealers = [value, decoy].map((value) => new ResponseSealer([{ value, placeholder: 'sealed' }]));
  const part = fc.oneof(
    fc.nat(value.length - 5).map((length) => value.slice(0, length + 4)),
    draw(
      fc.nat(value.length - 5).map((length) => value.slice(0, length + 4)),
      [...ESCAPES, ...LOOSE],
      [...NOTHING, ...FILLERS, ...INDENTED, ...SEPARATORS],
    ).map(({ written }) => written),
    fc.constantFrom(' ', ', ', '"', '\n\n', '{"a":', 'other words '),
  );
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (parts) => {
      const streams = sealers.map((sealer) => sealer.transform(false));
      for (const part of parts) {
        const [one, other] = streams.map((stream) =>
          Buffer.concat(stream.push(Buffer.from(part))).toString(),
        );
        expect(one).toBe(other);
      }
    }),
    runs,
  );
});

test('W-CRED-1 the search of the folded view takes time in proportion to the data', () => {
  const value = 'ghp_16C7e42F292c6912E7710c838347Ae178B4a';
  const redactor = new Redactor([{ name: 'T', value }]);
  const pieces = [
    value.slice(0, -1),
    [...value.slice(0, -1)].join('-'),
    '\\',
    '%25',
    '&amp;',
    '\\u00',
    '12:',
  ];
  for (const piece of pieces) {
    const time = (length: number): number => {
      const data = Buffer.from(piece.repeat(Math.ceil(length / piece.length)));
      return cpuTimeOf(() => redactor.redact(data));
    };
    time(50_000);
    // Eight times the data; sixteen times the time is far from its square.
    expect(time(800_000)).toBeLessThan(16 * time(100_000) + 50_000);
  }
});

test('W-RELAY-5 a search in slices finds what a search at once does, wherever the slices end', () => {
  fc.assert(
    fc.property(
      fc.array(drawn, { minLength: 1, maxLength: 3 }),
      fc.constantFrom(' ', '","', '', '\\n', 'x'.repeat(700)),
      fc.integer({ min: 1, max: 900 }),
      (draws, between, slice) => {
        const finder = new Finder(draws, { folded: true });
        const text = Buffer.from(
          `{"a":"${[...draws, ...draws].map(({ written }) => written).join(between)}","b":1}`,
        );
        const spans = (matches: readonly Match[]): number[] =>
          matches.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, at) => start + at));
        const searching = finder.findInSlices(text, slice);
        let step = searching.next();
        while (step.done !== true) step = searching.next();
        expect(spans(step.value)).toEqual(spans(finder.find(text)));
      },
    ),
    runs,
  );
});

test('W-RELAY-5 a value that begins right after another is found in a stream that is cut in it', () => {
  // The last letter of the first and the first of the second begin an encoding of the value, within the first.
  const value = 'hiygheß漢λb漢éжéλcuena';
  const written = Array.from(value, (character) =>
    units(character)
      .map((code) => `\\u${hex(code, 4)}`)
      .join(''),
  ).join('');
  const text = Buffer.from(`${written}\\n${written} end`);
  const redactor = new Redactor([{ name: 'V', value }]);
  for (let cut = 1; cut < text.length; cut++)
    expect(inPieces(redactor.stream(), text, [cut])).toBe('[redacted:V]\\n[redacted:V] end');
});

test('W-RELAY-5 so does one for a value that repeats itself, whose end is the beginning of the next', () => {
  const values = ['a'.repeat(16), 'ab'.repeat(8), 'abc'.repeat(6), 'A'.repeat(10), 'AB'.repeat(5)];
  for (const value of values) {
    for (const between of ['', '-', '\n', '\\n', '\\\\r\\\\n', '%00']) {
      const finder = new Finder([{ value }], { folded: true });
      const text = Buffer.from(`{"a":"${[value, value, value].join(between)}","b":1}`);
      for (let slice = 1; slice < 80; slice++) {
        const searching = finder.findInSlices(text, slice);
        let step = searching.next();
        while (step.done !== true) step = searching.next();
        expect(step.value.map(({ start, end }) => [start, end])).toEqual(
          finder.find(text).map(({ start, end }) => [start, end]),
        );
      }
    }
  }
});
