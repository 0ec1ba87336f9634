// The gates' thread as the main thread has it: it is started, told what to open, and answered. What it asks for is decided
// here, where locks, log and people are.
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import type { UsageLocks } from '../../credential/usage.ts';
import { WarderError } from '../../errors.ts';
import type { Duplicate } from '../../os/duplicate-descriptor.ts';
import type { Log } from '../../os/log.ts';
import { callsFields, type EgressAudit, type EgressLedger } from '../ledger.ts';
import type { RespondedCredential } from '../session-gate.ts';
import { Answerer, type Answering } from './answerer.ts';
import { HandedDescriptors } from './handed-descriptors.ts';
import { OpenCalls } from './open-calls.ts';
import {
  type Answered,
  type Answers,
  type CallNumber,
  conceal,
  concealedIn,
  type FromThread,
  fromThreadError,
  type GateData,
  type GateNumber,
  type GateRecord,
  reveal,
  type StandingAnswers,
  type StandingCall,
  type ThreadError,
  type ToThread,
  unhandled,
} from './protocol.ts';
import { SecretMirror } from './secret-mirror.ts';
import type { ThreadWays } from './serve.ts';
import { FromGates } from './standing.ts';
import { type GateState, ThreadGate, type ThreadLink } from './thread-gate.ts';

/** Locks that tell when they have changed. */
export interface WatchedLocks extends UsageLocks {
  readonly revokedNames: readonly string[];
  /** Calls a listener after each change, before whoever caused it is answered. Disposing the result ends that. */
  onChange(listener: () => void): Disposable;
}

export interface GateThreadParts {
  /** The thread's program. */
  readonly program: string | URL;
  /** What the program needs beside `ThreadWays`: plain data, and ports, which are `transfer`. */
  readonly data: object;
  readonly transfer?: readonly MessagePort[];
  readonly duplicate: Duplicate;
  /** Milliseconds in which it has to answer. */
  readonly patience?: number;
  readonly log: Log;
}

/** What is asked of the thread takes it milliseconds: one that has not answered for so long never will. */
const PATIENCE = 30_000;
/** How often it is looked after meanwhile: a time in which all stood still (a disk, a stopped process) counts as one of these. */
const LOOKS = 10;

const GATE_CLOSED: ThreadError = {
  kind: 'other',
  message: 'its gate is closed',
  code: undefined,
  hint: undefined,
};

/** What a gate needs of the main thread. */
export interface ThreadGateParts extends Answering {
  readonly data: Omit<GateData, 'values' | 'proxy'>;
  /** The values of `data.credentials`, in their order. */
  readonly values: readonly string[];
  readonly proxy: { readonly url: string; readonly except: readonly string[] } | undefined;
  readonly uses: Map<string, number>;
  readonly audit: EgressAudit;
  readonly guards: WatchedLocks;
  /** Called when a host has answered a request that carried a credential. */
  readonly onCredentialResponse: (credential: RespondedCredential, status: number, host: string) => void;
  readonly nextConnectionId: () => string;
  /** The tool calls in flight. */
  readonly calls: () => readonly string[];
  readonly onRefused: (host: string, port: number, reason: string) => void;
  /** For what is refused here. */
  readonly ledger: EgressLedger;
}

interface Opened {
  readonly parts: ThreadGateParts;
  readonly state: GateState;
  /** Of the locks. */
  readonly watch: Disposable;
}

export class GateThread implements AsyncDisposable {
  readonly #parts: GateThreadParts;
  readonly #worker: Worker;
  readonly #fromGates: FromGates;
  readonly #calls = new OpenCalls();
  readonly #gates = new Map<GateNumber, Opened>();
  readonly #handed: HandedDescriptors;
  readonly #answerer: Answerer;
  readonly #link: ThreadLink;
  /** Grows with each change of locks. */
  readonly #locks = sharedNumber();
  readonly #exited = Promise.withResolvers<void>();
  #lastGate: GateNumber = 0;
  #isAlive = true;

  /** Starts the thread, which does not keep the process running. */
  constructor(parts: GateThreadParts) {
    this.#parts = parts;
    const { port1, port2 } = new MessageChannel();
    const [answered, taken] = [sharedNumber(), sharedNumber()];
    const locks = this.#locks;
    const ways: ThreadWays = { standing: { port: port2, answered }, locks, taken };
    this.#handed = new HandedDescriptors(taken);
    this.#answerer = new Answerer((call, outcome) => this.#post({ type: 'reply', call, outcome }));
    this.#worker = new Worker(parts.program, {
      workerData: { ...parts.data, ...ways },
      transferList: [port2, ...(parts.transfer ?? [])],
      argv: [],
      execArgv: [],
      env: {},
    });
    this.#worker.unref();
    this.#fromGates = new FromGates(
      { port: port1, answered },
      { receive: (message) => this.#receive(message), answer: (call) => this.#stand(call) },
    );
    this.#worker.on('error', (error) =>
      parts.log.error({ error: String(error) }, 'the thread of the gates has failed'),
    );
    this.#worker.on('exit', () => {
      this.#fromGates.end();
      this.#end();
      this.#exited.resolve();
    });
    const thread = this;
    this.#link = {
      get isAlive() {
        return thread.#isAlive;
      },
      duplicate: parts.duplicate,
      call: (make) => this.#call(make),
      hand: (descriptor, message) => {
        this.#handed.add(descriptor);
        this.#post(message);
      },
      forget: (gate) => this.#forget(gate),
    };
  }

  /** Whether it can open gates. */
  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** The number of open gates. */
  get gates(): number {
    return this.#gates.size;
  }

  /** Opens a gate. Throws what making one throws, and an Error where the thread has ended. */
  async open(parts: ThreadGateParts): Promise<ThreadGate> {
    this.#lastGate += 1;
    const gate = this.#lastGate;
    const lost = Promise.withResolvers<void>();
    const state: GateState = { mirror: new SecretMirror(), lost, connections: 0, longest: 0 };
    const watch = parts.guards.onChange(() => void Atomics.add(this.#locks, 0, 1));
    this.#gates.set(gate, { parts, state, watch });
    const { values, proxy, data: rest } = parts;
    const data: GateData = {
      ...rest,
      values: conceal(values),
      proxy: proxy && { ...proxy, url: conceal([proxy.url]) },
    };
    try {
      const facts = await this.#call((call) => ({ type: 'open', call, gate, data }));
      return new ThreadGate(gate, facts, state, this.#link, parts.ledger);
    } catch (error) {
      this.#forget(gate);
      throw error;
    }
  }

  /** Rejects with `unsupported` on a Node without what the gate relies on. */
  async checkNode(): Promise<void> {
    await this.#call((call) => ({ type: 'checkNode', call }));
  }

  /** Takes what the thread has sent already, and this one has not taken yet. */
  catchUp(): void {
    this.#fromGates.catchUp();
  }

  /** Ends the thread, with all that is open in it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isAlive = false;
    await this.#worker.terminate();
    await this.#exited.promise;
  }

  #forget(gate: GateNumber): void {
    this.#gates.get(gate)?.watch[Symbol.dispose]();
    this.#gates.delete(gate);
    if (this.#isAlive) this.#post({ type: 'settled', gate });
  }

  #receive(message: FromThread): void {
    switch (message.type) {
      case 'reply':
        this.#calls.settle(message);
        break;
      case 'record':
        this.#record(message);
        break;
      case 'question': {
        const opened = this.#gates.get(message.gate);
        if (opened !== undefined) this.#answerer.answer(message.call, message.question, opened.parts);
        else this.#post({ type: 'reply', call: message.call, outcome: { ok: false, error: GATE_CLOSED } });
        break;
      }
      case 'withdraw':
        this.#answerer.withdraw(message.call);
        break;
      case 'ended': {
        const opened = this.#gates.get(message.gate);
        if (opened !== undefined) opened.state.connections -= 1;
        break;
      }
      case 'refused':
        this.#gates.get(message.gate)?.parts.onRefused(message.host, message.port, message.reason);
        break;
      case 'answered':
        this.#gates
          .get(message.gate)
          ?.parts.onCredentialResponse(message.credential, message.status, message.host);
        break;
      case 'used':
        this.#gates.get(message.gate)?.parts.uses.set(message.variable, message.count);
        break;
      case 'longest': {
        const opened = this.#gates.get(message.gate);
        if (opened !== undefined) opened.state.longest = message.ms;
        break;
      }
      case 'log':
        this.#parts.log[message.level](message.fields, message.message);
        break;
      default:
        unhandled(message);
    }
  }

  #stand(call: StandingCall): StandingAnswers[keyof StandingAnswers] {
    if (call.type === 'taken') return undefined;
    const opened = this.#gates.get(call.gate);
    if (opened === undefined) throw fromThreadError(GATE_CLOSED);
    const { parts, state } = opened;
    switch (call.type) {
      case 'locks':
        return { locked: parts.guards.locked, revoked: parts.guards.revokedNames };
      case 'append':
        this.#letOut(parts, call);
        return undefined;
      case 'secrets':
        state.mirror.set(reveal(call.values), call.placeholders);
        return undefined;
      case 'known':
        return parts.confirmations.known(call.use);
      case 'connectionId':
        return parts.nextConnectionId();
      default:
        return unhandled(call);
    }
  }

  /** Looks at the locks once more: the thread may have looked before they were set. */
  #letOut(parts: ThreadGateParts, record: GateRecord): void {
    if (record.event === 'credential.use') {
      const { credential } = record.fields;
      if (parts.guards.locked) throw new WarderError('locked', 'all credentials are locked');
      if (parts.guards.isRevoked(credential))
        throw new WarderError('credential-revoked', `the credential "${credential}" is revoked`);
    }
    append(parts, record);
  }

  /** It has happened, and nothing new passes while the log cannot be written. */
  #record({ gate, ...record }: Extract<FromThread, { type: 'record' }>): void {
    const opened = this.#gates.get(gate);
    try {
      if (opened === undefined) throw fromThreadError(GATE_CLOSED);
      append(opened.parts, record);
    } catch (error) {
      const { session } = record.fields;
      this.#parts.log.error({ session, error: String(error) }, 'the audit log cannot be written');
    }
  }

  #call<Message extends Answered>(make: (call: CallNumber) => Message): Promise<Answers[Message['type']]> {
    if (!this.#isAlive) return Promise.reject(endedError());
    const { answer } = this.#calls.make<Answers[Message['type']]>((call) => this.#post(make(call)));
    // Only time counts in which this thread answers the other, which may stand still for that.
    let left = LOOKS;
    const timer = setInterval(
      () => --left === 0 && this.#giveUp(),
      (this.#parts.patience ?? PATIENCE) / LOOKS,
    );
    return answer.finally(() => clearInterval(timer));
  }

  /** It works at something without end: what is open in it is closed. */
  #giveUp(): void {
    this.#parts.log.error({}, 'the thread of the gates does not answer, and is ended');
    void this.#worker.terminate();
  }

  #post(message: ToThread): void {
    this.#worker.postMessage(message, concealedIn(message));
  }

  #end(): void {
    this.#isAlive = false;
    this.#handed.closeRest();
    this.#answerer.withdrawAll();
    this.#calls.fail(endedError());
    for (const { state } of this.#gates.values()) {
      state.connections = 0;
      state.lost.resolve();
    }
  }
}

/** With the tool calls in flight. */
function append({ data, calls, audit }: ThreadGateParts, record: GateRecord): void {
  const { durability } = data;
  const flight = callsFields(calls());
  if (record.event === 'credential.use')
    audit.append(record.event, { ...flight, ...record.fields }, durability);
  else audit.append(record.event, { ...flight, ...record.fields }, durability);
}

function endedError(): WarderError {
  return new WarderError('daemon-internal', 'the thread of the gates has ended', {
    hint: 'start the server again; the log of the daemon says why: "warder doctor" names the file',
  });
}

function sharedNumber(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
}
