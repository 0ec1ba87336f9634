// Writes a session's records to the audit log. A record that cannot be written is reported to the caller, who then
// lets nothing through; why it could not be written is in the daemon's log.
//
// Those of what one incoming piece gives rise to are written together, before any of it leaves: see `commit`. With
// `durability: fsync` it leaves once they are on the disk.
import { createHash } from 'node:crypto';
import type { Fields } from '../audit/events.ts';
import type { AuditLog } from '../audit/log.ts';
import { digest } from '../json/digest.ts';
import type { Log } from '../os/log.ts';
import type { Ending } from '../os/spawn.ts';
import type { Profile } from '../profile/format.ts';
import type { Refusal } from './error-response.ts';

/** Arguments that are longer, in bytes, are kept as their digest. What is given as a string is not longer. */
export const MAX_ARGUMENTS = 16_384;
/** Lines up to this many bytes are joined to be hashed. */
const JOINED = 16_384;

/** The events that are written here. */
type Recorded = 'tool.call' | 'tool.result' | 'request' | 'answer' | 'question' | 'reply' | 'session.close';

/** Whose records these are, and where they go. */
export interface RecorderOptions {
  /** The session's id. */
  readonly id: string;
  /** The profile's name. */
  readonly profile: string;
  readonly audit: SessionLog;
  readonly settings: Pick<Profile['audit'], 'arguments' | 'durability'>;
  readonly log: Log;
  /** Runs what the log tells between two turns as one of the session, and writes what that gives rise to. */
  readonly resume: (turn: () => void) => void;
  /** Whether no other session has had anything to do lately: then a flush is soonest done where it is, and holds up nobody. */
  readonly isAlone: () => boolean;
}

/** What a session needs of the log. */
export type SessionLog = Pick<AuditLog, 'append' | 'add' | 'commit' | 'whenDurable' | 'flushNow'>;

/** What a record joins to others: digests of the ids by which a result that comes later is found. */
export interface Joins {
  readonly task?: string;
  readonly state?: string;
}

/** Of a request: also of the `inputResponses` of one that is made again. */
export interface RequestJoins extends Joins {
  readonly responses?: string;
}

/** A text that is too long to be kept, as records have it. */
export interface DigestedText {
  readonly bytes: number;
  /** `sha256:<hex>`. */
  readonly digest: string;
}

/** A request of the host as it is decided. */
export interface Decided {
  /** Its number: see `nextName`. */
  readonly call: string;
  readonly event: 'tool.call' | 'request' | 'question';
  readonly method: string;
  /** What it acts on, as it may be shown; empty if nothing. */
  readonly target: string;
  /** The JSON text of its id; undefined for a notification. */
  readonly id: string | undefined;
  readonly decision: 'allow' | 'deny';
  readonly rule: string;
  readonly reason: string | undefined;
  readonly joins: RequestJoins | undefined;
  /** What it carries is recorded as a digest, whatever the profile says. */
  readonly isSecret: boolean;
}

/** How a request that was let through ended. */
export interface Ended {
  readonly call: string;
  readonly event: 'tool.call' | 'request' | 'question';
  readonly method: string;
  readonly target: string;
  readonly outcome: Fields['tool.result']['outcome'] | 'late';
  /** The line that its sender gets, in pieces. */
  readonly line: readonly Buffer[] | DigestedText;
  readonly ms: number;
  readonly joins: Joins | undefined;
}

export class Recorder {
  readonly #options: RecorderOptions;
  #names = 0;
  #calls = 0;
  #failing = false;
  /** Of the records that were added since the last `commit`: there are any; one could not be written. */
  #isAdded = false;
  #isUnwritten = false;
  #isCommitting = false;
  /** What waits until the records that were written last are on the disk; undefined: they are. */
  #later: (() => void)[] | undefined;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** Tool calls so far, refused ones included. */
  get calls(): number {
    return this.#calls;
  }

  /**
   * Writes the records that wait. Called before anything leaves the session. `'later'`: it may leave once `later` is called, as
   * its records are not on the disk yet; they are when this returns without `later`, or while no other session is busy.
   */
  commit(later?: () => void): 'later' | undefined {
    this.#isCommitting = true;
    try {
      this.#write();
      if (this.#later === undefined) return undefined;
      if (later === undefined || this.#options.isAlone()) {
        this.#options.audit.flushNow();
        return undefined;
      }
      this.#later.push(later);
      return 'later';
    } finally {
      this.#isCommitting = false;
    }
  }

  #write(): void {
    const { audit, settings } = this.#options;
    if (!this.#isAdded) return;
    this.#isAdded = false;
    this.#isUnwritten = false;
    audit.commit();
    if (!this.#isUnwritten) this.#failing = false;
    if (settings.durability === 'fsync') this.#wait();
  }

  /** What the log tells is part of the turn that writes, or a turn of its own. */
  #told(turn: () => void): void {
    if (this.#isCommitting) turn();
    else this.#options.resume(turn);
  }

  /** What leaves from now on waits for the records that were just written. */
  #wait(): void {
    const { audit } = this.#options;
    const waiting: (() => void)[] = [];
    const isDurable = audit.whenDurable(() => {
      if (this.#later === waiting) this.#later = undefined;
      this.#told(() => {
        for (const then of waiting) then();
      });
    });
    this.#later = isDurable ? undefined : waiting;
  }

  /** The number of the next recorded request: unique in the log. */
  nextName(event: Decided['event']): string {
    if (event === 'tool.call') this.#calls++;
    return `${this.#options.id}-${++this.#names}`;
  }

  /**
   * Writes `question`: a request of the server that is let through, or not for a reason. `text` as in `decided`. False: not
   * written.
   */
  question(
    { rule, ...asked }: Pick<Decided, 'call' | 'method' | 'id' | 'rule'>,
    refusal: Refusal | undefined,
    text: Buffer | DigestedText,
  ): boolean {
    const decision = refusal === undefined ? 'allow' : 'deny';
    const reason = rule === 'protocol' ? refusal?.text : undefined;
    const rest = { event: 'question', target: '', joins: undefined, isSecret: false } as const;
    return this.decided({ ...asked, ...rest, decision, rule, reason }, text);
  }

  /**
   * Writes `tool.call`, `request` or `question`. `text` is the redacted JSON text of what it carries. False: not written. With
   * `unwritten` it is written by the next `commit`, which calls that if it cannot be.
   */
  decided(decided: Decided, text: string | Buffer | DigestedText, unwritten?: () => void): boolean {
    const { id: session, profile, settings } = this.#options;
    const { event, call, method, target, id, decision, rule, reason, joins } = decided;
    const isText = typeof text === 'string';
    const bytes = isText ? 0 : 'digest' in text ? text.bytes : text.length;
    const isLong = bytes > MAX_ARGUMENTS;
    const isDigest = isLong || decided.isSecret || settings.arguments === 'digest';
    const kept = !isText && 'digest' in text ? text.digest : isDigest ? digest(text) : text.toString();
    const why = reason === undefined ? undefined : { reason };
    if (event === 'tool.call') {
      const record: Fields['tool.call'] = {
        session,
        call,
        profile,
        tool: target,
        id: id ?? 'null',
        decision,
        rule,
        arguments: kept,
      };
      if (why === undefined && joins === undefined && !isLong) return this.#append(event, record, unwritten);
      return this.#append(
        event,
        { ...record, ...why, ...(isLong && { arguments_bytes: bytes }), ...joins },
        unwritten,
      );
    }
    const values = { params: kept, ...(isLong && { params_bytes: bytes }) };
    if (event === 'question') {
      const question = { session, profile, call, method, id: id ?? 'null', decision, rule };
      return this.#append(event, { ...question, ...why, ...values }, unwritten);
    }
    return this.#append(
      event,
      {
        session,
        profile,
        method,
        ...(target === '' ? {} : { target }),
        ...(id === undefined ? {} : { id }),
        call,
        decision,
        rule,
        ...why,
        ...joins,
        ...values,
      },
      unwritten,
    );
  }

  /** Writes `tool.result`, `answer` or `reply`. False: not written. `unwritten` as in `decided`. */
  ended(
    { call, event, method, target, outcome, line, ms: took, joins }: Ended,
    unwritten?: () => void,
  ): boolean {
    const { id: session, profile } = this.#options;
    const { bytes, digest: result } = 'digest' in line ? line : digested(line);
    const ms = Math.max(0, Math.round(took));
    if (event === 'tool.call' && outcome !== 'late') {
      const record: Fields['tool.result'] = {
        session,
        profile,
        call,
        tool: target,
        outcome,
        bytes,
        result,
        ms,
      };
      return this.#append('tool.result', joins === undefined ? record : { ...record, ...joins }, unwritten);
    }
    // A tool error is one of `tools/call` alone.
    const plain = outcome === 'tool-error' ? 'error' : outcome;
    if (event === 'question') {
      const ending = plain === 'task' || plain === 'input-required' ? 'ok' : plain;
      const reply = { session, profile, call, method, outcome: ending, bytes, result, ms };
      return this.#append('reply', reply, unwritten);
    }
    const shown = target === '' ? {} : { target };
    return this.#append(
      'answer',
      {
        session,
        profile,
        call,
        method,
        ...shown,
        outcome: plain,
        bytes,
        result,
        ms,
        ...joins,
      },
      unwritten,
    );
  }

  /** Writes `session.close`. False: not written. */
  closed(ending: Ending, reason: string): boolean {
    const { id: session, profile } = this.#options;
    const { code, signal } = ending;
    return this.#append('session.close', { session, profile, code, signal, reason, calls: this.#calls });
  }

  #append<E extends Recorded>(event: E, fields: Fields[E], unwritten?: () => void): boolean {
    const { audit, settings } = this.#options;
    if (unwritten !== undefined) {
      this.#isAdded = true;
      audit.add(event, fields, settings.durability, this.#unwritten, unwritten);
      return true;
    }
    try {
      audit.append(event, fields, settings.durability);
      this.#failing = false;
      return true;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  readonly #unwritten = (error: Error, turn: () => void): void => {
    this.#isUnwritten = true;
    this.#fail(error);
    this.#told(turn);
  };

  /** Logged once, not for each call that is refused meanwhile. */
  #fail(error: unknown): void {
    const { log, id } = this.#options;
    if (!this.#failing) log.error({ session: id, error: String(error) }, 'the audit log cannot be written');
    this.#failing = true;
  }
}

function digested(pieces: readonly Buffer[]): DigestedText {
  const [only] = pieces;
  if (pieces.length === 1 && only !== undefined) return { bytes: only.length, digest: digest(only) };
  let bytes = 0;
  for (const piece of pieces) bytes += piece.length;
  if (bytes <= JOINED) return { bytes, digest: digest(Buffer.concat(pieces, bytes)) };
  const all = createHash('sha256');
  for (const piece of pieces) all.update(piece);
  return { bytes, digest: `sha256:${all.digest('hex')}` };
}
