// What the gate of one server tells the audit log. The record of what goes out is written before it goes: whoever
// calls lets nothing through when it throws. Refusals may come in floods, made by a server on purpose: equal ones
// are counted for a while and told as one, and of different ones so many a second are written, the rest counted.
import type { CredentialUse, EgressConnect } from '../audit/events.ts';
import type { AuditLog } from '../audit/log.ts';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import type { Profile } from '../profile/format.ts';

/** Whose records these are, and where they go. */
export interface EgressLedgerParts {
  readonly session: string;
  readonly profile: string;
  readonly durability: Profile['audit']['durability'];
  readonly audit: Pick<AuditLog, 'append'>;
  /** The tool calls in flight, by their numbers in the log. */
  readonly calls: () => readonly string[];
  /** A name for a connection, unique in the log. */
  readonly name: () => string;
  readonly clock: Clock;
  readonly log: Log;
}

/** A connection's name in the log, and where it wants to go. */
export interface Way {
  readonly connection: string;
  readonly host: string;
  readonly port: number;
}

/** A request that carries a credential. `path` is as the server wrote it, without its query. */
export interface Carried {
  readonly credential: string;
  readonly version: string;
  readonly host: string;
  readonly port: number;
  readonly method: string;
  readonly path: string;
}

type Refused = Omit<Way, 'connection'> & Partial<Way>;

/** How many tool calls a record names. */
const MOST_CALLS = 16;
/** Equal refusals within so many milliseconds are one record and a count. */
const SAME = 60_000;
/** Different refusals: so many at once, and so many a second after that. */
const BURST = 200;
const RATE = 10;
/** Refusals that are remembered. */
const MOST_KNOWN = 1024;
/** Characters of a path or reason in a record. */
const LONGEST = 1024;

export class EgressLedger {
  readonly #parts: EgressLedgerParts;
  readonly #known = new Map<string, { since: number; count: number }>();
  #allowance = BURST;
  #refilled: number;
  #untold = 0;

  constructor(parts: EgressLedgerParts) {
    this.#parts = parts;
    this.#refilled = parts.clock.monotonic();
  }

  /** The name of a new connection. */
  next(): string {
    return this.#parts.name();
  }

  /** A connection is about to be made to an address. Throws `audit-unwritable`. */
  opening(way: Way, address: string, opened: boolean): void {
    this.#connect({ ...way, address, opened, outcome: 'open' });
  }

  /** A connection has ended; bytes as the sandbox' side counts them. Never throws. */
  closed(way: Way, address: string, ended: { bytes_out: number; bytes_in: number; ms: number }): void {
    const ms = Math.max(0, Math.round(ended.ms));
    this.#try(() => this.#connect({ ...way, address, ...ended, ms, outcome: 'closed' }));
  }

  /** A connection that was allowed did not come about, or broke. Never throws. */
  failed(way: Way, reason: string): void {
    this.#refusal('failed', way, reason);
  }

  /** Something was refused: a name (port 53), a port, a connection, a request. Never throws. */
  refused(way: Refused, reason: string): void {
    this.#refusal('refused', way, reason);
  }

  /** A credential is about to leave. Throws `audit-unwritable`. */
  using(carried: Carried): void {
    this.#use({ ...carried, action: 'use', outcome: 'sent' });
  }

  /** A host has answered a request that carried a credential. Never throws. */
  answered(carried: Carried, status: number): void {
    const outcome = status === 401 || status === 403 ? 'denied' : 'ok';
    this.#try(() => this.#use({ ...carried, action: 'answer', outcome, status }));
  }

  /** A request that carried a credential got no answer. Never throws. */
  lost(carried: Carried, reason: string): void {
    this.#try(() => this.#use({ ...carried, action: 'answer', outcome: 'lost', reason: cut(reason) }));
  }

  /** A credential was not put in. Never throws. */
  withheld(carried: Carried, reason: string): void {
    const { credential, host, port, method } = carried;
    if (!this.#worth(`withheld ${credential} ${host} ${port} ${method} ${reason}`)) return;
    this.#try(() => this.#use({ ...carried, action: 'use', outcome: 'refused', reason: cut(reason) }));
  }

  /** Tells what was only counted so far. To be called when the gate closes. */
  close(): void {
    const count = [...this.#known.values()].reduce((sum, known) => sum + known.count, 0) + this.#untold;
    this.#known.clear();
    this.#untold = 0;
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

  #refusal(outcome: 'refused' | 'failed', way: Refused, reason: string): void {
    if (!this.#worth(`${outcome} ${way.host} ${way.port} ${reason}`)) return;
    this.#try(() => this.#connect({ ...way, outcome, reason: cut(reason) }));
  }

  /** Whether a refusal is to be written, or only counted. */
  #worth(key: string): boolean {
    const now = this.#parts.clock.monotonic();
    const known = this.#known.get(key);
    if (known !== undefined && now - known.since < SAME) {
      known.count++;
      return false;
    }
    this.#allowance = Math.min(BURST, this.#allowance + ((now - this.#refilled) / 1000) * RATE);
    this.#refilled = now;
    if (this.#allowance < 1) {
      this.#untold++;
      return false;
    }
    this.#allowance--;
    this.#forget(
      known === undefined && this.#known.size >= MOST_KNOWN ? this.#known.keys().next().value : key,
    );
    this.#known.set(key, { since: now, count: 0 });
    return true;
  }

  #forget(key: string | undefined): void {
    if (key === undefined) return;
    this.#untold += this.#known.get(key)?.count ?? 0;
    this.#known.delete(key);
  }

  #connect(fields: Omit<EgressConnect, 'session' | 'profile' | 'call' | 'calls'>): void {
    const { session, profile, audit, durability } = this.#parts;
    audit.append('egress.connect', { session, profile, ...this.#calls(), ...fields }, durability);
  }

  #use({ path = '', ...fields }: Omit<CredentialUse, 'session' | 'profile' | 'call' | 'calls'>): void {
    const { session, profile, audit, durability } = this.#parts;
    const use = { session, profile, ...this.#calls(), ...fields, path: cut(path) };
    audit.append('credential.use', use, durability);
  }

  /** The tool call in flight; where there are several, any of them may be meant. */
  #calls(): { call?: string; calls?: readonly string[] } {
    const calls = this.#parts.calls();
    const [call] = calls;
    if (call === undefined) return {};
    return calls.length === 1 ? { call } : { calls: calls.slice(0, MOST_CALLS) };
  }

  #try(write: () => void): void {
    try {
      write();
    } catch (error) {
      // What is told here has happened already; nothing new passes while the log cannot be written.
      const { session, log } = this.#parts;
      log.error({ session, error: String(error) }, 'the audit log cannot be written');
    }
  }
}

function cut(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}
