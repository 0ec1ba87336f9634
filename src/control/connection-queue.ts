import type { Socket } from 'node:net';

/** Connections of one kind, the longest unused first. Of more than `limit` the first is closed in favour of a new one. */
export class ConnectionQueue {
  readonly #limit: number;
  readonly #sockets = new Map<Socket, () => boolean>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Adds a connection, or moves it to the end. `isIdle`: one that is not is closed only where all others are neither. */
  add(socket: Socket, isIdle: () => boolean = () => true): void {
    if (!this.#sockets.delete(socket)) socket.once('close', () => this.#sockets.delete(socket));
    this.#sockets.set(socket, isIdle);
    if (this.#sockets.size <= this.#limit) return;
    const oldest = [...this.#sockets].find(([other, idle]) => other !== socket && idle());
    const [first] = this.#sockets.keys();
    (oldest?.[0] ?? first)?.destroy();
  }

  delete(socket: Socket): void {
    this.#sockets.delete(socket);
  }
}
