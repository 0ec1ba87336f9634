import { expect, test } from 'vitest';
import { checkBufferTransfer } from '../../../src/egress/connection/buffer-transfer.ts';
import { checkHalfOpen } from '../../../src/egress/http/half-open.ts';
import { checkPushAndRead } from '../../../src/egress/http/push-and-read.ts';
import { checkNodeHooks } from '../../../src/egress/node-hooks.ts';
import { checkSecureEvent } from '../../../src/egress/tls/secure-event.ts';

const absent = (): void => {};
const unsupported = { code: 'unsupported', message: expect.stringContaining(`Node ${process.version}`) };

test('this Node has what the gate relies on', async () => {
  await expect(checkNodeHooks()).resolves.toBeUndefined();
});

test('a Node that ends a connection when its client ends its side is refused', async () => {
  await expect(checkHalfOpen(absent)).rejects.toMatchObject(unsupported);
});

test.each([
  ['neither', {}],
  ['no push', { read: true }],
  ['no read', { push: true }],
] as const)('a Node that hands over a body without the hooks is refused: %s', async (_name, kept) => {
  const partly: typeof import('../../../src/egress/http/push-and-read.ts').replacePushAndRead = (
    message,
    hooks,
  ) => {
    const { push, beforeRead } = hooks(message.push.bind(message));
    const read = message.read.bind(message);
    if ('push' in kept) message.push = push;
    if ('read' in kept)
      message.read = (size?: number) => {
        beforeRead();
        return read(size);
      };
  };
  await expect(checkPushAndRead(partly)).rejects.toMatchObject(unsupported);
});

test('a Node that does not return the memory of a buffer is refused', () => {
  expect(() => checkBufferTransfer(absent)).toThrow(expect.objectContaining(unsupported));
});

test('a release of shared memory is refused', () => {
  const all = ({ buffer }: Buffer<ArrayBuffer>): void => void buffer.transfer(0);
  expect(() => checkBufferTransfer(all)).toThrow(expect.objectContaining(unsupported));
});

test('a Node that does not report the TLS handshake of a server is refused', async () => {
  await expect(checkSecureEvent(absent)).rejects.toMatchObject(unsupported);
});
