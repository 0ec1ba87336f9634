// One gate of the gates' thread, as the main thread has it: connections are accepted here and go there as descriptors.
import type { Server, Socket } from 'node:net';
import type { Duplicate } from '../../os/duplicate-descriptor.ts';
import { socketDescriptor } from '../../os/socket-descriptor.ts';
import { BUDGETS } from '../budgets.ts';
import type { EgressLedger } from '../ledger.ts';
import type { VirtualAddresses } from '../names/virtual-addresses.ts';
import type { GateTurns } from '../turns.ts';
import {
  type Answered,
  type Answers,
  type CallNumber,
  conceal,
  type GateFacts,
  type GateNumber,
  type ToThread,
} from './protocol.ts';
import type { SecretMirror } from './secret-mirror.ts';

/** The way to the thread. */
export interface ThreadLink {
  readonly isAlive: boolean;
  readonly duplicate: Duplicate;
  /** Sends a message that is answered. Rejects where the thread has ended. */
  call<Message extends Answered>(make: (call: CallNumber) => Message): Promise<Answers[Message['type']]>;
  /** Sends a descriptor, which belongs to the thread then. */
  hand(descriptor: number, message: Extract<ToThread, { type: 'connection' }>): void;
  /** The gate is closed. */
  forget(gate: GateNumber): void;
}

/** What the thread tells of a gate. */
export interface GateState {
  readonly mirror: SecretMirror;
  /** Settles when the thread has ended before the gate was closed. */
  readonly lost: PromiseWithResolvers<void>;
  /** How many connections are open. */
  connections: number;
  /** Milliseconds of its longest turn. */
  longest: number;
}

export class ThreadGate implements AsyncDisposable {
  readonly facts: GateFacts;
  readonly #number: GateNumber;
  readonly #state: GateState;
  readonly #link: ThreadLink;
  /** For what is refused here. */
  readonly #ledger: EgressLedger;

  constructor(
    number: GateNumber,
    facts: GateFacts,
    state: GateState,
    link: ThreadLink,
    ledger: EgressLedger,
  ) {
    this.facts = facts;
    this.#number = number;
    this.#state = state;
    this.#link = link;
    this.#ledger = ledger;
  }

  /** Milliseconds of the longest turn in the thread. */
  get longestTurn(): number {
    return this.#state.longest;
  }

  /** Settles when the thread has ended before the gate was closed: it takes no connection any more. */
  get lost(): Promise<void> {
    return this.#state.lost.promise;
  }

  /** What is sealed, as the thread has told it. */
  get secrets(): SecretMirror['secrets'] {
    return this.#state.mirror.secrets;
  }

  /** A text without the secrets that are sealed here. */
  redact(text: string): string {
    return this.#state.mirror.redact(text);
  }

  /** Accepts a listener's connections, which come paused, in the sandbox's own network. */
  serve(listener: Server, addresses: VirtualAddresses, turns: GateTurns): void {
    // As of one that cannot be accepted. The next one may succeed.
    listener.on('error', () => {});
    turns.watch(listener);
    listener.on('connection', (socket: Socket) => {
      const { localAddress = '', localPort = 0 } = socket;
      const name = addresses.nameAt(localAddress);
      if (name === undefined)
        this.#refuse(socket, { host: localAddress, port: localPort }, 'no listed name has this address');
      else this.admit(socket, name, localPort);
    });
  }

  /** Hands a connection, which is paused, to the thread. */
  admit(socket: Socket, host: string, port: number): void {
    socket.on('error', () => {});
    const refusal = !this.#link.isAlive
      ? 'its gate has ended'
      : this.#state.connections >= BUDGETS.connections
        ? 'too many connections are open'
        : undefined;
    const descriptor = refusal === undefined ? this.#link.duplicate(socketDescriptor(socket)) : -1;
    if (descriptor < 0) {
      this.#refuse(socket, { host, port }, refusal ?? 'no descriptor is left');
      return;
    }
    this.#state.connections += 1;
    const id = this.#ledger.nextConnectionId();
    this.#link.hand(descriptor, { type: 'connection', gate: this.#number, descriptor, host, port, id });
    // Nothing was read of it, and closing one of two descriptors ends nothing.
    socket.destroy();
  }

  /** Settles when requests carry the new values. */
  async update(
    fresh: readonly { readonly name: string; readonly version: string; readonly value: string }[],
  ): Promise<void> {
    await this.#link.call((call) => ({
      type: 'update',
      call,
      gate: this.#number,
      credentials: fresh.map(({ name, version }) => ({ name, version })),
      values: conceal(fresh.map(({ value }) => value)),
    }));
  }

  /** Closes the connections that have carried a credential. Returns how many; 0 where the thread has ended, and all are closed. */
  async disconnect(credential: string): Promise<number> {
    try {
      const gate = this.#number;
      return await this.#link.call((call) => ({ type: 'disconnect', call, gate, credential }));
    } catch (error) {
      if (!this.#link.isAlive) return 0;
      throw error;
    }
  }

  /** Ends all its connections. Settles when that is on record. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#link.call((call) => ({ type: 'close', call, gate: this.#number }));
    } catch (error) {
      if (this.#link.isAlive) throw error;
    } finally {
      this.#link.forget(this.#number);
      this.#ledger.close();
    }
  }

  #refuse(socket: Socket, where: { host: string; port: number }, reason: string): void {
    socket.on('error', () => {});
    this.#ledger.recordRefusal(where, reason);
    socket.resetAndDestroy();
  }
}
