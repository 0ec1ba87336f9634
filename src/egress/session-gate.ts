// The gate of one server with all that belongs to it: what is sealed, the authority, the ledger, the turns. It works in
// whatever thread makes it.
import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type * as tls from 'node:tls';
import type { Confirmations } from '../credential/confirmation.ts';
import {
  type SealedCredential,
  SealedCredentials,
  type SealedValue,
  type UseCounts,
} from '../credential/sealed.ts';
import type { UsageLocks } from '../credential/usage.ts';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import type { ProfileCredential } from '../profile/credential.ts';
import type { Profile } from '../profile/format.ts';
import { matchesHost } from '../profile/host.ts';
import { Allowlist } from './allowlist.ts';
import type { Dialler } from './dial/dialler.ts';
import { Routes } from './dial/routes.ts';
import { Gate } from './gate.ts';
import { type EgressAudit, EgressLedger } from './ledger.ts';
import { VirtualAddresses } from './names/virtual-addresses.ts';
import type { Refreshes } from './refresh.ts';
import { Authority } from './tls/authority.ts';
import { GateTurns } from './turns.ts';

/** A credential that a host has answered to. */
export type RespondedCredential = Pick<SealedCredential, 'name' | 'version'>;

export interface SessionGateParts {
  readonly session: string;
  readonly profile: string;
  readonly durability: Profile['audit']['durability'];
  /** When the session began, in milliseconds of `clock`. */
  readonly began: number;
  readonly uses: UseCounts;
  readonly credentials: readonly (ProfileCredential & SealedValue)[];
  /** The hosts that the profile lists, and those of what is sealed. */
  readonly network: readonly string[];
  readonly sealed: readonly string[];
  readonly dialler: Dialler;
  /** The authorities that hosts are verified against, read when the first is. */
  readonly upstreamTrust: () => tls.SecureContext;
  readonly audit: EgressAudit;
  readonly guards: UsageLocks;
  readonly refreshes: Refreshes;
  readonly confirmations: Confirmations;
  readonly admission: () => Promise<void>;
  readonly checkNode: () => Promise<void>;
  readonly onCredentialResponse: (credential: RespondedCredential, status: number, host: string) => void;
  /** Called with everything that is refused. */
  readonly onRefused: (host: string, port: number, reason: string) => void;
  /** Called after each change of the values that must not reach the server. */
  readonly onSecrets?: () => void;
  /** Called with the longest turn so far, when that has become longer by a millisecond or more. */
  readonly onLongest?: (ms: number) => void;
  readonly nextConnectionId: () => string;
  /** The tool calls in flight. */
  readonly calls: () => readonly string[];
  readonly pace?: { readonly burst: number; readonly rate: number } | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

const HTTPS = 443;

/** Turns of the event loop in which a closed gate's connections end. */
const LEAST_TURNS = 2;
const MOST_TURNS = 1000;

export class SessionGate {
  readonly gate: Gate;
  readonly sealed: SealedCredentials;
  /** Undefined where nothing is sealed. */
  readonly authority: Authority | undefined;
  readonly addresses: VirtualAddresses;
  readonly ledger: EgressLedger;
  readonly turns: GateTurns;
  readonly #routes: Routes;

  constructor(parts: SessionGateParts) {
    const { session, profile, began, uses, clock, log, onSecrets, onLongest } = parts;
    this.sealed = new SealedCredentials(parts.credentials, {
      random: randomBytes,
      start: began,
      uses,
      matches: (pattern, host, port) => matchesHost(pattern, host, port, HTTPS),
      ...(onSecrets && { onChange: onSecrets }),
    });
    const allowed = new Allowlist(parts.network, parts.sealed);
    this.authority = parts.sealed.length > 0 ? Authority.create(parts.sealed, clock.now()) : undefined;
    this.addresses = new VirtualAddresses(allowed);
    this.ledger = new EgressLedger(parts);
    this.turns = new GateTurns({ session, profile, clock, log, ...(onLongest && { onLongest }) });
    const { dialler } = parts;
    this.#routes = new Routes({ dialler, allowed, ledger: this.ledger, turns: this.turns, clock });
    this.gate = new Gate({
      ...parts,
      allowed,
      addresses: this.addresses,
      sealed: this.sealed,
      authority: this.authority,
      routes: this.#routes,
      ledger: this.ledger,
      turns: this.turns,
    });
  }

  /** The values of credentials from now on, by their names. Placeholders stay. */
  update(fresh: readonly (SealedValue & { readonly name: string })[]): void {
    for (const { name, value, version } of fresh)
      for (const credential of this.sealed.all)
        if (credential.name === name) credential.update(value, version);
  }

  /** Ends all connections. Settles when that is on record: what is inside another ends in a later turn of the event loop. */
  async close(): Promise<void> {
    this.gate[Symbol.dispose]();
    this.#routes[Symbol.dispose]();
    const isOver = (turn: number): boolean => turn >= LEAST_TURNS && this.ledger.open === 0;
    for (let turn = 0; turn < MOST_TURNS && !isOver(turn); turn++) await setImmediate();
  }
}
