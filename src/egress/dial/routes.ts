// How one gate reaches hosts: what its profile opens, and a record of each address before the first packet goes there.
import type { Socket } from 'node:net';
import type { Clock } from '../../os/clock.ts';
import type { Allowlist } from '../allowlist.ts';
import type { Destination, EgressLedger } from '../ledger.ts';
import type { GateTurns } from '../turns.ts';
import type { Dialler } from './dialler.ts';

export interface RoutesParts {
  readonly dialler: Dialler;
  readonly allowed: Pick<Allowlist, 'opens'>;
  readonly ledger: EgressLedger;
  readonly turns: Pick<GateTurns, 'watch'>;
  readonly clock: Clock;
}

export class Routes implements Disposable {
  readonly #parts: RoutesParts;
  /** What is being dialled. */
  readonly #dialling = new Set<AbortController>();
  readonly #open = new Set<Socket>();
  #isClosed = false;

  constructor(parts: RoutesParts) {
    this.#parts = parts;
  }

  /** Dials a host; `opened`: the gate reads what the connection carries. Throws what `Dialler.dial` does. */
  async dial(destination: Destination, opened = false): Promise<Socket> {
    const { dialler, allowed, ledger, turns, clock } = this.#parts;
    await ledger.pace();
    if (this.#isClosed) throw closedError();
    const dialling = new AbortController();
    this.#dialling.add(dialling);
    const since = clock.monotonic();
    const recordClose = (address: string, { bytesWritten = 0, bytesRead = 0 } = {}): void =>
      ledger.recordClose(destination, address, {
        bytes_out: bytesWritten,
        bytes_in: bytesRead,
        ms: clock.monotonic() - since,
      });
    /** Recorded, and not yet connected. */
    let attempted: string | undefined;
    const dialled = dialler.dial(
      destination.host,
      destination.port,
      (address) => allowed.opens(address, destination),
      (address, proxied) => {
        if (attempted !== undefined) recordClose(attempted);
        attempted = undefined;
        ledger.recordOpen(destination, address, { opened, proxied });
        attempted = address;
      },
      dialling.signal,
    );
    const { socket, address } = await dialled
      .catch((error: unknown) => {
        if (attempted !== undefined) recordClose(attempted);
        throw error;
      })
      .finally(() => this.#dialling.delete(dialling));
    socket.on('error', () => {});
    turns.watch(socket);
    this.#open.add(socket);
    socket.once('close', () => {
      this.#open.delete(socket);
      recordClose(address, socket);
    });
    if (this.#isClosed) socket.destroy();
    return socket;
  }

  /** Ends all connections; nothing is dialled any more. */
  [Symbol.dispose](): void {
    this.#isClosed = true;
    for (const dialling of this.#dialling) dialling.abort(closedError());
    for (const socket of this.#open) socket.destroy();
  }
}

function closedError(): Error {
  return new Error('its gate is closed');
}
