// Trust as the daemon has it: the records of all profiles, the sessions that are held to them, the question of a first use,
// and what people accept later.
import { setTimeout as delay } from 'node:timers/promises';
import type { AuditLog } from '../audit/log.ts';
import { WarderError } from '../errors.ts';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import type { ShownTrust } from '../wire/control.ts';
import { handedOver } from './handed-over.ts';
import type { Answer } from './questions/answer.ts';
import type { Asked } from './questions/broker.ts';
import type { Asking } from './questions/outcome.ts';
import type { AuthenticFiles } from './store/authentic-files.ts';
import type { Grant, GrantSubject } from './store/grants.ts';
import { type Difference, withDifferences } from './trust/compare.ts';
import { Executables } from './trust/executables.ts';
import { FirstUseQuestion } from './trust/first-use-question.ts';
import { type OpenTrust, openTrust, type RemoteTrust } from './trust/open-trust.ts';
import { type ProfileAnswers, ProfilesAnswers } from './trust/profile-answers.ts';
import { digestOfRecord, type ProfileTrust } from './trust/profile-trust.ts';
import { copyOf, type ServerIdentity, type TrustRecord } from './trust/record.ts';
import { TrustRecords } from './trust/records.ts';
import { showTrust } from './trust/shown.ts';
import type { Started, TrustedSession } from './trust/trusted-session.ts';

export type { OpenTrust, ProfileAnswers, RemoteTrust, Started };

export interface TrustServiceOptions {
  /** Whether a person is asked about a first use. */
  readonly firstUse: 'ask' | 'accept';
  /** The state folder. */
  readonly folder: string;
  /** The files, once the credential store is open; `locked`: it is not, but there is one; `unset`: there is none. */
  readonly files: () => AuthenticFiles | 'locked' | 'unset';
  /** Opens them, if that asks nobody. Never rejects. */
  readonly open: () => Promise<void>;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly ask: (asked: Asked) => Asking;
  readonly findGrant: (subject: GrantSubject) => Grant | undefined;
  /** Another number each time that there are other grants. */
  readonly grantsVersion: () => number;
  readonly keepGrant: (subject: GrantSubject, answer: Answer, by: string) => Grant;
  /** Throws `refused` unless a person is there. */
  readonly requirePresence: (pin: string | undefined) => Promise<void>;
  /** Whether another daemon has taken over: it is the one that writes. */
  readonly isRetired: () => boolean;
  /** The user, as `process.getuid`. */
  readonly uid: number | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** Milliseconds that the start of a session waits for the credential store. */
const OPENING = 2000;

export class TrustService {
  readonly #options: TrustServiceOptions;
  readonly #records: TrustRecords;
  readonly #firstUse: FirstUseQuestion;
  readonly #executables: Executables;
  readonly #answers: ProfilesAnswers;

  constructor(options: TrustServiceOptions) {
    this.#options = options;
    const { files, uid, clock, log } = options;
    this.#records = new TrustRecords(options);
    this.#firstUse = new FirstUseQuestion({ ...options, records: this.#records });
    this.#executables = new Executables({
      files: () => {
        const found = files();
        return typeof found === 'object' ? found : undefined;
      },
      uid,
      log,
    });
    this.#answers = new ProfilesAnswers({
      files,
      clock,
      log,
      trustOf: (profile) => this.#records.of(profile),
      identify: (started) => this.#identify(started),
    });
  }

  /** The credential store was opened. */
  reload(): void {
    this.#records.reload();
  }

  /** Writes what is not written yet. */
  flush(): void {
    this.#records.flush();
    this.#answers.flushAll();
  }

  /**
   * The daemon that has taken over accepted something else of a profile's server, or forgot it: what is on disk counts
   * for the sessions here, and nothing where that cannot be read. Throws the credential store's errors.
   */
  async reread(profile: string): Promise<void> {
    await this.#opened();
    const files = this.#options.files();
    const [relearned] = await Promise.allSettled([typeof files === 'object' && files.relearn()]);
    const trust = this.#records.of(profile);
    if (relearned.status === 'rejected') trust.reread(relearned.reason);
    else trust.reread();
    this.#records.held.forget(profile);
    if (trust.record === undefined) this.#answers.forget(profile);
    if (relearned.status === 'rejected') throw relearned.reason;
  }

  /**
   * Waits a while for the credential store to be opened, if that asks nobody. Throws `refused` where a record does not
   * verify: then nothing is to be started.
   */
  async prepare(profile: string): Promise<void> {
    await this.#opened();
    const { fault } = this.#records.of(profile);
    if (fault?.code === 'refused') throw fault;
  }

  /** What a session holds its server to. */
  open(about: TrustedSession): Promise<OpenTrust> {
    return openTrust(about, {
      records: this.#records,
      firstUse: this.#firstUse,
      identify: (started) => this.#identify(started),
      ended: (profile) => this.#answers.flush(profile),
    });
  }

  /** What people are shown. */
  async show(profile: string, previous: boolean): Promise<ShownTrust> {
    await this.#opened();
    const trust = this.#records.of(profile);
    const candidate = this.#candidateOf(trust);
    return showTrust(trust, {
      alike: this.#records.lookAlikes(profile, trust.sighting),
      candidate,
      previous,
    });
  }

  /**
   * Accepts what was seen of a server, all of it or the named entries alone. `expected` is the digest of
   * what was shown. Throws `usage` where it is other meanwhile, and `refused` without a person
   * where there is a record that outlives the daemon.
   */
  async accept(
    profile: string,
    {
      expected,
      only,
      by,
      pin,
    }: { expected: string; only: readonly string[] | undefined; by: string; pin: string | undefined },
  ): Promise<string> {
    const trust = this.#records.of(profile);
    if (trust.fault !== undefined) throw trust.fault;
    const before = trust.record;
    if (before !== undefined && trust.lasts) await this.#options.requirePresence(pin);
    this.#requireCharge();
    const candidate = this.#candidateOf(trust);
    if (candidate === undefined || digestOfRecord(candidate) !== expected || trust.record !== before) {
      throw new WarderError('usage', `what the server of "${profile}" lists is other than what was shown`, {
        hint: `look at it again: "warder trust diff ${profile}"`,
      });
    }
    const chosen = before === undefined || only === undefined ? candidate : this.#only(trust, before, only);
    const record = { ...chosen, by };
    await this.#records.become(trust, record);
    return digestOfRecord(record);
  }

  /** What would be accepted: what was seen, on top of what is no longer known to be there. */
  #candidateOf(trust: ProfileTrust): TrustRecord | undefined {
    const { record, sighting } = trust;
    if (sighting === undefined) return undefined;
    const { server, permissions, seen } = sighting;
    const accepted = new Date(this.#options.clock.now()).toISOString();
    const described =
      record === undefined ? copyOf(seen.described) : withDifferences(record.described, trust.differences());
    return { accepted, by: 'terminal', server, permissions, described };
  }

  /** Goes back to the record before. Throws as `accept`. */
  async undo(profile: string, pin: string | undefined): Promise<string> {
    const trust = this.#records.of(profile);
    if (trust.fault !== undefined) throw trust.fault;
    if (trust.lasts) await this.#options.requirePresence(pin);
    this.#requireCharge();
    const { previous } = trust;
    if (previous === undefined) {
      throw new WarderError('usage', `there is no earlier record of "${profile}"`, {
        hint: 'the first one cannot be undone; "warder trust show" shows it',
      });
    }
    this.#records.append({
      profile,
      what: 'record',
      outcome: 'accepted',
      record: digestOfRecord(previous),
      by: 'undo',
    });
    await trust.undo();
    return digestOfRecord(previous);
  }

  /** Forgets a record. Without a person only that of a profile that is no more. */
  async forget(
    profile: string,
    { isGone, pin }: { isGone: boolean; pin: string | undefined },
  ): Promise<boolean> {
    const trust = this.#records.of(profile);
    if (trust.fault?.code === 'locked') throw trust.fault;
    const isThere = trust.fault !== undefined || trust.record !== undefined;
    if (isThere && !isGone && trust.lasts) await this.#options.requirePresence(pin);
    this.#requireCharge();
    if (isThere) {
      this.#records.append({ profile, what: 'record', outcome: 'forgotten', ...recordOf(trust) });
      await trust.forget();
    }
    this.#answers.forget(profile);
    this.#records.held.forget(profile);
    return isThere;
  }

  /** What hosts of a profile are answered before its server is started. `digest` is that of the profile's file. */
  answers(profile: string, digest: string): ProfileAnswers {
    return this.#answers.of(profile, digest);
  }

  /** Throws `daemon-version` where another daemon has taken over, maybe while a person proved to be there. */
  #requireCharge(): void {
    if (this.#options.isRetired()) throw handedOver();
  }

  async #opened(): Promise<void> {
    const { open, files } = this.#options;
    if (files() === 'locked') await Promise.race([open(), delay(OPENING, undefined, { ref: false })]);
  }

  async #identify(started: Started): Promise<ServerIdentity> {
    if ('url' in started) return { files: [{ path: started.url, digest: null }] };
    return 'package' in started
      ? { files: [{ path: started.package, digest: started.digest }] }
      : this.#executables.identify(started.command);
  }

  #only(trust: ProfileTrust, record: TrustRecord, names: readonly string[]): TrustRecord {
    const wanted = new Set(names);
    const chosen = trust.differences().filter(({ kind, name }) => kind === 'tools' && wanted.has(name));
    const missing = names.find((name) => !chosen.some((each: Difference) => each.name === name));
    if (missing !== undefined) {
      throw new WarderError(
        'usage',
        `the tool ${JSON.stringify(missing)} is as it was accepted, or not listed`,
        {
          hint: `"warder trust diff ${trust.profile}" shows what differs`,
        },
      );
    }
    const accepted = new Date(this.#options.clock.now()).toISOString();
    return { ...record, accepted, described: withDifferences(record.described, chosen) };
  }
}

function recordOf(trust: ProfileTrust): { readonly record?: string } {
  const { digest } = trust;
  return digest === undefined ? {} : { record: digest };
}
