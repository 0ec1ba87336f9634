import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readArguments } from '../../../src/policy/arguments.ts';
import { CallArguments, judge, loadConditions } from '../../../src/policy/condition.ts';
import type { Condition } from '../../../src/profile/format.ts';
import { policyOf } from '../../fixtures/policy.ts';

const numRuns = process.env.SLOW === undefined ? 300 : 20_000;

async function conditionOf(allow: Condition['allow']): Promise<Condition> {
  const condition: Condition = { allow, else: 'deny' };
  expect(await loadConditions(policyOf({ tools: { tool: condition } }))).toEqual([]);
  return condition;
}

const meets = (condition: Condition, text: string): boolean =>
  judge(condition, new CallArguments(() => text)).isMet;

/** Numbers as a writer of JSON may spell them. */
const digits = fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 1, maxLength: 30 });
const spelled = fc
  .tuple(fc.constantFrom('', '-'), digits, fc.option(digits), fc.option(fc.integer({ min: -400, max: 400 })))
  .map(
    ([sign, whole, part, exponent]) =>
      `${sign}${whole.replace(/^0+(?=\d)/, '')}${part === null ? '' : `.${part}`}${exponent === null ? '' : `e${exponent}`}`,
  );

/** A number as an exact reader sees it: `<digits>e<exponent>`, without zeros at either end. */
function exactly(text: string): string {
  const [, sign = '', whole = '', part = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/.exec(text) ?? [];
  const all = `${whole}${part}`.replace(/^0+/, '');
  const short = all.replace(/0+$/, '');
  if (short === '') return '0';
  return `${sign}${short}e${Number(exponent) - part.length + all.length - short.length}`;
}

test('W-POL-11 a number is judged only if it is the same to a reader that keeps every digit', () => {
  let judged = 0;
  fc.assert(
    fc.property(spelled, (text) => {
      const read = readArguments(`{"n":${text}}`);
      if ('unjudged' in read) return;
      judged++;
      const { n } = read.value as { n: number };
      expect(exactly(String(n).replace('e+', 'e'))).toBe(exactly(text));
    }),
    { numRuns: numRuns * 10 },
  );
  expect(judged).toBeGreaterThan(numRuns);
});

test('W-POL-11 no spelling of a name escapes what a condition says of it', async () => {
  const condition = await conditionOf({ properties: { owner: { const: 'acme' } } });
  const spellings: Readonly<Record<string, readonly string[]>> = {
    o: ['o', 'O', '\uff4f', '\u{1d428}', 'o\u200b', '\u00ad' + 'o'],
    w: ['w', 'W', '\uff57', 'w\u2060'],
    n: ['n', 'N', '\uff4e', 'n\ufe0f'],
    e: ['e', 'E', '\uff45', '\u212f'],
    r: ['r', 'R', '\uff52', ' r'],
  };
  const name = fc
    .tuple(...[...'owner'].map((letter) => fc.constantFrom(...(spellings[letter] ?? []))))
    .map((letters) => letters.join(''));
  fc.assert(
    fc.property(name, fc.dictionary(fc.string(), fc.jsonValue()), (member, rest) => {
      expect(meets(condition, JSON.stringify({ ...rest, [member]: 'evil' }))).toBe(false);
    }),
    { numRuns },
  );
});

test('W-POL-13 what a hostile text costs grows with its length, not with more', async () => {
  const condition = await conditionOf({
    properties: {
      a: { pattern: '^(([a-z])+.)+[A-Z]([a-z])+$' },
      b: { pattern: '^(a|a)*$' },
      c: { uniqueItems: true },
    },
  });
  const text = 'a'.repeat(100_000);
  // Exponential or quadratic, this would not end while anybody waits.
  expect(meets(condition, JSON.stringify({ a: `${text}!`, b: '', c: [] }))).toBe(false);
  expect(meets(condition, JSON.stringify({ a: 'a.Ab', b: `${text}b`, c: [] }))).toBe(false);
  const items = Array.from({ length: 40_000 }, () => ({}));
  expect(meets(condition, JSON.stringify({ a: 'aaAb', b: 'a', c: items }))).toBe(false);
});
