// What hosts of profiles are answered before their servers are started: what was kept, where nothing that was accepted later
// speaks against it.
import type { Clock } from '../../os/clock.ts';
import type { Log } from '../../os/log.ts';
import type { AnswerStore, RecordedAnswers } from '../../relay/recorded-answers.ts';
import type { AuthenticFiles } from '../store/authentic-files.ts';
import { AcceptedAnswers } from './accepted-answers.ts';
import { isSameServer } from './compare.ts';
import { KeptAnswers } from './kept-answers.ts';
import type { ProfileTrust } from './profile-trust.ts';
import type { ServerIdentity } from './record.ts';
import type { Started } from './trusted-session.ts';

/** What hosts of a profile are answered before its server is started. */
export interface ProfileAnswers {
  /** Whether a session may begin without its server. */
  readonly areKnown: boolean;
  /** Whether what would run is what was accepted: another program is started at once, so that it can be shown what it is. */
  isAccepted(started: Started): Promise<boolean>;
  /** What a host is answered; undefined: nothing that counts is known. */
  of(host: string): RecordedAnswers | undefined;
  readonly store: AnswerStore;
  /** The server is not as it was. */
  forget(): void;
  /** The server cannot be started late. */
  isEager(): void;
}

export interface ProfilesAnswersOptions {
  readonly files: () => AuthenticFiles | 'locked' | 'unset';
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Log;
  readonly trustOf: (profile: string) => ProfileTrust;
  readonly identify: (started: Started) => Promise<ServerIdentity>;
}

export class ProfilesAnswers {
  readonly #options: ProfilesAnswersOptions;
  readonly #kept = new Map<string, KeptAnswers>();
  readonly #accepted = new AcceptedAnswers();

  constructor(options: ProfilesAnswersOptions) {
    this.#options = options;
  }

  /** `digest` is that of the profile's file. */
  of(profile: string, digest: string): ProfileAnswers {
    const { trustOf, identify } = this.#options;
    const trust = trustOf(profile);
    const kept = this.#keptOf(profile);
    return {
      get areKnown() {
        return trust.record !== undefined && kept.areKnown(digest);
      },
      isAccepted: async (started) => {
        const server = await identify(started);
        return trust.record !== undefined && isSameServer(trust.record.server, server);
      },
      of: (host) => {
        const found = kept.of(digest, host);
        const { record } = trust;
        // Without what was accepted there is nothing by which to judge what is answered; nor is anything that is older.
        if (found === undefined || record === undefined) return undefined;
        const isCurrent = found.record === trust.digest || this.#accepted.are(found.answers, record);
        return isCurrent ? found.answers : undefined;
      },
      store: kept.store(digest, () => trust.digest),
      forget: () => kept.forget(),
      isEager: () => kept.isEager(digest),
    };
  }

  /** Writes what is not written yet. */
  flush(profile: string): void {
    this.#keptOf(profile).flush();
  }

  flushAll(): void {
    for (const kept of this.#kept.values()) kept.flush();
  }

  /** What was accepted of the server counts no more. */
  forget(profile: string): void {
    this.#keptOf(profile).forget();
  }

  #keptOf(profile: string): KeptAnswers {
    let kept = this.#kept.get(profile);
    if (kept === undefined) {
      const { files, clock, log } = this.#options;
      kept = new KeptAnswers({ profile, files, clock, log });
      this.#kept.set(profile, kept);
    }
    return kept;
  }
}
