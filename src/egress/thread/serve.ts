// The gates in their own thread: each is made, used and closed as the main thread's messages say. What the main thread has
// to decide or to write down is asked of it.
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import type { parentPort } from 'node:worker_threads';
import type { Confirmations, CredentialUse } from '../../credential/confirmation.ts';
import type { UsageLocks } from '../../credential/usage.ts';
import { processClock } from '../../os/clock.ts';
import type { Log } from '../../os/log.ts';
import type { Dialler } from '../dial/dialler.ts';
import type { ProxyData } from '../dial/diallers.ts';
import type { EgressAudit } from '../ledger.ts';
import { SessionGate } from '../session-gate.ts';
import { OpenCalls, outcomeOf } from './open-calls.ts';
import {
  type CallNumber,
  conceal,
  type GateData,
  type GateFacts,
  type GateNumber,
  type GateRecord,
  type Outcome,
  type Question,
  type QuestionAnswers,
  reveal,
  revealOne,
  type StandingAnswers,
  type ToThread,
  unhandled,
} from './protocol.ts';
import { ThreadRefreshes } from './refreshes.ts';
import { SessionUses } from './session-uses.ts';
import { type StandingWay, ToMain } from './standing.ts';

/** What both threads share. */
export interface ThreadWays {
  readonly standing: StandingWay;
  /** Grows when locks or revocations have changed. */
  readonly locks: Int32Array<SharedArrayBuffer>;
  /** How many of the descriptors that were sent belong to the thread. */
  readonly taken: Int32Array<SharedArrayBuffer>;
}

export interface ServeParts extends ThreadWays {
  /** What the main thread sends. */
  readonly port: NonNullable<typeof parentPort>;
  /** How a gate reaches hosts, and the authorities that it verifies them against. */
  readonly outbound: (
    data: GateData,
    proxy: ProxyData | undefined,
  ) => { readonly dialler: Dialler; readonly upstreamTrust: () => SecureContext };
  /** Rejects on a Node without what the gate relies on. */
  readonly checkNode: (data?: GateData) => Promise<void>;
}

/** Answers the main thread's messages from now on. */
export function serveGates(parts: ServeParts): void {
  const thread = new Thread(parts);
  parts.port.on('message', (message: ToThread) => thread.receive(message));
}

class Thread {
  readonly #parts: ServeParts;
  readonly #main: ToMain;
  readonly #questions = new OpenCalls();
  readonly #gates = new Map<GateNumber, SessionGate>();
  /** The id for the connection that is being admitted. */
  #arriving: string | undefined;
  readonly #uses = new SessionUses((message) => this.#main.keep(message));
  readonly #log: Log;

  constructor(parts: ServeParts) {
    this.#parts = parts;
    this.#main = new ToMain(parts.standing);
    this.#log = {
      debug: (fields, message) => this.#main.send({ type: 'log', level: 'debug', fields, message }),
      info: (fields, message) => this.#main.send({ type: 'log', level: 'info', fields, message }),
      warn: (fields, message) => this.#main.send({ type: 'log', level: 'warn', fields, message }),
      error: (fields, message) => this.#main.send({ type: 'log', level: 'error', fields, message }),
    };
  }

  receive(message: ToThread): void {
    switch (message.type) {
      case 'open':
        this.#answer(message.call, () => this.#open(message.gate, message.data));
        break;
      case 'connection':
        this.#connection(message);
        break;
      case 'update': {
        const values = reveal(message.values);
        const fresh = message.credentials.map((one, at) => ({ ...one, value: values[at] ?? '' }));
        this.#answer(message.call, () => this.#gates.get(message.gate)?.update(fresh));
        break;
      }
      case 'disconnect':
        this.#answer(
          message.call,
          () => this.#gates.get(message.gate)?.gate.disconnect(message.credential) ?? 0,
        );
        break;
      case 'close':
        this.#answer(message.call, () => this.#close(message.gate));
        break;
      case 'checkNode':
        void outcomeOf(this.#parts.checkNode()).then((outcome) => this.#reply(message.call, outcome));
        break;
      case 'settled':
        this.#uses.settled(message.gate);
        break;
      case 'reply':
        this.#questions.settle(message);
        break;
      default:
        unhandled(message);
    }
  }

  #open(number: GateNumber, data: GateData): GateFacts {
    const values = reveal(data.values);
    const proxy = data.proxy && { ...data.proxy, url: revealOne(data.proxy.url) };
    const credentials = data.credentials.map((one, at) => ({ ...one, value: values[at] ?? '' }));
    const gate = new SessionGate({
      ...data,
      ...this.#parts.outbound(data, proxy),
      credentials,
      uses: this.#uses.open(number, data.session, data.uses),
      audit: this.#auditOf(number),
      guards: this.#locksOf(number),
      refreshes: new ThreadRefreshes({
        begin: (credential) => this.#ask(number, { ask: 'refresh', credential }),
        exchange: (turn, value) => this.#ask(number, { ask: 'exchange', turn, value }).answer,
        end: (call) => this.#main.send({ type: 'withdraw', call }),
        log: this.#log,
      }),
      confirmations: this.#confirmationsOf(number),
      admission: async () => void (await this.#ask(number, { ask: 'admission' }).answer),
      checkNode: () => this.#parts.checkNode(data),
      onCredentialResponse: ({ name, version }, status, host) =>
        this.#main.sendSoon({ type: 'answered', gate: number, credential: { name, version }, status, host }),
      onRefused: (host, port, reason) =>
        this.#main.send({ type: 'refused', gate: number, host, port, reason }),
      onSecrets: () => this.#tellSecrets(number),
      onLongest: (ms) => this.#main.send({ type: 'longest', gate: number, ms }),
      nextConnectionId: () => this.#takeId() ?? this.#main.stand({ type: 'connectionId', gate: number }),
      // The main thread adds them.
      calls: () => [],
      clock: processClock,
      log: this.#log,
    });
    this.#gates.set(number, gate);
    this.#tellSecrets(number);
    return { placeholders: gate.sealed.environment(), certificate: gate.authority?.certificate };
  }

  #connection({ gate, descriptor, host, port, id }: Extract<ToThread, { type: 'connection' }>): void {
    Atomics.add(this.#parts.taken, 0, 1);
    const open = this.#gates.get(gate);
    let socket: Socket;
    try {
      if (open === undefined) throw new Error('its gate is closed');
      socket = pausedSocket(descriptor);
    } catch {
      closeSync(descriptor);
      this.#main.send({ type: 'ended', gate });
      return;
    }
    socket.once('close', () => this.#main.send({ type: 'ended', gate }));
    this.#arriving = id;
    // A fault in one connection ends that one, and no other session's.
    open.gate.admit(socket, host, port).catch((error: unknown) => {
      this.#log.error({ error: String(error) }, 'a connection broke');
      socket.destroy();
    });
    this.#arriving = undefined;
  }

  #takeId(): string | undefined {
    const id = this.#arriving;
    this.#arriving = undefined;
    return id;
  }

  /** Settles when the ends of its connections are on record. */
  async #close(number: GateNumber): Promise<void> {
    const open = this.#gates.get(number);
    this.#gates.delete(number);
    await open?.close();
  }

  #auditOf(gate: GateNumber): EgressAudit {
    return {
      append: (event, fields) =>
        this.#main.stand({ type: 'append', gate, ...({ event, fields } as GateRecord) }),
      appendLater: (event, fields) =>
        this.#main.send({ type: 'record', gate, ...({ event, fields } as GateRecord) }),
    };
  }

  /** Asks again only when something has changed. */
  #locksOf(gate: GateNumber): UsageLocks {
    let seen: number | undefined;
    let state: StandingAnswers['locks'] = { locked: true, revoked: [] };
    const current = (): StandingAnswers['locks'] => {
      const now = Atomics.load(this.#parts.locks, 0);
      if (now !== seen) {
        state = this.#main.stand({ type: 'locks', gate });
        seen = now;
      }
      return state;
    };
    return {
      get locked() {
        return current().locked;
      },
      isRevoked: (name) => current().revoked.includes(name),
    };
  }

  #confirmationsOf(gate: GateNumber): Confirmations {
    return {
      known: (use: CredentialUse) => this.#main.stand({ type: 'known', gate, use }),
      ask: (use) => {
        const { call, answer } = this.#ask(gate, { ask: 'confirmation', use });
        return { outcome: answer, withdraw: () => this.#main.send({ type: 'withdraw', call }) };
      },
    };
  }

  #tellSecrets(number: GateNumber): void {
    const open = this.#gates.get(number);
    if (open === undefined) return;
    const { secrets } = open.sealed;
    this.#main.stand({
      type: 'secrets',
      gate: number,
      values: conceal(secrets.map(({ value }) => value)),
      placeholders: secrets.map(({ placeholder }) => placeholder),
    });
  }

  #ask<Asked extends Question>(
    gate: GateNumber,
    question: Asked,
  ): { readonly call: CallNumber; readonly answer: Promise<QuestionAnswers[Asked['ask']]> } {
    return this.#questions.make((call) => this.#main.send({ type: 'question', call, gate, question }));
  }

  #answer(call: CallNumber, work: () => unknown): void {
    void outcomeOf((async () => work())()).then((outcome) => this.#reply(call, outcome));
  }

  #reply(call: CallNumber, outcome: Outcome<unknown>): void {
    this.#main.send({ type: 'reply', call, outcome });
  }
}

/** As a listener with `pauseOnConnect` and `allowHalfOpen` gives it. Throws the system's error. */
function pausedSocket(fd: number): Socket {
  // Without `pauseOnCreate`, which is not documented, it would read a first piece before it is paused, and keep it.
  const options = { fd, readable: true, writable: true, allowHalfOpen: true, pauseOnCreate: true };
  return new Socket(options).pause();
}
