import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decide } from '../../../src/policy/decide.ts';
import { fold } from '../../../src/policy/fold.ts';
import { compile, matches } from '../../../src/policy/pattern.ts';
import type { Decision } from '../../../src/profile/format.ts';
import { policyOf } from '../../fixtures/policy.ts';

const numRuns = process.env.SLOW === undefined ? 300 : 20_000;

const name = fc.string({ unit: fc.constantFrom('a', 'b', '_', '.'), maxLength: 8 });
const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '_', '.', '*', '?'), maxLength: 8 });
const decision = fc.constantFrom<Decision>('allow', 'ask', 'deny');
const rules = fc.dictionary(pattern, decision, { maxKeys: 6 });
const policy = fc
  .record({ default: decision, tools: rules, resources: rules, prompts: rules, methods: rules })
  .map(policyOf);
const kind = fc.constantFrom('tools', 'resources', 'prompts', 'methods');
const subject = fc.record({ kind, name, method: name });
const order = ['deny', 'ask', 'allow'];

test('a pattern matches what the regular expression of the same meaning matches', () => {
  fc.assert(
    fc.property(pattern, name, (wanted, given) => {
      const source = wanted.replaceAll('.', '\\.').replaceAll('*', '.*').replaceAll('?', '.');
      expect(matches(wanted, given)).toBe(new RegExp(`^${source}$`, 'u').test(given));
    }),
    { numRuns },
  );
});

test('a prepared pattern matches what the pattern matches', () => {
  const text = fc.string({
    unit: fc.constantFrom('a', 'b', 'a', '漢', '😀', '\ud83d', '\ude00', '*', '?', '*', '?'),
    maxLength: 8,
  });
  fc.assert(
    fc.property(text, text, (wanted, given) => {
      expect(compile(wanted).matches(given)).toBe(matches(wanted, given));
    }),
    { numRuns: numRuns * 5 },
  );
});

test('W-POL-3 adding a deny never allows more', () => {
  fc.assert(
    fc.property(policy, kind, pattern, subject, (before, part, denied, about) => {
      const after = { ...before, [part]: { ...before[part], [denied]: 'deny' as const } };
      const [was, is] = [decide(before, about).decision, decide(after, about).decision];
      expect(order.indexOf(is)).toBeLessThanOrEqual(order.indexOf(was));
      if (part === about.kind && matches(denied, about.name)) expect(is).toBe('deny');
      if (part === 'methods' && about.kind !== 'methods' && matches(denied, about.method))
        expect(is).toBe('deny');
    }),
    { numRuns },
  );
});

test('W-POL-5 a prompt is decided on as a tool of the same rules would be, whatever the rules for others say', () => {
  fc.assert(
    fc.property(policy, policy, rules, name, (one, other, own, of) => {
      const about = { name: of, method: 'prompts/get' };
      const asTool = decide(
        { ...one, methods: {}, tools: own },
        { kind: 'tools', name: of, method: 'tools/call' },
      );
      const asPrompt = decide(
        { ...other, default: one.default, methods: {}, prompts: own },
        { kind: 'prompts', ...about },
      );
      expect(asPrompt.decision).toBe(asTool.decision);
      expect(asPrompt.rule).toBe(asTool.rule.replace('policy.tools.', 'policy.prompts.'));
    }),
    { numRuns },
  );
});

test('W-POL-6 adding an allow for methods allows nothing that another key governs', () => {
  fc.assert(
    fc.property(policy, pattern, subject, (before, allowed, about) => {
      if (about.kind === 'methods') return;
      const methods = { [allowed]: 'allow' as const };
      const [without, withIt] = [
        { ...before, methods: {} },
        { ...before, methods },
      ];
      expect(decide(withIt, about)).toEqual(decide(without, about));
    }),
    { numRuns },
  );
});

/** Spellings of one character that folding does not tell apart. */
const SPELLINGS: Readonly<Record<string, readonly string[]>> = {
  a: ['a', 'A', '\uff41', '\u{1d41a}', '\u00aa'],
  s: ['s', 'S', '\u017f', '\uff33'],
  k: ['k', '\u212a', 'K'],
  _: ['_', '\uff3f', '_\u200d'],
};
const unseen = fc.constantFrom(
  '',
  '',
  '',
  ' ',
  '\t',
  '\u00a0',
  '\u200b',
  '\u00ad',
  '\ufeff',
  '\u202e',
  '\0',
  '\u3164',
  '\ufe0f',
);
const spelled = fc
  .array(fc.tuple(fc.constantFrom('a', 's', 'k', '_'), fc.nat(), unseen), { minLength: 1, maxLength: 8 })
  .map((parts) => ({
    plain: parts.map(([character]) => character).join(''),
    odd: parts
      .map(([character, at, after]) => {
        const list = SPELLINGS[character] ?? [];
        return `${list[at % list.length] ?? ''}${after}`;
      })
      .join(''),
  }));

test('W-POL-2 a deny or an ask holds for a name however its characters are spelled, an allow does not', () => {
  fc.assert(
    fc.property(spelled, kind, ({ plain, odd }, part) => {
      const about = { kind: part, name: odd };
      const rule = (says: Decision) => policyOf({ default: 'allow', [part]: { [plain]: says } });
      expect(decide(rule('deny'), about).decision).toBe('deny');
      expect(decide(rule('ask'), about).decision).toBe('ask');
      const allowed = { ...rule('allow'), default: 'deny' as const };
      expect(decide(allowed, about).decision).toBe(odd === plain ? 'allow' : 'deny');
      expect(fold(odd)).toBe(fold(plain));
    }),
    { numRuns },
  );
});

test('folding changes nothing the second time, and tells no case and no composition of a character apart', () => {
  const others = (text: string): string[] => [
    fold(text),
    text.toUpperCase(),
    text.toLowerCase(),
    text.normalize('NFKC'),
    text.normalize('NFD'),
  ];
  for (let start = 0; start <= 0x10ffff; start += 256) {
    const characters = Array.from({ length: 256 }, (_, at) => String.fromCodePoint(start + at));
    // Most blocks have no character that any of these changes.
    const block = characters.join('');
    if (others(block).every((other) => other === block)) continue;
    for (const one of characters) {
      const folded = fold(one);
      if (others(one).some((other) => other !== one && fold(other) !== folded))
        expect.fail(`U+${one.codePointAt(0)?.toString(16)}`);
    }
  }
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 12 }), (given) => {
      expect(fold(fold(given))).toBe(fold(given));
    }),
    { numRuns: numRuns * 5 },
  );
}, 60_000);

/** Spellings of `/etc/keys/` in a path: characters encoded once or twice, and detours. */
const detour = fc.constantFrom('', '', './', 'x/../', '/', '%2e/', 'y/%2e%2e/', 'z/.%2e/', '..\\etc\\');
const encoded = fc.constantFrom(
  (character: string) => character,
  (character: string) => `%${character.charCodeAt(0).toString(16)}`,
  (character: string) => `%25${character.charCodeAt(0).toString(16).toUpperCase()}`,
);
const slash = fc.constantFrom('/', '\\', '%2f', '%5C', '//');

test('W-POL-4 a deny of a folder holds for whatever leads into it', () => {
  const policy = policyOf({ resources: { 'file:///etc/keys/*': 'deny' } });
  const letters = fc.tuple(...[...'etckeys'].map((letter) => encoded.map((spell) => spell(letter))));
  fc.assert(
    fc.property(letters, detour, detour, slash, slash, (spelled, first, second, between, last) => {
      const [outer, inner] = [spelled.slice(0, 3).join(''), spelled.slice(3).join('')];
      const uri = `file:///${first.startsWith('..') ? '' : first}${outer}${between}${second}${inner}${last}id`;
      expect(decide(policy, { kind: 'resources', name: uri }).decision).toBe('deny');
    }),
    { numRuns },
  );
});

test('what is reported says what was decided', () => {
  fc.assert(
    fc.property(policy, kind, name, (before, part, given) => {
      const { decision: is, rule } = decide(before, { kind: part, name: given });
      if (rule === 'policy.default') {
        expect(is).toBe(before.default);
        expect(
          Object.keys(before[part]).some((key) => matches(key, given) && before[part][key] !== 'allow'),
        ).toBe(false);
      } else {
        expect(before[part][rule.slice(`policy.${part}.`.length)]).toBe(is);
      }
    }),
    { numRuns },
  );
});
