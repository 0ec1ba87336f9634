// What the gate of one server writes to the audit log. The record of what goes out is written before it goes: if it
// throws, the caller lets nothing through. What has happened already is recorded as well, and nothing waits for that.
//
// A server can cause floods of records on purpose, so their rate is limited. What is allowed is never left out: it
// waits (`pace`) before it is recorded and goes out. Equal refusals are counted for a while and written as one, and
// different ones are written at a limited rate, the rest counted; a record says how many it stands for.
import type { Fields } from '../audit/events.ts';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import type { Profile } from '../profile/format.ts';
import { BUDGETS } from './budgets.ts';

export type GateEvent = 'egress.connect' | 'credential.use';

/** Where records are written. Throws where they cannot be. */
export interface EgressAudit {
  append<Event extends GateEvent>(
    event: Event,
    fields: Fields[Event],
    durability: Profile['audit']['durability'],
  ): unknown;
  /** As `append`, for what has happened already: it may return before that is written. Where there is none, `append` is called. */
  appendLater?<Event extends GateEvent>(
    event: Event,
    fields: Fields[Event],
    durability: Profile['audit']['durability'],
  ): void;
  /** As `AuditLog.add`; where there is none each record is written by itself. */
  add?<Event extends GateEvent>(
    event: Event,
    fields: Fields[Event],
    durability: Profile['audit']['durability'],
    unwritten: (error: Error) => void,
  ): void;
}

/** Identifies the session in the records, and where they go. */
export interface EgressLedgerParts {
  /** Undefined outside of a session. */
  readonly session: string | undefined;
  readonly profile: string;
  readonly durability: Profile['audit']['durability'];
  readonly audit: EgressAudit;
  /** The tool calls in flight, by their numbers in the log. */
  readonly calls: () => readonly string[];
  /** Called with everything that is refused, whether or not it gets a record of its own. */
  readonly onRefused?: (host: string, port: number, reason: string) => void;
  /** Makes an id for a connection, unique in the log. */
  readonly nextConnectionId: () => string;
  readonly clock: Clock;
  readonly log: Log;
  /** Records of what is allowed: how many at once, and how many a second after that. */
  readonly pace?: { readonly burst: number; readonly rate: number } | undefined;
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
  /** By which a person has confirmed it. */
  readonly rule?: string;
  /** The tool call that it is for, where that is known; null: none. */
  readonly call?: string | null;
  /** Of an access token: who issued it, its scopes, and a digest of its id. */
  readonly issuer?: string;
  readonly scopes?: string;
  readonly token?: string;
}

/** Equal refusals since one was recorded, and how to record those that followed. */
interface Repeated {
  readonly since: number;
  count: number;
  readonly write: ((count: number) => void) | undefined;
}

type RefusedDestination = Omit<Destination, 'connection'> & Partial<Destination>;

type Connect = Omit<Fields['egress.connect'], 'session' | 'profile' | 'call' | 'calls'>;

type Use = Omit<Fields['credential.use'], 'session' | 'profile' | 'call' | 'calls'> & {
  readonly call?: string | null;
};

/** How many tool calls a record names. */
const MAX_CALLS = 16;
/** Milliseconds during which equal refusals become one record and a count. */
const REPEAT_WINDOW = 60_000;
/** What a connection or a use writes: a record before, and one after. */
const RECORDS_PER_USE = 2;
/** Characters of a path or reason in a record. */
const MAX_TEXT = 1024;

export class EgressLedger {
  readonly #parts: EgressLedgerParts;
  readonly #recent = new Map<string, Repeated>();
  readonly #refusals: Budget;
  readonly #uses: Budget;
  /** Refusals that were only counted, and when such were last written. */
  #unreported = 0;
  #reported: number;
  #open = 0;

  constructor(parts: EgressLedgerParts) {
    this.#parts = parts;
    this.#refusals = new Budget(BUDGETS.refusals, parts.clock);
    this.#uses = new Budget(parts.pace ?? BUDGETS.records, parts.clock);
    this.#reported = parts.clock.monotonic();
  }

  /** Connections whose end is not on record yet. */
  get open(): number {
    return this.#open;
  }

  /** Resolves when another connection or use may be recorded, so that a flood of them is slowed. Call it before. */
  async pace(): Promise<void> {
    for (let wait = this.#uses.wait; wait > 0; wait = this.#uses.wait) {
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }

  /** The id of a new connection. */
  nextConnectionId(): string {
    return this.#parts.nextConnectionId();
  }

  /**
   * A connection is about to be made to an address. `opened`: the gate reads what it carries; `proxied`: the address is a
   * proxy's, which is asked for another address or, if `target` is undefined, for the name. Throws `audit-unwritable`.
   */
  recordOpen(
    destination: Destination,
    address: string,
    { opened, proxied }: { opened: boolean; proxied?: { target: string | undefined } | undefined },
  ): void {
    this.#uses.spend(RECORDS_PER_USE);
    const { target } = proxied ?? {};
    const judgement =
      proxied === undefined ? {} : target === undefined ? ({ judged: false } as const) : { target };
    this.#append(
      'egress.connect',
      this.#toConnect({ ...destination, address, ...judgement, opened, outcome: 'open' }),
    );
    this.#open++;
  }

  /** A connection has ended; bytes as the sandbox's side counts them. Never throws. */
  recordClose(
    destination: Destination,
    address: string,
    totals: { bytes_out: number; bytes_in: number; ms: number },
  ): void {
    const ms = Math.max(0, Math.round(totals.ms));
    this.#open--;
    this.#connected({ ...destination, address, ...totals, ms, outcome: 'closed' });
  }

  /** A connection that was allowed could not be made, or broke. Never throws. */
  recordFailure(destination: Destination, reason: string): void {
    this.#refusal('failed', destination, reason);
  }

  /** Something was refused: a name (port 53), a port, a connection, a request. Never throws. */
  recordRefusal(destination: RefusedDestination, reason: string): void {
    this.#refusal('refused', destination, reason);
    this.#parts.onRefused?.(destination.host, destination.port, reason);
  }

  /** A credential is about to be sent. Throws `audit-unwritable`. */
  recordUse(request: CredentialedRequest): void {
    this.#uses.spend(RECORDS_PER_USE);
    this.#append('credential.use', this.#toUse({ ...request, action: 'use', outcome: 'sent' }));
  }

  /** A host has answered a request that carried a credential. Never throws. */
  recordAnswer(request: CredentialedRequest, status: number): void {
    this.#used({ ...request, ...answerOf(status) });
  }

  /** As `recordAnswer`, in one write with the records that follow in the same piece: see `AuditLog.add`. */
  addAnswer(request: CredentialedRequest, status: number): void {
    const { audit, durability } = this.#parts;
    if (audit.add === undefined) {
      this.recordAnswer(request, status);
      return;
    }
    const fields = this.#toUse({ ...request, ...answerOf(status) });
    audit.add('credential.use', fields, durability, (error) => this.#unwritten(error));
  }

  /** A request that carried a credential got no answer. Never throws. */
  recordNoAnswer(request: CredentialedRequest, reason: string): void {
    this.#used({ ...request, action: 'answer', outcome: 'lost', reason: truncate(reason) });
  }

  /** A host has exchanged a refresh token for another one. Never throws. */
  recordExchange(
    { name: credential, version }: { readonly name: string; readonly version: string },
    { host, port }: Destination,
    outcome: 'stored' | 'kept' | 'superseded',
    reason: string | undefined,
  ): void {
    const fields = {
      credential,
      version,
      host,
      port,
      ...(reason !== undefined && { reason: truncate(reason) }),
    };
    this.#used({ ...fields, action: 'exchange', outcome });
  }

  /** A credential was not substituted. Never throws. */
  recordDenial(request: CredentialedRequest, reason: string): void {
    const { credential, host, port, method } = request;
    const count = this.#countToRecord(`withheld ${credential} ${host} ${port} ${method} ${reason}`);
    if (count === 0) return;
    const use = { ...request, action: 'use', outcome: 'refused', reason: truncate(reason) } as const;
    this.#used({ ...use, ...(count > 1 && { count }) });
  }

  /** Writes what was only counted so far. To be called when the gate closes. */
  close(): void {
    let left = BUDGETS.closingRecords;
    for (const { count, write } of this.#recent.values()) {
      if (count === 0) continue;
      if (write !== undefined && left-- > 0) write(count);
      else this.#unreported += count;
    }
    this.#recent.clear();
    this.#reportCounted();
  }

  #refusal(outcome: 'refused' | 'failed', destination: RefusedDestination, reason: string): void {
    const { host, port } = destination;
    const fields = { outcome, reason: truncate(reason) };
    const count = this.#countToRecord(`${outcome} ${host} ${port} ${reason}`, (count) =>
      this.#connected({ host, port, ...fields, count }),
    );
    if (count === 0) return;
    this.#connected({ ...destination, ...fields, ...(count > 1 && { count }) });
  }

  /**
   * How many equal refusals, with this one, a record is to stand for now. 0: this one is only counted; at the end `write`
   * gets how many were.
   */
  #countToRecord(key: string, write?: (count: number) => void): number {
    const now = this.#parts.clock.monotonic();
    if (now - this.#reported >= REPEAT_WINDOW) this.#reportCounted();
    const earlier = this.#recent.get(key);
    if (earlier !== undefined && now - earlier.since < REPEAT_WINDOW) {
      earlier.count++;
      return 0;
    }
    if (this.#refusals.wait > 0) {
      this.#unreported++;
      return 0;
    }
    this.#refusals.spend(1);
    this.#recent.delete(key);
    const [oldest] = this.#recent;
    if (oldest !== undefined && this.#recent.size >= BUDGETS.remembered) {
      this.#unreported += oldest[1].count;
      this.#recent.delete(oldest[0]);
    }
    this.#recent.set(key, { since: now, count: 0, write });
    return 1 + (earlier?.count ?? 0);
  }

  /** Writes how many refusals were only counted. */
  #reportCounted(): void {
    const count = this.#unreported;
    this.#unreported = 0;
    this.#reported = this.#parts.clock.monotonic();
    if (count === 0) return;
    const reason = 'more refusals like those before';
    this.#connected({ host: '', port: 0, outcome: 'refused', reason, count });
  }

  /** Something happened to a connection. Never throws. */
  #connected(connect: Connect): void {
    this.#appendLater('egress.connect', this.#toConnect(connect));
  }

  /** Something happened to a use. Never throws. */
  #used(use: Use): void {
    this.#appendLater('credential.use', this.#toUse(use));
  }

  #append<Event extends GateEvent>(event: Event, fields: Fields[Event]): void {
    const { audit, durability } = this.#parts;
    audit.append(event, fields, durability);
  }

  #appendLater<Event extends GateEvent>(event: Event, fields: Fields[Event]): void {
    const { audit, durability } = this.#parts;
    try {
      if (audit.appendLater === undefined) audit.append(event, fields, durability);
      else audit.appendLater(event, fields, durability);
    } catch (error) {
      this.#unwritten(error);
    }
  }

  #toConnect(connect: Connect): Fields['egress.connect'] {
    const { profile, calls } = this.#parts;
    return { ...this.#session(), profile, ...callsFields(calls()), ...connect };
  }

  #toUse({ path, call, ...fields }: Use): Fields['credential.use'] {
    return {
      ...this.#session(),
      profile: this.#parts.profile,
      ...(call === undefined ? callsFields(this.#parts.calls()) : call !== null && { call }),
      ...fields,
      ...(path !== undefined && { path: truncate(path) }),
    };
  }

  #session(): { session?: string } {
    const { session } = this.#parts;
    return session === undefined ? {} : { session };
  }

  /** The event has happened already; nothing new passes while the log cannot be written. */
  #unwritten(error: unknown): void {
    const { session, log } = this.#parts;
    log.error({ session, error: String(error) }, 'the audit log cannot be written');
  }
}

function answerOf(status: number): Pick<Use, 'action' | 'outcome' | 'status'> {
  return { action: 'answer', outcome: status === 401 || status === 403 ? 'denied' : 'ok', status };
}

/** The tool call in flight; where there are several, any of them may be the cause. */
export function callsFields(calls: readonly string[]): { call?: string; calls?: readonly string[] } {
  const [call] = calls;
  if (call === undefined) return {};
  return calls.length === 1 ? { call } : { calls: calls.slice(0, MAX_CALLS) };
}

function truncate(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}

/** How many records may be written: a number at once, and a rate after that. More can be spent, and is made up for. */
class Budget {
  readonly #limit: { readonly burst: number; readonly rate: number };
  readonly #clock: Clock;
  #left: number;
  #refilled: number;

  constructor(limit: { readonly burst: number; readonly rate: number }, clock: Clock) {
    this.#limit = limit;
    this.#clock = clock;
    this.#left = limit.burst;
    this.#refilled = clock.monotonic();
  }

  /** Milliseconds until another record may be written; 0: now. */
  get wait(): number {
    this.#refill();
    return this.#left >= 1 ? 0 : Math.ceil(((1 - this.#left) / this.#limit.rate) * 1000);
  }

  spend(records: number): void {
    this.#refill();
    this.#left -= records;
  }

  #refill(): void {
    const { burst, rate } = this.#limit;
    const now = this.#clock.monotonic();
    this.#left = Math.min(burst, this.#left + ((now - this.#refilled) / 1000) * rate);
    this.#refilled = now;
  }
}
