// Writes a session's records to the audit log. A record that cannot be written is reported to the caller, who then
// lets nothing through; why it could not be written is in the daemon's log.
import { createHash, hash } from 'node:crypto';
import type { ToolCall, ToolResult } from '../audit/events.ts';
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

/** A tool call as it is decided. */
export interface Decided {
  /** The call's number: see `nextCall`. */
  readonly call: string;
  readonly tool: string;
  /** The JSON text of the request's id. */
  readonly id: string;
  readonly decision: 'allow' | 'deny';
  readonly rule: string;
  readonly reason?: string;
}

export class Recorder {
  readonly #options: RecorderOptions;
  #calls = 0;
  #failing = false;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** Tool calls so far, refused ones included. */
  get calls(): number {
    return this.#calls;
  }

  /** The number of the next call: unique in the log. */
  nextCall(): string {
    return `${this.#options.id}-${++this.#calls}`;
  }

  /** Writes `tool.call`. `text` is the redacted JSON text of the arguments. False: not written. */
  called(decided: Decided, text: string): boolean {
    const { id: session, profile, settings } = this.#options;
    const bytes = Buffer.byteLength(text);
    const kept =
      bytes > MAX_ARGUMENTS
        ? { arguments: digest(text), arguments_bytes: bytes }
        : { arguments: settings.arguments === 'digest' ? digest(text) : text };
    const record: ToolCall = { session, profile, ...decided, ...kept };
    return this.#append(() => this.#options.audit.append('tool.call', record, settings.durability));
  }

  /** Writes `tool.result`, for the line that the host gets, in pieces. `ms` is the time it took. False: not written. */
  ended(
    { shown }: { readonly shown: string },
    call: string,
    outcome: ToolResult['outcome'],
    line: readonly Buffer[],
    ms: number,
  ): boolean {
    const { id: session, profile, settings } = this.#options;
    const record: ToolResult = {
      session,
      profile,
      call,
      tool: shown,
      outcome,
      bytes: line.reduce((sum, { length }) => sum + length, 0),
      result: digestOf(line),
      ms: Math.max(0, Math.round(ms)),
    };
    return this.#append(() => this.#options.audit.append('tool.result', record, settings.durability));
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
