// Trust as the daemon has it: the records of all profiles, the sessions that are held to them, the question of a first use,
// and what people accept later.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Fields } from '../audit/events.ts';
import type { AuditLog } from '../audit/log.ts';
import { WarderError } from '../errors.ts';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import type { Profile } from '../profile/format.ts';
import { digest } from '../relay/canonical.ts';
import type { ConsentOutcome, OpenConsent } from '../relay/consent.ts';
import type { Trust } from '../relay/trust.ts';
import type { ShownTrust } from '../wire/control.ts';
import type { HostIdentity } from './host-identity.ts';
import type { Answer } from './questions/answer.ts';
import type { Asked, Asking } from './questions/broker.ts';
import type { Reach } from './questions/question.ts';
import type { AuthenticFiles } from './store/authentic-files.ts';
import type { Grant, GrantSubject } from './store/grants.ts';
import { type Difference, type Sighting, withDifferences } from './trust/compare.ts';
import { Executables, type StartedCommand } from './trust/executables.ts';
import { firstUseLines } from './trust/first-use.ts';
import { HeldLog } from './trust/held-log.ts';
import { HeldNotices } from './trust/held-notices.ts';
import { LookAlikes } from './trust/look-alikes.ts';
import { permissionsOf, widened } from './trust/permissions.ts';
import { digestOfRecord, ProfileTrust } from './trust/profile-trust.ts';
import { copyOf, type ServerIdentity, type TrustRecord } from './trust/record.ts';
import { type AskingFirst, SessionTrust } from './trust/session-trust.ts';
import { showTrust } from './trust/shown.ts';
import { hostDialogWay } from './ways/host-dialog.ts';

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
  readonly ask: (asked: Asked) => Asking & { readonly id: string | undefined };
  readonly findGrant: (subject: GrantSubject) => Grant | undefined;
  /** Another number each time that there are other grants. */
  readonly grantsVersion: () => number;
  readonly keepGrant: (subject: GrantSubject, answer: Answer, by: string) => Grant;
  /** Throws `refused` unless a person is there. */
  readonly requirePresence: (pin: string | undefined) => Promise<void>;
  /** The user, as `process.getuid`. */
  readonly uid: number | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** What a session runs: a pinned package, or a command. */
export type Started =
  | { readonly package: string; readonly digest: string }
  | { readonly command: StartedCommand };

export interface TrustedSession {
  readonly session: string;
  readonly profile: Profile;
  readonly host: HostIdentity;
  readonly reach: Reach;
  readonly started: Started;
  /** Tells the user a line, beside the protocol. */
  readonly tell: (line: string) => void;
}

/** The trust of one session, and what it is bound to. */
export interface OpenTrust extends Disposable {
  readonly trust: Trust & { readonly digest: string | undefined };
  /** The digest of what runs. */
  readonly server: string;
  /** How many things are held back. */
  readonly held: number;
  /** The digest of a tool's definition, as it was listed in the session or else accepted. */
  definition(tool: string): string | undefined;
  /** What the server says of a tool, a line each. */
  claims(tool: string): readonly string[];
  /** Another server process of the session was started. */
  restarted(started: Started): Promise<void>;
}

/** Milliseconds that the start of a session waits for the credential store. */
const OPENING = 2000;
const FOR_GOOD = { decision: 'allow', scope: 'always', extent: 'name' } as const satisfies Answer;

export class TrustService {
  readonly #options: TrustServiceOptions;
  readonly #profiles = new Map<string, ProfileTrust>();
  readonly #executables: Executables;
  readonly #held: HeldLog;

  constructor(options: TrustServiceOptions) {
    this.#options = options;
    const { files, uid, log } = options;
    this.#held = new HeldLog((fields) => this.#append(fields));
    this.#executables = new Executables({
      files: () => {
        const found = files();
        return typeof found === 'object' ? found : undefined;
      },
      uid,
      log,
    });
  }

  /** The credential store was opened. */
  reload(): void {
    for (const trust of this.#profiles.values()) trust.reload();
  }

  /**
   * Waits a while for the credential store to be opened, if that asks nobody. Throws `refused` where a record does not
   * verify: then nothing is to be started.
   */
  async prepare(profile: string): Promise<void> {
    await this.#opened();
    const { fault } = this.of(profile);
    if (fault?.code === 'refused') throw fault;
  }

  /** What a session holds its server to. */
  async open(about: TrustedSession): Promise<OpenTrust> {
    const trust = this.of(about.profile.name);
    let server = await this.#identify(about.started);
    const notices = new HeldNotices(about.profile.name, about.tell);
    const forget = trust.onChange(() => notices.clear());
    const session = new SessionTrust(server, {
      trust,
      permissions: permissionsOf(about.profile),
      isHostKnown: this.#hostTest(about),
      ask: (asking) => this.#ask(about, asking),
      record: (held) => {
        this.#held.add({ profile: about.profile.name, session: about.session, record: trust.digest }, held);
        notices.add(held);
      },
    });
    return {
      trust: session,
      get server() {
        return server.files.map(({ path, digest }) => `${path} ${digest ?? ''}`).join('\n');
      },
      definition: (tool) => session.definition(tool)?.digest,
      claims: (tool) => session.claims(tool),
      get held() {
        return notices.count;
      },
      restarted: async (started) => {
        server = await this.#identify(started);
        session.server = server;
      },
      [Symbol.dispose]: () => {
        forget();
        session[Symbol.dispose]();
      },
    };
  }

  /** Whether the host may use the profile. It is asked for each request: the answer is kept while there are the same grants. */
  #hostTest(about: TrustedSession): () => boolean {
    const { findGrant, grantsVersion } = this.#options;
    const subject = hostSubject(about);
    let version: number | undefined;
    let isKnown = false;
    return () => {
      const now = grantsVersion();
      if (now === version) return isKnown;
      const grant = findGrant(subject);
      isKnown = grant?.decision === 'allow';
      // One that ends is looked at each time.
      version = grant?.until === undefined ? now : undefined;
      return isKnown;
    };
  }

  of(profile: string): ProfileTrust {
    let trust = this.#profiles.get(profile);
    if (trust === undefined) {
      const { files, log } = this.#options;
      trust = new ProfileTrust({ profile, files, log });
      this.#profiles.set(profile, trust);
    }
    return trust;
  }

  /** What people are shown. */
  async show(profile: string, previous: boolean): Promise<ShownTrust> {
    await this.#opened();
    const trust = this.of(profile);
    const candidate = this.candidateOf(trust);
    return showTrust(trust, { alike: this.lookAlikes(profile, trust.sighting), candidate, previous });
  }

  /** The names that all accepted servers list, to find those that look alike; `own` is what is being looked at. */
  lookAlikes(profile: string, own: Sighting | undefined): LookAlikes {
    const names = new LookAlikes();
    for (const name of own?.seen.described.tools.keys() ?? []) names.add(name, 'the same server');
    for (const name of this.of(profile).record?.described.tools.keys() ?? [])
      names.add(name, 'what you have accepted of this server');
    for (const other of this.#recordedProfiles()) {
      if (other === profile) continue;
      for (const name of this.of(other).record?.described.tools.keys() ?? []) names.add(name, `"${other}"`);
    }
    return names;
  }

  /**
   * Accepts what was seen of a server, all of it or the named entries alone. `expected` is the digest that
   * `candidateOf` gave for what was shown. Throws `usage` where it is other meanwhile, and `refused` without a person
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
    const trust = this.of(profile);
    if (trust.fault !== undefined) throw trust.fault;
    const before = trust.record;
    if (before !== undefined && trust.lasts) await this.#options.requirePresence(pin);
    const candidate = this.candidateOf(trust);
    if (candidate === undefined || digestOfRecord(candidate) !== expected || trust.record !== before) {
      throw new WarderError('usage', `what the server of "${profile}" lists is other than what was shown`, {
        hint: `look at it again: "warder trust diff ${profile}"`,
      });
    }
    const chosen = before === undefined || only === undefined ? candidate : this.#only(trust, before, only);
    const record = { ...chosen, by };
    await this.#become(trust, record);
    return digestOfRecord(record);
  }

  /** What would be accepted: what was seen, on top of what is no longer known to be there. */
  candidateOf(trust: ProfileTrust): TrustRecord | undefined {
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
    const trust = this.of(profile);
    if (trust.fault !== undefined) throw trust.fault;
    if (trust.lasts) await this.#options.requirePresence(pin);
    const { previous } = trust;
    if (previous === undefined) {
      throw new WarderError('usage', `there is no earlier record of "${profile}"`, {
        hint: 'the first one cannot be undone; "warder trust show" shows it',
      });
    }
    this.#append({
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
    const trust = this.of(profile);
    if (trust.fault?.code === 'locked') throw trust.fault;
    const isThere = trust.fault !== undefined || trust.record !== undefined;
    if (isThere && !isGone && trust.lasts) await this.#options.requirePresence(pin);
    if (isThere) {
      this.#append({ profile, what: 'record', outcome: 'forgotten', ...recordOf(trust) });
      await trust.forget();
    }
    this.#held.forget(profile);
    return isThere;
  }

  async #opened(): Promise<void> {
    const { open, files } = this.#options;
    if (files() === 'locked') await Promise.race([open(), delay(OPENING, undefined, { ref: false })]);
  }

  async #identify(started: Started): Promise<ServerIdentity> {
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

  /** The record counts from now on, and is in the log before: throws where it cannot be. Settles once it is on disk. */
  #become(
    trust: ProfileTrust,
    record: TrustRecord,
    fields: Partial<Fields['trust.change']> = {},
  ): Promise<void> {
    const { profile } = trust;
    this.#append({
      profile,
      ...fields,
      what: 'record',
      outcome: 'accepted',
      record: digestOfRecord(record),
      ...(trust.digest !== undefined && { before: trust.digest }),
      by: record.by,
    });
    this.#held.forget(profile);
    return trust.replace(record);
  }

  #ask(about: TrustedSession, { call, dialog, sighting, wider }: AskingFirst): OpenConsent {
    const { firstUse, findGrant, ask } = this.#options;
    const { profile, host, session, reach } = about;
    const trust = this.of(profile.name);
    const subject = hostSubject(about);
    const denied = findGrant(subject);
    if (denied?.decision === 'deny') {
      const reason = `the user has said no to: use the server "${profile.name}"`;
      return settled({ decision: 'deny', rule: `grant.${denied.id}`, reason });
    }
    const isFirst = trust.record === undefined;
    const agree = (by: string): Grant => this.#agree(about, { sighting, by });
    if (firstUse === 'accept') {
      try {
        return settled({ decision: 'allow', rule: `grant.${agree('setting').id}`, reason: undefined });
      } catch (error) {
        return settled({ decision: 'deny', rule: 'consent.unrecorded', reason: String(error) });
      }
    }
    const details = firstUseLines({
      profile: profile.name,
      sighting,
      about: isFirst ? 'baseline' : wider.length > 0 ? wider : 'host',
      alike: this.lookAlikes(profile.name, sighting),
      lasts: trust.lasts,
    });
    const asked: Asked = {
      subject: { ...subject, definition: digest(JSON.stringify(details)) },
      question: {
        session,
        call,
        profile: profile.name,
        host,
        kind: 'profile',
        method: '',
        name: profile.name,
        rule: 'first use',
        arguments: '',
        reach,
        claims: [],
        details,
      },
      dialog: dialog && hostDialogWay(dialog),
      keep: (answer, by) =>
        answer.decision === 'allow'
          ? agree(by)
          : answer.scope === 'once'
            ? undefined
            : this.#options.keepGrant(subject, answer, by),
    };
    const asking = ask(asked);
    return {
      outcome: asking.outcome,
      question: asking.id,
      notice: `waiting for the user${asking.id === undefined ? '' : `: "warder approve ${asking.id}"`}`,
      withdraw: asking.withdraw,
    };
  }

  /** A person, or the setting, says yes to a first use. Throws where that cannot be in the log. */
  #agree(
    about: TrustedSession,
    { sighting, by }: { readonly sighting: Sighting; readonly by: string },
  ): Grant {
    const { clock, keepGrant, log } = this.#options;
    const { session, host, profile } = about;
    const trust = this.of(profile.name);
    const { record } = trust;
    const accepted = new Date(clock.now()).toISOString();
    const { seen, server, permissions } = sighting;
    const fields = { session, host: host.key };
    const next =
      record === undefined
        ? { accepted, by, server, permissions, described: copyOf(seen.described) }
        : widened(record.permissions, permissions).length > 0
          ? { ...record, accepted, by, permissions }
          : undefined;
    if (next !== undefined) {
      this.#become(trust, next, fields).catch((error: unknown) =>
        log.error(
          { profile: profile.name, error: String(error) },
          'a record holds until the daemon ends only',
        ),
      );
    }
    return keepGrant(hostSubject(about), FOR_GOOD, by);
  }

  #append(fields: Fields['trust.change']): void {
    this.#options.audit.append('trust.change', fields);
  }

  #recordedProfiles(): string[] {
    try {
      return readdirSync(join(this.#options.folder, 'trust')).flatMap((file) => {
        const [, name] = /^([a-z0-9][a-z0-9-]*)\.json$/.exec(file) ?? [];
        return name === undefined ? [] : [name];
      });
    } catch {
      return [...this.#profiles.keys()];
    }
  }
}

function recordOf(trust: ProfileTrust): { readonly record?: string } {
  const { digest } = trust;
  return digest === undefined ? {} : { record: digest };
}

/** What a host program's first use of a profile is, as grants are compared with it: whatever the server is by now. */
function hostSubject({ profile, host }: Pick<TrustedSession, 'profile' | 'host'>): GrantSubject {
  return {
    session: '',
    host: host.key,
    profile: profile.name,
    server: '',
    kind: 'profile',
    name: profile.name,
    definition: undefined,
    arguments: undefined,
  };
}

function settled(outcome: ConsentOutcome): OpenConsent {
  return { outcome: Promise.resolve(outcome), notice: '', withdraw: () => {} };
}
