// `push` and `read` of an HTTP message or stream, replaced on the object: Node hands a body over by the one, and whoever
// consumes it takes it by the other. That both are called on the object is not documented.
import * as http from 'node:http';
import { duplexPair, type Readable } from 'node:stream';
import { unsupportedNode } from '../../os/unsupported-node.ts';

/** What stands between the parser and the consumer of a message. */
export interface MessageHooks {
  /** Called instead of `push`, with a piece of the body, or null at its end. Returns whether more is welcome. */
  push(chunk: Buffer | null): boolean;
  /** Called before each `read`. */
  beforeRead(): void;
}

/** Replaces `push` and `read` of a message. `hooks` gets the original `push`. To be called before its body arrives. */
export function replacePushAndRead(
  message: Readable,
  hooks: (push: (chunk: Buffer | null) => boolean) => MessageHooks,
): void {
  const read = message.read.bind(message);
  const { push, beforeRead } = hooks(message.push.bind(message));
  message.push = push;
  message.read = (size?: number): unknown => {
    beforeRead();
    return read(size);
  };
}

/** Rejects with `unsupported` where the hooks that `replace` installs are not called for a body. */
export async function checkPushAndRead(
  replace: typeof replacePushAndRead = replacePushAndRead,
): Promise<void> {
  let pushed = '';
  let reads = 0;
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const server = http.createServer((request) => {
    replace(request, (push) => ({
      push(chunk) {
        pushed += chunk === null ? '.' : chunk.toString();
        return push(chunk);
      },
      beforeRead: () => void reads++,
    }));
    request.on('close', resolve).on('end', resolve).resume();
  });
  const [client, accepted] = duplexPair();
  server.emit('connection', accepted);
  client.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody');
  await ended;
  client.destroy();
  accepted.destroy();
  if (pushed !== 'body.' || reads === 0) throw unsupportedNode('hand over HTTP bodies by "push" and "read"');
}
