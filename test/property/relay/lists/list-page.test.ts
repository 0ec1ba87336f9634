import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readEnvelope } from '../../../../src/json/envelope.ts';
import { LIST_SHAPES, type ListShape } from '../../../../src/relay/listed-kinds.ts';
import { readListPage } from '../../../../src/relay/lists/list-page.ts';

const numRuns = process.env.SLOW === undefined ? 500 : 50_000;
const [TOOLS] = LIST_SHAPES as [ListShape];
const LIMITS = { entries: 1000, nameBytes: 1000, definitionBytes: 10_000 };

const space = fc.constantFrom('', ' ', '\t ');
const tool = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ name: fc.constantFrom('a', 'b', 'é', '"', 'delete'), rest: fc.jsonValue() }),
  },
  { weight: 1, arbitrary: fc.jsonValue() },
);
const list = fc.array(fc.tuple(space, tool, space), { maxLength: 12 });
const isTool = (value: unknown): value is { name: string } =>
  typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string';

test('W-POL-2 what is left of a list is what a parser sees of it, less what is hidden', () => {
  fc.assert(
    fc.property(list, fc.subarray(['a', 'b', 'é', '"', 'delete']), fc.boolean(), (tools, hidden, before) => {
      const text = tools.map(([left, value, right]) => `${left}${JSON.stringify(value)}${right}`).join(',');
      const members = before ? `"tools":[${text}],"x":[1]` : `"x":{"tools":1},"tools":[${text}]`;
      const bytes = Buffer.from(`{"jsonrpc":"2.0","id":1,"result":{${members}}}`);
      const { fault, resultStart, resultEnd } = readEnvelope(bytes, 0, bytes.length);
      expect(fault).toBeUndefined();
      const reader = readListPage(bytes, 0, bytes.length, {
        shape: TOOLS,
        result: { start: resultStart, end: resultEnd },
        limits: LIMITS,
        judge: () => ({ has: (name) => hidden.includes(name) }),
        isCacheable: false,
      });
      let read = reader.next();
      while (read.done !== true) read = reader.next();
      const page = read.value;
      const values: unknown[] = JSON.parse(`[${text}]`);
      if (page.fault !== undefined) {
        // A name in other case, or with unseen characters, beside the one that counts.
        expect(values.some((value) => typeof value === 'object' && value !== null)).toBe(true);
        return;
      }
      const named = values.filter(isTool);
      expect(page.entries.map(({ name }) => name)).toEqual(named.map(({ name }) => name));
      const left = named.filter(({ name }) => !hidden.includes(name));
      const { result } = JSON.parse((page.line ?? bytes).toString());
      expect(result.tools).toEqual(left);
      expect(page.line === undefined).toBe(left.length === values.length);
    }),
    { numRuns },
  );
});
