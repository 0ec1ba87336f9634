import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EgressRefusal } from '../../../../src/egress/refusal.ts';
import {
  conceal,
  concealedIn,
  fromThreadError,
  reveal,
  revealOne,
  toThreadError,
  unhandled,
} from '../../../../src/egress/thread/protocol.ts';
import { WarderError } from '../../../../src/errors.ts';

const SECRET = 'ghp_16C7e42F292c6912E7710c838347Ae178B4a';

test('a value that crosses is the same, whatever its characters, and its memory is overwritten once it was read [W-EGR-20]', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 64 })), (texts) => {
      const concealed = conceal(texts);
      expect(reveal(concealed)).toEqual(texts);
      expect(concealed.bytes.every((byte) => byte === 0)).toBe(true);
    }),
  );
  const lone = '\ud800 and \udfff';
  expect(revealOne(conceal([lone]))).toBe(lone);
  const long = 'aé\u{1f511}'.repeat(20_000);
  expect(revealOne(conceal([long]))).toBe(long);
});

test('a value that was read, or was cut, is read no more [W-EGR-20]', () => {
  const concealed = conceal([SECRET]);
  revealOne(concealed);
  expect(revealOne(concealed)).not.toContain('ghp_');
  expect(() => reveal({ bytes: new Uint8Array(3), lengths: [2] })).toThrow(RangeError);
  expect(() => revealOne(conceal([]))).toThrow(RangeError);
});

test('the memory of each value in a message is found, so that it is handed over and not copied [W-EGR-20]', () => {
  const [first, second] = [conceal([SECRET]), conceal([SECRET])];
  const data = { values: first, proxy: { url: second, except: ['a.test'] }, credentials: [{ name: 'a' }] };
  const found = concealedIn({ type: 'open', call: 1, gate: 1, data });
  expect(found).toEqual([first.bytes.buffer, second.bytes.buffer]);
  structuredClone(data, { transfer: found });
  expect(first.bytes.byteLength).toBe(0);
  expect(concealedIn({ type: 'close', call: 1, gate: 1 })).toEqual([]);
});

test('an error crosses as what it is, without its cause', () => {
  const cause = new Error(SECRET);
  const known = new WarderError('audit-unwritable', 'the audit log cannot be written', {
    hint: 'free some space',
    cause,
  });
  const crossed = fromThreadError(structuredClone(toThreadError(known)));
  expect(crossed).toBeInstanceOf(WarderError);
  expect(crossed).toMatchObject({ code: known.code, message: known.message, hint: known.hint });
  expect(crossed.cause).toBeUndefined();
  const refusal = fromThreadError(toThreadError(new EgressRefusal('not listed')));
  expect(refusal).toBeInstanceOf(EgressRefusal);
  expect(refusal).toMatchObject({ reason: 'not listed' });
  const system = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  expect(fromThreadError(toThreadError(system))).toMatchObject({
    message: 'connect ECONNREFUSED',
    code: 'ECONNREFUSED',
  });
  expect(fromThreadError(toThreadError('text')).message).toBe('text');
  // A code that no build of this type has.
  const odd = fromThreadError({ kind: 'warder', code: 'no-such-code', message: 'odd', hint: undefined });
  expect(odd).not.toBeInstanceOf(WarderError);
});

test('a message of no known type is an error that shows nothing of it', () => {
  const message = { type: 'other', value: SECRET } as never;
  expect(() => unhandled(message)).toThrow(TypeError);
  expect(() => unhandled(message)).not.toThrow(SECRET);
});
