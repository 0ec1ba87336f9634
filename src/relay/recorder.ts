// Writes a session's records to the audit log. A record that cannot be written is reported to the caller, who then
// lets nothing through; why it could not be written is in the daemon's log.
import { createHash, hash } from 'node:crypto';
import type { Answer, Question, Reply, Request, ToolCall, ToolResult } from '../audit/events.ts';
import type { AuditLog } from '../audit/log.ts';
import type { Log } from '../os/log.ts';
import type { Ending } from '../os/spawn.ts';
import type { Profile } from '../profile/format.ts';

/** Arguments that are longer, in bytes, are kept as their digest. */
const MAX_ARGUMENTS = 16_384;
/** Lines up to this many bytes are joined to be hashed. */
const JOINED = 16_384;

/** Whose records these are, and where they go. */
export interface RecorderOptions {
  /** The session's id. */
  readonly id: string;
  /** The profile's name. */
  readonly profile: string;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly settings: Pick<Profile['audit'], 'arguments' | 'durability'>;
  readonly log: Log;
}

/** What a record joins to others: digests of the ids by which a result that comes later is found. */
export interface Joins {
  readonly task?: string;
  readonly state?: string;
}

/** A request of the host as it is decided. */
export interface Decided extends Joins {
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
  readonly reason?: string;
  readonly responses?: string;
  /** What it carries is recorded as a digest, whatever the profile says. */
  readonly isSecret: boolean;
}

/** How a request that was let through ended. */
export interface Ended extends Joins {
  readonly call: string;
  readonly event: 'tool.call' | 'request' | 'question';
  readonly method: string;
  readonly target: string;
  readonly outcome: ToolResult['outcome'] | 'late';
  /** The line that its sender gets, in pieces. */
  readonly line: readonly Buffer[];
  readonly ms: number;
}

export class Recorder {
  readonly #options: RecorderOptions;
  #names = 0;
  #calls = 0;
  #failing = false;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** Tool calls so far, refused ones included. */
  get calls(): number {
    return this.#calls;
  }

  /** The number of the next recorded request: unique in the log. */
  nextName(event: Decided['event']): string {
    if (event === 'tool.call') this.#calls++;
    return `${this.#options.id}-${++this.#names}`;
  }

  /** Writes `tool.call`, `request` or `question`. `text` is the redacted JSON text of what it carries. False: not written. */
  decided({ event, method, target, isSecret, ...rest }: Decided, text: Buffer): boolean {
    const { id: session, profile, settings, audit } = this.#options;
    const { durability } = settings;
    const bytes = text.length;
    const isLong = bytes > MAX_ARGUMENTS;
    const kept = isLong || isSecret || settings.arguments === 'digest' ? digest(text) : text.toString();
    if (event === 'tool.call') {
      const { call, id = 'null', decision, rule, reason, task, state, responses } = rest;
      const record: ToolCall = {
        session,
        call,
        profile,
        tool: target,
        id,
        decision,
        rule,
        arguments: kept,
        ...(reason !== undefined && { reason }),
        ...(isLong && { arguments_bytes: bytes }),
        ...(task !== undefined && { task }),
        ...(state !== undefined && { state }),
        ...(responses !== undefined && { responses }),
      };
      return this.#append(() => audit.append('tool.call', record, durability));
    }
    const values = { params: kept, ...(isLong && { params_bytes: bytes }) };
    if (event === 'question') {
      const { id = 'null', call, decision, rule, reason } = rest;
      const why = reason === undefined ? {} : { reason };
      const record: Question = { session, profile, call, method, id, decision, rule, ...why, ...values };
      return this.#append(() => audit.append('question', record, durability));
    }
    const { id, ...request } = rest;
    const record: Request = {
      session,
      profile,
      method,
      ...(target === '' ? {} : { target }),
      ...(id === undefined ? {} : { id }),
      ...request,
      ...values,
    };
    return this.#append(() => audit.append('request', record, durability));
  }

  /** Writes `tool.result`, `answer` or `reply`. False: not written. */
  ended({ call, event, method, target, outcome, line, ms: took, ...joins }: Ended): boolean {
    const { id: session, profile, settings, audit } = this.#options;
    const { durability } = settings;
    const bytes = line.reduce((sum, { length }) => sum + length, 0);
    const result = digestOf(line);
    const ms = Math.max(0, Math.round(took));
    if (event === 'tool.call' && outcome !== 'late') {
      const record: ToolResult = {
        session,
        profile,
        call,
        tool: target,
        outcome,
        bytes,
        result,
        ms,
        ...joins,
      };
      return this.#append(() => audit.append('tool.result', record, durability));
    }
    // A tool error is one of `tools/call` alone.
    const plain = outcome === 'tool-error' ? 'error' : outcome;
    if (event === 'question') {
      const ending = plain === 'task' || plain === 'input-required' ? 'ok' : plain;
      const record: Reply = { session, profile, call, method, outcome: ending, bytes, result, ms };
      return this.#append(() => audit.append('reply', record, durability));
    }
    const shown = target === '' ? {} : { target };
    const record: Answer = {
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
    };
    return this.#append(() => audit.append('answer', record, durability));
  }

  /** Writes `session.close`. False: not written. */
  closed(ending: Ending, reason: string): boolean {
    const { id: session, profile, settings, audit } = this.#options;
    const record = { session, profile, code: ending.code, signal: ending.signal, reason, calls: this.#calls };
    return this.#append(() => audit.append('session.close', record, settings.durability));
  }

  #append(write: () => number): boolean {
    try {
      write();
      this.#failing = false;
      return true;
    } catch (error) {
      // Once, not for each call that is refused meanwhile.
      if (!this.#failing)
        this.#options.log.error(
          { session: this.#options.id, error: String(error) },
          'the audit log cannot be written',
        );
      this.#failing = true;
      return false;
    }
  }
}

function digest(bytes: Buffer | string): string {
  return `sha256:${hash('sha256', bytes, 'hex')}`;
}

function digestOf(pieces: readonly Buffer[]): string {
  const [only] = pieces;
  if (pieces.length === 1 && only !== undefined) return digest(only);
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  if (length <= JOINED) return digest(Buffer.concat(pieces, length));
  const all = createHash('sha256');
  for (const piece of pieces) all.update(piece);
  return `sha256:${all.digest('hex')}`;
}
