// What the gate of one server writes to the audit log. The record of what goes out is written before it goes: if it
// throws, the caller lets nothing through. A server can cause floods of refusals on purpose, so equal refusals are
// counted for a while and written as one, and different ones are written at a limited rate, the rest counted.
import type { CredentialUse, EgressConnect } from '../audit/events.ts';
import type { AuditLog } from '../audit/log.ts';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import type { Profile } from '../profile/format.ts';

/** Identifies the session in the records, and where they go. */
export interface EgressLedgerParts {
  readonly session: string;
  readonly profile: string;
  readonly durability: Profile['audit']['durability'];
  readonly audit: Pick<AuditLog, 'append'>;
  /** The tool calls in flight, by their numbers in the log. */
  readonly calls: () => readonly string[];
  /** Makes an id for a connection, unique in the log. */
  readonly nextConnectionId: () => string;
  readonly clock: Clock;
  readonly log: Log;
}

/** A connection's id in the log, and where it leads. */
export interface Destination {
  readonly connection: string;
  readonly host: string;
  readonly port: number;
}

/** A request that carries a credential. `path` is as the server wrote it, without its query. */
export interface CredentialedRequest {
  readonly credential: string;
  readonly version: string;
  readonly host: string;
  readonly port: number;
  readonly method: string;
  readonly path: string;
}

type RefusedDestination = Omit<Destination, 'connection'> & Partial<Destination>;

/** How many tool calls a record names. */
const MAX_CALLS = 16;
/** Milliseconds during which equal refusals become one record and a count. */
const REPEAT_WINDOW = 60_000;
/** Different refusals: how many at once, and how many a second after that. */
const BURST = 200;
const RATE = 10;
/** How many refusals are remembered. */
const MAX_REMEMBERED = 1024;
/** Characters of a path or reason in a record. */
const MAX_TEXT = 1024;

export class EgressLedger {
  readonly #parts: EgressLedgerParts;
  readonly #recent = new Map<string, { since: number; count: number }>();
  #allowance = BURST;
  #refilled: number;
  #unreported = 0;

  constructor(parts: EgressLedgerParts) {
    this.#parts = parts;
    this.#refilled = parts.clock.monotonic();
  }

  /** The id of a new connection. */
  nextConnectionId(): string {
    return this.#parts.nextConnectionId();
  }

  /** A connection is about to be made to an address. Throws `audit-unwritable`. */
  recordOpen(destination: Destination, address: string, opened: boolean): void {
    this.#connect({ ...destination, address, opened, outcome: 'open' });
  }

  /** A connection has ended; bytes as the sandbox's side counts them. Never throws. */
  recordClose(
    destination: Destination,
    address: string,
    totals: { bytes_out: number; bytes_in: number; ms: number },
  ): void {
    const ms = Math.max(0, Math.round(totals.ms));
    this.#try(() => this.#connect({ ...destination, address, ...totals, ms, outcome: 'closed' }));
  }

  /** A connection that was allowed could not be made, or broke. Never throws. */
  recordFailure(destination: Destination, reason: string): void {
    this.#refusal('failed', destination, reason);
  }

  /** Something was refused: a name (port 53), a port, a connection, a request. Never throws. */
  recordRefusal(destination: RefusedDestination, reason: string): void {
    this.#refusal('refused', destination, reason);
  }

  /** A credential is about to be sent. Throws `audit-unwritable`. */
  recordUse(request: CredentialedRequest): void {
    this.#use({ ...request, action: 'use', outcome: 'sent' });
  }

  /** A host has answered a request that carried a credential. Never throws. */
  recordAnswer(request: CredentialedRequest, status: number): void {
    const outcome = status === 401 || status === 403 ? 'denied' : 'ok';
    this.#try(() => this.#use({ ...request, action: 'answer', outcome, status }));
  }

  /** A request that carried a credential got no answer. Never throws. */
  recordNoAnswer(request: CredentialedRequest, reason: string): void {
    this.#try(() => this.#use({ ...request, action: 'answer', outcome: 'lost', reason: truncate(reason) }));
  }

  /** A credential was not substituted. Never throws. */
  recordDenial(request: CredentialedRequest, reason: string): void {
    const { credential, host, port, method } = request;
    if (!this.#shouldRecord(`withheld ${credential} ${host} ${port} ${method} ${reason}`)) return;
    this.#try(() => this.#use({ ...request, action: 'use', outcome: 'refused', reason: truncate(reason) }));
  }

  /** Writes what was only counted so far. To be called when the gate closes. */
  close(): void {
    const count =
      [...this.#recent.values()].reduce((sum, { count: repeats }) => sum + repeats, 0) + this.#unreported;
    this.#recent.clear();
    this.#unreported = 0;
    if (count === 0) return;
    this.#try(() =>
      this.#connect({
        host: '',
        port: 0,
        outcome: 'refused',
        reason: 'more refusals like those before',
        count,
      }),
    );
  }

  #refusal(outcome: 'refused' | 'failed', destination: RefusedDestination, reason: string): void {
    if (!this.#shouldRecord(`${outcome} ${destination.host} ${destination.port} ${reason}`)) return;
    this.#try(() => this.#connect({ ...destination, outcome, reason: truncate(reason) }));
  }

  /** Whether a refusal is written, or only counted. */
  #shouldRecord(key: string): boolean {
    const now = this.#parts.clock.monotonic();
    const earlier = this.#recent.get(key);
    if (earlier !== undefined && now - earlier.since < REPEAT_WINDOW) {
      earlier.count++;
      return false;
    }
    this.#allowance = Math.min(BURST, this.#allowance + ((now - this.#refilled) / 1000) * RATE);
    this.#refilled = now;
    if (this.#allowance < 1) {
      this.#unreported++;
      return false;
    }
    this.#allowance--;
    this.#drop(
      earlier === undefined && this.#recent.size >= MAX_REMEMBERED ? this.#recent.keys().next().value : key,
    );
    this.#recent.set(key, { since: now, count: 0 });
    return true;
  }

  #drop(key: string | undefined): void {
    if (key === undefined) return;
    this.#unreported += this.#recent.get(key)?.count ?? 0;
    this.#recent.delete(key);
  }

  #connect(fields: Omit<EgressConnect, 'session' | 'profile' | 'call' | 'calls'>): void {
    const { session, profile, audit, durability } = this.#parts;
    audit.append('egress.connect', { session, profile, ...this.#calls(), ...fields }, durability);
  }

  #use({ path = '', ...fields }: Omit<CredentialUse, 'session' | 'profile' | 'call' | 'calls'>): void {
    const { session, profile, audit, durability } = this.#parts;
    const use = { session, profile, ...this.#calls(), ...fields, path: truncate(path) };
    audit.append('credential.use', use, durability);
  }

  /** The tool call in flight; where there are several, any of them may be the cause. */
  #calls(): { call?: string; calls?: readonly string[] } {
    const calls = this.#parts.calls();
    const [call] = calls;
    if (call === undefined) return {};
    return calls.length === 1 ? { call } : { calls: calls.slice(0, MAX_CALLS) };
  }

  #try(write: () => void): void {
    try {
      write();
    } catch (error) {
      // The event has happened already; nothing new passes while the log cannot be written.
      const { session, log } = this.#parts;
      log.error({ session, error: String(error) }, 'the audit log cannot be written');
    }
  }
}

function truncate(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}
