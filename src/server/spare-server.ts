// A server of a session that is started before something needs it (`start: warm`): its process waits in its sandbox, and has had
// no byte. The first request that needs the server takes it, and it is compared then as any that starts late. It is ended with its
// session, and with all by which it would be another if it started now. A daemon has one of a profile, and few in all.
import { isDeepStrictEqual } from 'node:util';
import type { ProfileAnswers } from '../consent/trust.ts';
import type { ResolvedCredential } from '../credential/credentials.ts';
import type { Log } from '../os/log.ts';
import type { ProfileCredential } from '../profile/credential.ts';
import { beginServer, type LateServerParts, tryRecordStop } from './late-server.ts';
import type { SessionEntry } from './session-entry.ts';
import type { BegunServer, SessionContext, SpareServer } from './started-server.ts';

export interface SparesParts extends LateServerParts {
  readonly log: Log;
  /** Starts one. */
  readonly begin?: typeof beginServer;
}

/** Spares at one time, of all profiles. */
const MOST = 8;
/** Milliseconds after which one is started: the host is answered first. */
const DELAY = 50;

/** The spares of a daemon. */
export class Spares {
  readonly #parts: SparesParts;
  /** By profile. */
  readonly #spares = new Map<string, Spare>();
  /** The sessions that may have one once there is room, in their order. */
  readonly #waiting = new Map<SessionEntry, () => Spare>();

  constructor(parts: SparesParts) {
    this.#parts = parts;
  }

  /** A session has begun without its server: it gets one if its profile says so, once there is room. */
  offer(
    entry: SessionEntry,
    answers: Pick<ProfileAnswers, 'isAccepted'>,
    context: () => SessionContext,
  ): void {
    const { server, credentials } = entry.loaded.profile;
    if (server.kind === 'url' || server.start !== 'warm' || !credentials.every(isSealed)) return;
    this.#waiting.set(entry, () => new Spare(entry, answers, context, this.#parts, () => this.#left(entry)));
    this.#next();
  }

  /** A session has ended, or its server would be another if it started now. */
  withdraw(entry: SessionEntry): void {
    this.#waiting.delete(entry);
    entry.spare?.drop();
  }

  #left({ loaded }: SessionEntry): void {
    this.#spares.delete(loaded.name);
    this.#next();
  }

  #next(): void {
    for (const [entry, make] of this.#waiting) {
      const { name } = entry.loaded;
      if (entry.started !== undefined || entry.session?.isStarting === true) this.#waiting.delete(entry);
      else if (!this.#spares.has(name) && this.#spares.size < MOST) {
        // One session gets one: what is dropped would be another now.
        this.#waiting.delete(entry);
        const spare = make();
        this.#spares.set(name, spare);
        entry.spare = spare;
      }
    }
  }
}

/** What is delivered is in a server from its start. */
function isSealed({ deliver }: ProfileCredential): boolean {
  return deliver === 'sealed';
}

class Spare implements SpareServer {
  readonly #entry: SessionEntry;
  readonly #answers: Pick<ProfileAnswers, 'isAccepted'>;
  readonly #parts: SparesParts;
  readonly #leave: () => void;
  readonly #timer: NodeJS.Timeout;
  readonly #ended = Promise.withResolvers<void>();
  #starting: Promise<BegunServer | undefined> | undefined;
  #begun: BegunServer | undefined;
  #isTaken = false;
  #isDropped = false;

  constructor(
    entry: SessionEntry,
    answers: Pick<ProfileAnswers, 'isAccepted'>,
    context: () => SessionContext,
    parts: SparesParts,
    leave: () => void,
  ) {
    this.#entry = entry;
    this.#answers = answers;
    this.#parts = parts;
    this.#leave = leave;
    this.#timer = setTimeout(() => {
      this.#starting = this.#start(context());
    }, DELAY);
    entry.gone = Promise.all([entry.gone, this.#ended.promise]);
  }

  get pid(): number | undefined {
    return this.#begun?.started.process?.pid;
  }

  async take(): Promise<BegunServer | undefined> {
    this.#end();
    this.#isTaken = true;
    const begun = await this.#starting;
    this.#ended.resolve();
    this.#leave();
    if (begun === undefined) return undefined;
    if (!this.#isDropped && (await this.#isFit(begun))) return begun;
    await this.#stop(begun);
    return undefined;
  }

  drop(): void {
    if (this.#isDropped) return;
    this.#isDropped = true;
    this.#end();
    if (this.#isTaken) return;
    void (async () => {
      const begun = await this.#starting;
      if (begun !== undefined) await this.#stop(begun);
      this.#ended.resolve();
      this.#leave();
    })();
  }

  /** It is started no more. */
  #end(): void {
    clearTimeout(this.#timer);
    if (this.#entry.spare === this) this.#entry.spare = undefined;
  }

  async #start(context: SessionContext): Promise<BegunServer | undefined> {
    const { loaded } = this.#entry;
    const { credentials } = this.#parts.start;
    try {
      if (!(await credentials.asksNobody(loaded.profile.credentials))) return undefined;
      const { begin = beginServer } = this.#parts;
      const begun = await begin(this.#entry, context, this.#parts, true);
      this.#begun = begun;
      void begun.started.gone.then(() => this.drop());
      // Another program than the accepted one, though only for now, is none to be kept.
      if (await this.#answers.isAccepted(begun.started.started)) return begun;
      await this.#stop(begun);
    } catch (error) {
      // The request that needs the server tries again, and says why it cannot be started.
      this.#parts.log.info({ profile: loaded.name, error: String(error) }, 'no server is kept ready');
    }
    return undefined;
  }

  /** Whether it is as it would be if it started now, and is still there. */
  async #isFit({ started }: BegunServer): Promise<boolean> {
    const { profile } = this.#entry.loaded;
    const { credentials } = this.#parts.start;
    const isGone = await Promise.race([started.gone.then(() => true), Promise.resolve(false)]);
    if (isGone || !(await this.#answers.isAccepted(started.started))) return false;
    try {
      const now = await credentials.resolve(profile.name, profile.credentials);
      return isDeepStrictEqual(now.map(versionOf), started.credentials.map(versionOf));
    } catch {
      return false;
    }
  }

  async #stop({ started }: BegunServer): Promise<void> {
    this.#begun = undefined;
    tryRecordStop(this.#entry, 'unused', this.#parts);
    await started.server.stop();
  }
}

function versionOf({ name, version }: ResolvedCredential): string {
  return `${name} ${version}`;
}
