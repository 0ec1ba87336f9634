import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readEnvelope } from '../../../src/json/envelope.ts';
import { keysOf } from '../../../src/json/member.ts';
import { findMember, readElements, readMember } from '../../../src/json/read.ts';
import { findId } from '../../../src/json/recovery.ts';

const numRuns = process.env.SLOW === undefined ? 500 : 50_000;

const id = fc.oneof(
  fc.integer(),
  fc.string({ unit: 'binary', maxLength: 5 }).filter((text) => text.isWellFormed()),
);
const answer = fc.record({ result: fc.jsonValue() });
const question = fc.record({ method: fc.string(), params: fc.jsonValue() });

test('the id of a message is found wherever it is, also when the line is cut off behind it', () => {
  fc.assert(
    fc.property(id, fc.oneof(answer, question), fc.boolean(), fc.nat(), (given, rest, isFirst, length) => {
      const message = isFirst ? { id: given, ...rest } : { ...rest, id: given };
      const kind = 'method' in rest ? 'request' : 'response';
      const bytes = Buffer.from(JSON.stringify(message));
      expect(findId(bytes, 0, bytes.length)).toEqual({ id: Object.is(given, -0) ? 0 : given, kind });
      const found = findId(bytes, 0, length % (bytes.length + 1));
      if (found !== undefined) expect(found.id).toBe(Object.is(given, -0) ? 0 : given);
    }),
    { numRuns },
  );
});

test('any bytes may be searched, and what is a message has the id that was read', () => {
  const piece = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    '"id"',
    ':',
    ',',
    '1',
    '"a"',
    '\\',
    '"',
    '"method"',
    '"x"',
    '\ufeff',
    ' ',
    '\r',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      const bytes = Buffer.from(pieces.join(''));
      const found = findId(bytes, 0, bytes.length);
      const message = readEnvelope(bytes, 0, bytes.length);
      if (message.fault === undefined && message.id !== undefined) expect(found?.id).toBe(message.id);
      expect(readMember(bytes, 0, bytes.length, 'id')).toEqual(
        findMember(bytes, 0, bytes.length, keysOf({ id: 0 })),
      );
    }),
    { numRuns: numRuns * 10 },
  );
});

test('members and elements are those that a parser sees', () => {
  const name = fc.constantFrom('uri', 'name', 'x');
  fc.assert(
    fc.property(fc.dictionary(name, fc.jsonValue()), fc.array(fc.jsonValue()), (object, array) => {
      const bytes = Buffer.from(JSON.stringify(object));
      const found = readMember(bytes, 0, bytes.length, 'uri');
      expect(found === 'absent').toBe(!Object.hasOwn(object, 'uri'));
      if (typeof found !== 'string') {
        expect(JSON.parse(bytes.toString('utf8', found.start, found.end))).toEqual(
          JSON.parse(JSON.stringify(object.uri)),
        );
      }
      const list = Buffer.from(JSON.stringify(array));
      const elements = [...readElements(list, 0, list.length)];
      expect(elements.map(({ start, end }) => JSON.parse(list.toString('utf8', start, end)))).toEqual(
        JSON.parse(JSON.stringify(array)),
      );
    }),
    { numRuns },
  );
});
