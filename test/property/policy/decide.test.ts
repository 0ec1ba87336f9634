import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decide } from '../../../src/policy/decide.ts';
import { matches } from '../../../src/policy/pattern.ts';
import type { Decision } from '../../../src/profile/format.ts';

const numRuns = process.env.SLOW === undefined ? 300 : 20_000;

const name = fc.string({ unit: fc.constantFrom('a', 'b', '_', '.'), maxLength: 8 });
const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '_', '.', '*', '?'), maxLength: 8 });
const decision = fc.constantFrom<Decision>('allow', 'ask', 'deny');
const policy = fc.record({ default: decision, tools: fc.dictionary(pattern, decision, { maxKeys: 6 }) });

test('a pattern matches what the regular expression of the same meaning matches', () => {
  fc.assert(
    fc.property(pattern, name, (wanted, given) => {
      const source = wanted.replaceAll('.', '\\.').replaceAll('*', '.*').replaceAll('?', '.');
      expect(matches(wanted, given)).toBe(new RegExp(`^${source}$`, 'u').test(given));
    }),
    { numRuns },
  );
});

test('W-POL-3 adding a deny never allows more', () => {
  fc.assert(
    fc.property(policy, pattern, name, (before, denied, tool) => {
      const after = { ...before, tools: { ...before.tools, [denied]: 'deny' as const } };
      const [was, is] = [decide(before, tool).decision, decide(after, tool).decision];
      const order = ['deny', 'ask', 'allow'];
      expect(order.indexOf(is)).toBeLessThanOrEqual(order.indexOf(was));
      if (matches(denied, tool)) expect(is).toBe('deny');
    }),
    { numRuns },
  );
});

test('what is reported says what was decided', () => {
  fc.assert(
    fc.property(policy, name, (rules, tool) => {
      const { decision: is, rule } = decide(rules, tool);
      if (rule === 'policy.default') {
        expect(is).toBe(rules.default);
        expect(Object.keys(rules.tools).some((key) => matches(key, tool))).toBe(false);
      } else {
        expect(rules.tools[rule.slice('policy.tools.'.length)]).toBe(is);
      }
    }),
    { numRuns },
  );
});
