// Whatever was called and answered: what is proposed allows nothing that a person has refused, or that was never called.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { changesOf, suggestRules } from '../../../src/commands/policy/suggestions.ts';
import { decide } from '../../../src/policy/decide.ts';
import type { ProfilePolicy } from '../../../src/profile/format.ts';
import { type Called, evidenceOf } from '../../fixtures/evidence.ts';
import { policyOf } from '../../fixtures/policy.ts';

const tools = ['a', 'b', 'get_a', 'get_b', 'GET_A', 'x*', 'ｇet_a'];
const decision = fc.constantFrom('allow', 'ask', 'deny');
const called = fc.record({
  tool: fc.constantFrom(...tools),
  by: fc.constantFrom('once', 'tool', 'arguments', 'nobody', 'timeout', 'policy.default'),
  decision: fc.constantFrom('allow', 'deny'),
  count: fc.integer({ min: 1, max: 4 }),
}) as fc.Arbitrary<Called>;
const policies = fc.record({
  default: decision,
  tools: fc.dictionary(fc.constantFrom(...tools, 'get_*', '*'), decision, { maxKeys: 3 }),
});

function apply(policy: ProfilePolicy, changes: ReturnType<typeof changesOf>): ProfilePolicy {
  let changed = policy;
  for (const change of changes) {
    changed =
      change.part === 'default'
        ? { ...changed, default: change.says }
        : { ...changed, [change.part]: { ...changed[change.part], [change.pattern]: change.says } };
  }
  return changed;
}

test('W-POL-15 applied suggestions allow what was called, and nothing that a person has refused', () => {
  const persons = ['once', 'tool', 'arguments'];
  fc.assert(
    fc.property(fc.array(called, { maxLength: 20 }), policies, (calls, given) => {
      const policy = policyOf(given);
      const after = apply(policy, changesOf(suggestRules(policy, evidenceOf(calls).all)));
      for (const name of [...tools, 'never_called', 'xyz', 'get_c']) {
        const [before, now] = [policy, after].map((each) => decide(each, { kind: 'tools', name }).decision);
        if (now !== 'allow' || before === 'allow') continue;
        const own = calls.filter(({ tool }) => tool === name);
        expect(own.some(({ by, decision: said }) => persons.includes(by) && said === 'allow')).toBe(true);
        expect(own.some(({ by, decision: said }) => persons.includes(by) && said === 'deny')).toBe(false);
      }
    }),
    { numRuns: process.env.SLOW ? 20_000 : 1000 },
  );
});
