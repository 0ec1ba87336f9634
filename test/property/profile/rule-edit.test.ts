// Whatever a profile looks like, a changed rule changes nothing else.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { changeRules, type RuleChange } from '../../../src/profile/rule-edit.ts';

const name = fc
  .string({ minLength: 1, maxLength: 20 })
  .filter((text) => /^\P{C}+$/u.test(text) && text !== '__proto__');
const decision = fc.constantFrom('allow', 'ask', 'deny');
const rules = fc.dictionary(name, decision, { maxKeys: 4 });
const document = fc.record(
  {
    server: fc.record({ command: name }),
    policy: fc.record({ default: decision, tools: rules, resources: rules }, { requiredKeys: [] }),
    env: fc.dictionary(fc.stringMatching(/^[A-Z]{1,4}$/), name, { maxKeys: 2 }),
  },
  { requiredKeys: ['server'] },
);
const change = fc.record({
  part: fc.constantFrom('tools', 'resources', 'prompts', 'methods'),
  pattern: name,
  says: decision,
}) as fc.Arbitrary<RuleChange & { part: 'tools'; pattern: string }>;
const layout = fc.record({
  flow: fc.boolean(),
  eol: fc.constantFrom('\n', '\r\n'),
  comment: fc.constantFrom('', '# about it', '  # - "x": [y'),
});

test('a rule that is changed in a text is changed in its data, and every other line stays', () => {
  let edited = 0;
  fc.assert(
    fc.property(document, change, layout, (data, { part, pattern, says }, { flow, eol, comment }) => {
      const plain = stringify(data, { lineWidth: 0, collectionStyle: flow ? 'flow' : 'any' });
      const lines = plain.trimEnd().split('\n');
      const text = [comment, ...lines, comment].filter((line, i) => line !== '' || i > 0).join(eol);
      const after = changeRules(text, [{ part, pattern, says }]);
      if (after === undefined) return;
      edited++;
      const policy = (data.policy ?? {}) as Record<string, object>;
      expect(parse(after)).toEqual({
        ...data,
        policy: { ...policy, [part]: { ...policy[part], [pattern]: says } },
      });
      // What was there before is there still, in its order, but for a line that holds the rule.
      const kept = text.split(eol).filter((line) => !after.split(eol).includes(line));
      expect(kept.length).toBeLessThanOrEqual(1);
    }),
    { numRuns: Number(process.env.SLOW ? 20_000 : 1000) },
  );
  expect(edited).toBeGreaterThan(500);
});
