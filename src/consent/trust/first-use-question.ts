// The question of a first use: of a server, or of a host program that has not used it yet. A yes makes the record, and a grant
// for the host program.
import type { Clock } from '../../os/clock.ts';
import type { Log } from '../../os/log.ts';
import { digest } from '../../relay/canonical.ts';
import type { ConsentOutcome, OpenConsent } from '../../relay/consent.ts';
import { ALLOW_FIRST_USE, type Answer } from '../questions/answer.ts';
import type { Asked } from '../questions/broker.ts';
import { type Asking, openConsent, outcomeOfGrant } from '../questions/outcome.ts';
import type { Grant, GrantSubject } from '../store/grants.ts';
import { hostDialogWay } from '../ways/host-dialog.ts';
import { firstUseLines } from './first-use.ts';
import { widened } from './permissions.ts';
import { copyOf } from './record.ts';
import type { TrustRecords } from './records.ts';
import type { AskingFirst } from './session-trust.ts';
import type { TrustedSession } from './trusted-session.ts';

export interface FirstUseQuestionOptions {
  /** Whether a person is asked. */
  readonly firstUse: 'ask' | 'accept';
  readonly records: TrustRecords;
  readonly ask: (asked: Asked) => Asking;
  readonly findGrant: (subject: GrantSubject) => Grant | undefined;
  /** Another number each time that there are other grants. */
  readonly grantsVersion: () => number;
  readonly keepGrant: (subject: GrantSubject, answer: Answer, by: string) => Grant;
  readonly clock: Clock;
  readonly log: Log;
}

export class FirstUseQuestion {
  readonly #options: FirstUseQuestionOptions;

  constructor(options: FirstUseQuestionOptions) {
    this.#options = options;
  }

  /** Whether the host may use the profile. It is asked for each request: the answer is kept while there are the same grants. */
  hostTest(about: TrustedSession): () => boolean {
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

  /** Whether it is taken as the setting says, and the user has not said no. */
  takes(about: TrustedSession): boolean {
    const { firstUse, findGrant } = this.#options;
    return firstUse === 'accept' && findGrant(hostSubject(about))?.decision !== 'deny';
  }

  /** Asks a person, or takes it as the setting says. */
  ask(about: TrustedSession, { call, dialog, about: what, sighting, wider }: AskingFirst): OpenConsent {
    const { firstUse, findGrant, ask } = this.#options;
    const { profile, host, session, reach } = about;
    const trust = this.#options.records.of(profile.name);
    const subject = hostSubject(about);
    const denied = findGrant(subject);
    if (denied?.decision === 'deny')
      return settled(outcomeOfGrant(denied, `use the server "${profile.name}"`));
    const agree = (by: string): Grant => this.#agree(about, { what, sighting, by });
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
      about: what === 'baseline' ? 'baseline' : wider.length > 0 ? wider : trust.record ? 'host' : 'remote',
      alike: this.#options.records.lookAlikes(profile.name, sighting),
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
    return openConsent(ask(asked));
  }

  /** A person, or the setting, says yes to a first use. Throws where that cannot be in the log. */
  #agree(
    about: TrustedSession,
    {
      what,
      sighting,
      by,
    }: Pick<AskingFirst, 'sighting'> & { readonly what: AskingFirst['about']; readonly by: string },
  ): Grant {
    const { clock, keepGrant, log } = this.#options;
    const { session, host, profile } = about;
    const trust = this.#options.records.of(profile.name);
    const { record } = trust;
    const accepted = new Date(clock.now()).toISOString();
    const { seen, server, permissions } = sighting;
    const fields = { session, host: host.key };
    const next =
      record === undefined
        ? what === 'host'
          ? undefined
          : { accepted, by, server, permissions, described: copyOf(seen.described) }
        : widened(record.permissions, permissions).length > 0
          ? { ...record, accepted, by, permissions }
          : undefined;
    if (next !== undefined) {
      this.#options.records
        .become(trust, next, fields)
        .catch((error: unknown) =>
          log.error(
            { profile: profile.name, error: String(error) },
            'a record holds until the daemon ends only',
          ),
        );
    }
    return keepGrant(hostSubject(about), ALLOW_FIRST_USE, by);
  }
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
