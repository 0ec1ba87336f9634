// `_handle.fd`: the descriptor of a socket. As of Node 24 there is no public way to it; the handle of a Unix socket has
// the property on Linux and macOS.
import { connect, type Socket } from 'node:net';
import { unsupportedNode } from './unsupported-node.ts';

/** The descriptor of an open Unix socket; -1 where there is none. */
export function socketDescriptor(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: number } };
  return handle?.fd ?? -1;
}

/** Throws `unsupported` where `read` does not find the descriptor of a socket. */
export function checkSocketDescriptor(read: (socket: Socket) => number = socketDescriptor): void {
  // Nothing listens there: the attempt opens a descriptor, and fails later.
  const socket = connect({ path: '/dev/null/warder' });
  socket.on('error', () => {});
  const descriptor = read(socket);
  socket.destroy();
  if (descriptor < 0) throw unsupportedNode('show the descriptor of a socket');
}
