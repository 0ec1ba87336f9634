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
  readonly #closed = new AbortController();

  constructor(parts: RoutesParts) {
    this.#parts = parts;
  }

  /** Dials a host; `opened`: the gate reads what the connection carries. Throws what `Dialler.dial` does. */
  async dial(destination: Destination, opened = false): Promise<Socket> {
    const { dialler, allowed, ledger, turns, clock } = this.#parts;
    await ledger.pace();
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
      this.#closed.signal,
    );
    const { socket, address } = await dialled.catch((error: unknown) => {
      if (attempted !== undefined) recordClose(attempted);
      throw error;
    });
    socket.on('error', () => {});
    turns.watch(socket);
    socket.once('close', () => recordClose(address, socket));
    return socket;
  }

  /** Nothing is dialled any more. */
  [Symbol.dispose](): void {
    this.#closed.abort(new Error('its gate is closed'));
  }
}
