// Finds the era of a server by what the host itself sends first: it goes out in the era that is known of the server, else in
// the host's own, and where the answer shows that the server is of another, again in that one. Nothing is asked for that
// alone. What succeeded is remembered, for a day at most.
import type { Pipe, PipeListener, PipeParts, RemoteMessage } from '../pipe.ts';
import { ownIdOf } from './ids.ts';
import { error, INTERNAL, incoming } from './messages.ts';
import { CANCELLED, type Era, type Wire } from './protocol.ts';
import { SessionAsStateless } from './session-as-stateless.ts';
import { StatelessAsSession } from './stateless-as-session.ts';

/** Opens a pipe to a server of each kind. */
export type PipeOpeners = Readonly<Record<Wire, (parts: PipeParts) => Pipe>>;

/** What is known of the eras of servers. */
export interface Verdicts {
  get(key: string): Wire | undefined;
  set(key: string, wire: Wire): void;
}

export interface ArbitrationParts {
  /** Of the host. */
  readonly era: Era;
  readonly openers: PipeOpeners;
  readonly pipe: Omit<PipeParts, 'listener'>;
  readonly verdicts: Verdicts;
  readonly listener: Omit<PipeListener, 'wrongEra'>;
  readonly nextId: () => number;
}

/** In which order they are tried. */
const ORDER: Readonly<Record<Era, readonly Wire[]>> = {
  session: ['session', 'stateless', 'sse'],
  stateless: ['stateless', 'session', 'sse'],
};

export class ArbitratedPipe implements Pipe {
  readonly #parts: ArbitrationParts;
  readonly #key: string;
  #rest: Wire[];
  #wire: Wire;
  #pipe: Pipe;
  #paused = false;
  #isSettled = false;
  /** What was sent before anything has succeeded. */
  #opening: RemoteMessage[] = [];
  /** The first answer of another era to each. */
  readonly #answers = new Map<number, Buffer>();

  constructor(parts: ArbitrationParts) {
    this.#parts = parts;
    this.#key = `${parts.era} ${parts.pipe.server.href}`;
    [this.#wire, ...this.#rest] = this.#order();
    this.#pipe = this.#openPipe();
  }

  /** Whether a request has succeeded. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  get full(): boolean {
    return this.#pipe.full;
  }

  pause(paused: boolean): void {
    this.#paused = paused;
    this.#pipe.pause(paused);
  }

  close(): Promise<void> {
    return this.#pipe.close();
  }

  cut(reason: string): void {
    this.#pipe.cut(reason);
  }

  send(message: RemoteMessage): void {
    if (!this.#isSettled) this.#note(message);
    this.#pipe.send(message);
  }

  #order(): [Wire, ...Wire[]] {
    const { era, verdicts } = this.#parts;
    const known = verdicts.get(this.#key);
    const first = known ?? era;
    return [first, ...ORDER[era].filter((wire) => wire !== first)];
  }

  #note(message: RemoteMessage): void {
    if (message.method !== CANCELLED) {
      this.#opening.push(message);
      return;
    }
    const { json } = message;
    const { requestIdStart, requestIdEnd } = incoming(json).envelope;
    const id = ownIdOf(json, requestIdStart, requestIdEnd);
    this.#opening = this.#opening.filter((open) => open.id !== id || id === undefined);
  }

  #openPipe(): Pipe {
    const { era, openers, pipe, listener, nextId } = this.#parts;
    const wire = this.#wire;
    const isCurrent = (): boolean => this.#pipe === opened;
    const upper: PipeListener = {
      message: (json, stream) => {
        if (isCurrent()) this.#receive(json, stream);
      },
      wrongEra: (id, answer) => {
        if (isCurrent()) this.#wrongEra(id, answer);
      },
      drained: () => {
        if (isCurrent()) listener.drained();
      },
      waiting: (id, text) => {
        if (isCurrent()) listener.waiting(id, text);
      },
      oversize: (id, bytes) => {
        if (isCurrent()) listener.oversize(id, bytes);
      },
      lost: (reason) => {
        if (isCurrent()) listener.lost(reason);
      },
    };
    const open = (lower: PipeListener): Pipe => openers[wire]({ ...pipe, listener: lower });
    const isSameEra = (wire === 'stateless') === (era === 'stateless');
    const translator = { open, listener: upper, log: pipe.log, nextId };
    const opened = isSameEra
      ? open(upper)
      : era === 'session'
        ? new StatelessAsSession(translator)
        : new SessionAsStateless(translator);
    if (this.#paused) opened.pause(true);
    return opened;
  }

  #receive(json: Buffer, stream: number | undefined): void {
    const { listener } = this.#parts;
    if (!this.#isSettled) this.#weigh(json);
    listener.message(json, stream);
  }

  /** A success settles the era; an error only ends its request. */
  #weigh(json: Buffer): void {
    const { kind, failed, idStart, idEnd } = incoming(json).envelope;
    if (kind !== 'response') return;
    const id = ownIdOf(json, idStart, idEnd);
    if (id === undefined || !this.#opening.some((message) => message.id === id)) return;
    if (failed) this.#opening = this.#opening.filter((message) => message.id !== id);
    else {
      this.#isSettled = true;
      this.#opening = [];
      this.#answers.clear();
      // One that is known already gets no older for it.
      const { verdicts } = this.#parts;
      if (verdicts.get(this.#key) !== this.#wire) verdicts.set(this.#key, this.#wire);
    }
  }

  #wrongEra(id: number, answer: Buffer): void {
    const { listener } = this.#parts;
    if (!this.#answers.has(id)) this.#answers.set(id, answer);
    const next = this.#rest.shift();
    if (this.#isSettled || next === undefined) {
      const failed = this.#isSettled ? [] : this.#opening;
      const answers = new Map(this.#answers);
      this.#opening = [];
      this.#answers.clear();
      [this.#wire, ...this.#rest] = this.#order();
      // The owner may give the pipe up in the middle of this.
      this.#replace();
      for (const { id: open } of failed)
        if (open !== undefined) listener.message(answers.get(open) ?? error(open, INTERNAL, NO_ERA));
      if (failed.length === 0) listener.message(answer);
      return;
    }
    this.#wire = next;
    this.#replace();
    for (const message of [...this.#opening]) this.#pipe.send(message);
  }

  #replace(): void {
    const before = this.#pipe;
    this.#pipe = this.#openPipe();
    void before.close();
  }
}

const NO_ERA = 'the server answers in none of the ways that the protocol has';
