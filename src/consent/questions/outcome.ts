// How questions end, in the words that the host is told, and what waits for that.
import type { OpenConsent } from '../../relay/consent.ts';
import type { Grant } from '../store/grants.ts';
import { actOf, type Question } from './question.ts';

/** What was decided, by whom, and what the host is told. */
export interface Outcome {
  readonly decision: 'allow' | 'deny';
  /** For the log: `consent.once`, `grant.<id>`, `consent.nobody`, `consent.timeout`, `consent.rate`, `consent.withdrawn`. */
  readonly rule: string;
  /** Why it is a no, for the host; undefined if it is a yes. */
  readonly reason: string | undefined;
}

/** One who waits for an answer. */
export interface Asking {
  /** The number of the question, which may become another; undefined: nothing was asked. */
  readonly id: string | undefined;
  /** Never rejects. */
  readonly outcome: Promise<Outcome>;
  /** It is waited for no longer. */
  withdraw(): void;
}

/** A question, as the relay waits for its outcome. */
export function openConsent(asking: Asking): OpenConsent {
  return {
    question: asking.id,
    outcome: asking.outcome,
    get notice() {
      const { id } = asking;
      return `waiting for the user${id === undefined ? '' : `: "warder approve ${id}"`}`;
    },
    withdraw: () => asking.withdraw(),
  };
}

/** What was answered before to a question like this; `act` says what about. */
export function outcomeOfGrant({ id, decision }: Pick<Grant, 'id' | 'decision'>, act: string): Outcome {
  const reason = decision === 'allow' ? undefined : `the user has said no to: ${act}`;
  return { decision, rule: `grant.${id}`, reason };
}

export const WITHDRAWN: Outcome = {
  decision: 'deny',
  rule: 'consent.withdrawn',
  reason: 'the question was withdrawn before it was answered',
};

export function nobody({
  question,
}: {
  readonly question: Pick<Question, 'kind' | 'name' | 'method' | 'profile'>;
}): Outcome {
  const { kind, profile } = question;
  const otherwise =
    kind === 'profile'
      ? 'and then try again'
      : kind === 'sign-in'
        ? `or with "warder login ${profile}"`
        : kind === 'credential'
          ? `or take "confirm" from the credential in the profile "${profile}"`
          : `or allow it for good in the policy of the profile "${profile}"`;
  const reason = `nobody is there who could be asked to ${actOf(question)}; the user can answer in a terminal with "warder approvals --watch", ${otherwise}`;
  return { decision: 'deny', rule: 'consent.nobody', reason };
}

export function tooMany({
  question: { profile },
}: {
  readonly question: Pick<Question, 'profile'>;
}): Outcome {
  const reason = `too many questions about the profile "${profile}" in a short time: wait for the user to answer those that are open`;
  return { decision: 'deny', rule: 'consent.rate', reason };
}

export function timedOut(question: Question, timeout: number): Outcome {
  const reason = `nobody has answered for ${Math.round(timeout / 1000)} s whether to ${actOf(question)}`;
  return { decision: 'deny', rule: 'consent.timeout', reason };
}

export function unrecorded(): Outcome {
  const reason = 'the audit log cannot be written, and nothing is asked that is not in it';
  return { decision: 'deny', rule: 'consent.unrecorded', reason };
}
