import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { addToList, removeFromList } from '../../../src/profile/list-edit.ts';

const PATH = ['sandbox', 'network'] as const;
const host = fc.stringMatching(/^[a-z][a-z0-9]{0,8}(\.[a-z]{1,5}){1,3}(:[1-9][0-9]{0,3})?$/);
const profile = fc.record(
  {
    description: fc.string(),
    server: fc.record({ command: fc.string({ minLength: 1 }), args: fc.array(fc.string()) }),
    sandbox: fc.record({ read: fc.array(fc.string()), network: fc.uniqueArray(host) }, { requiredKeys: [] }),
    policy: fc.record({ default: fc.constant('allow'), tools: fc.dictionary(host, fc.constant('deny')) }),
  },
  { requiredKeys: ['server'] },
);
/** Ways to write YAML. */
const style = fc.record({
  collectionStyle: fc.constantFrom('any' as const, 'flow' as const),
  indentSeq: fc.boolean(),
  indent: fc.constantFrom(2, 4),
  lineWidth: fc.constantFrom(0, 40),
});

test('whatever a profile holds and however it is written, one entry more or less is all that changes', () => {
  fc.assert(
    fc.property(profile, style, host, fc.constantFrom('\n', '\r\n'), (data, options, entry, eol) => {
      const list = data.sandbox?.network ?? [];
      fc.pre(!list.includes(entry));
      const text = stringify(data, options).replaceAll('\n', eol);
      const before = parse(text);
      const added = addToList(text, PATH, entry);
      expect(added).toBeDefined();
      expect(parse(added ?? '')).toEqual({
        ...before,
        sandbox: { ...before.sandbox, network: [...list, entry] },
      });
      const removed = removeFromList(added ?? '', PATH, entry);
      expect(parse(removed ?? '')).toEqual(before);
      expect(removed).toBe(text);
    }),
  );
});
