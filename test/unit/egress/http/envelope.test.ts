import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ByteTransform } from '../../../../src/credential/finder.ts';
import { EnvelopeTransform, isEnveloped } from '../../../../src/egress/http/envelope.ts';

const reject = (reason: string): Error => new Error(reason);

/** Holds everything back until its end, and then gives it in upper case. */
function holding(): ByteTransform {
  const held: Buffer[] = [];
  return {
    push(chunk) {
      held.push(chunk);
      return [];
    },
    flush: () => [Buffer.from(Buffer.concat(held).toString('latin1').toUpperCase(), 'latin1')],
  };
}

function envelope(message: string, flags = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flags);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, Buffer.from(message, 'latin1')]);
}

test('each message is changed by itself and is out with its last byte, however the body is cut [W-SEAL-3]', () => {
  const message = fc.string({ unit: fc.constantFrom('a', 'b', '\0'), maxLength: 12 });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 6 }), fc.integer({ min: 1, max: 9 }), (messages, size) => {
      const transform = new EnvelopeTransform(holding, reject);
      const body = Buffer.concat(messages.map((each) => envelope(each)));
      const out: Buffer[] = [];
      for (let at = 0; at < body.length; at += size)
        out.push(...transform.push(body.subarray(at, at + size)));
      const wanted = Buffer.concat(messages.map((each) => envelope(each.toUpperCase())));
      expect(Buffer.concat(out).equals(wanted)).toBe(true);
      expect(Buffer.concat(transform.flush())).toHaveLength(0);
    }),
  );
});

test.each([1, 3, 0x81, 0x20, 0x7b])('a message with the flags %i is not passed on [W-SEAL-3]', (flags) => {
  const transform = new EnvelopeTransform(holding, reject);
  expect(() => transform.push(envelope('x', flags))).toThrow(/compressed|not in messages/);
});

test('only bodies of messages are read as such', () => {
  for (const type of [
    'application/grpc',
    'application/grpc+proto',
    'application/grpc-web; x=y',
    'application/connect+json',
  ])
    expect(isEnveloped([type])).toBe(true);
  for (const types of [
    ['application/json'],
    ['application/grpcx'],
    ['application/grpc-web-text'],
    [],
    ['application/grpc', 'application/grpc'],
  ])
    expect(isEnveloped(types)).toBe(false);
});
