// Where the daemon listens: on systemd's descriptor, or on a path, which is removed before it listens there no more, so
// that whoever has found the path is still served.
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server as NetServer, type Socket } from 'node:net';

/** The first descriptor that systemd passes (SD_LISTEN_FDS_START). */
export const LISTEN_FDS_START = 3;
/** How long somebody who has found the path has to connect, in milliseconds. */
const LINGER = 50;

type Accept = (socket: Socket) => void;

export class DaemonSocket {
  /** Whether systemd opened it. */
  readonly activated: boolean;
  readonly #accept: Accept;
  #path: string;
  #listener: NetServer;

  /** Listens; at `path` only the socket of a dead daemon can be. */
  static async open(path: string, activated: boolean, accept: Accept): Promise<DaemonSocket> {
    const listener = activated
      ? await listen({ fd: LISTEN_FDS_START }, accept)
      : await listenAt(path, accept);
    return new DaemonSocket(path, listener, accept, activated);
  }

  private constructor(path: string, listener: NetServer, accept: Accept, activated: boolean) {
    this.activated = activated;
    this.#path = path;
    this.#listener = listener;
    this.#accept = accept;
  }

  /** Removes the path. Settles when nobody can be about to connect to it any more. */
  async hide(): Promise<void> {
    rmSync(this.#path, { force: true });
    await new Promise((resolve) => setTimeout(resolve, LINGER));
  }

  /** Listens at the path again. */
  async show(): Promise<void> {
    this.#listener.close();
    this.#listener = await listenAt(this.#path, this.#accept);
  }

  /** Listens at another path too. The function that it returns settles when it listens there only. */
  async move(path: string): Promise<() => Promise<void>> {
    const next = await listenAt(path, this.#accept);
    return async () => {
      await this.hide();
      this.#listener.close();
      this.#listener = next;
      this.#path = path;
    };
  }

  close(): void {
    this.#listener.close();
  }
}

async function listenAt(path: string, accept: Accept): Promise<NetServer> {
  rmSync(path, { force: true });
  const listener = await listen({ path }, accept);
  chmodSync(path, 0o600);
  return listener;
}

async function listen(where: { path: string } | { fd: number }, accept: Accept): Promise<NetServer> {
  const listener = createServer(accept);
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(where, resolve);
  });
  return listener;
}
