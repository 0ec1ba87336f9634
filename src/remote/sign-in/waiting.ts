// Sessions that wait for a sign-in: what they ask their users, what they are told meanwhile, and why they wait no longer.
import { WarderError } from '../../errors.ts';
import type { ConsentOutcome, HostDialog, OpenConsent } from '../../relay/consent.ts';
import type { Phase } from './phases.ts';
import type { DeviceShown } from './ways.ts';

/** A question of a session to its user. */
export interface SignInQuestion {
  /** The number of the request that waits; empty: none. */
  readonly call: string;
  /** The host of the remote server. */
  readonly name: string;
  readonly details: readonly string[];
  /** The relay's id of that request, if the server has it already. */
  readonly id?: number | undefined;
  /** The dialog that the host has for that request. */
  readonly dialog?: HostDialog | undefined;
}

/** A session that waits. */
export interface Waiting {
  /** The relay's id of a request that the server has already. */
  readonly id?: number | undefined;
  readonly call: string;
  readonly ask: (question: SignInQuestion) => OpenConsent;
  readonly signal: AbortSignal;
  readonly waits: (text: string) => void;
  readonly dialog?: HostDialog | undefined;
}

/** Outcomes of a question that no person has given. */
const NOT_ANSWERED = [
  'consent.nobody',
  'consent.timeout',
  'consent.rate',
  'consent.withdrawn',
  'consent.unrecorded',
];

/** Whether a person has answered, and not a rule or a time. */
export function isAnswer({ rule }: ConsentOutcome): boolean {
  return !NOT_ANSWERED.includes(rule);
}

/** Why a session whose user has not agreed cannot go on. */
export function refusalBy(outcome: ConsentOutcome, profile: string): WarderError {
  return new WarderError(
    isAnswer(outcome) ? 'sign-in-denied' : 'sign-in-needed',
    `cannot use "${profile}": ${outcome.reason ?? 'the user has not agreed to sign in'}`,
    { hint: `run: warder login ${profile}` },
  );
}

/** Where a sign-in is. */
export interface SignInState {
  readonly phase: Phase;
  readonly profile: string;
  /** The authorization server, once it is known. */
  readonly issuer: string | undefined;
  readonly device: DeviceShown | undefined;
  /** The page to open, and whether a browser has opened it. */
  readonly page: { readonly isOpened: boolean } | undefined;
}

/** What a host is told while it waits; undefined: nothing new. */
export function waitingText({ phase, profile, issuer, device, page }: SignInState): string | undefined {
  if (device !== undefined)
    return `waiting for the user to sign in at ${device.url} with the code ${device.code}`;
  if (page !== undefined) {
    const host = issuer === undefined ? '' : new URL(issuer).host;
    const login = `warder login ${profile}`;
    return page.isOpened
      ? `waiting for the user to sign in at ${host}, in the browser; if the page is gone: ${login}`
      : `waiting for the user to sign in at ${host}: run: ${login}`;
  }
  return phase === 'planning' ? 'finding out where to sign in' : undefined;
}

/** The one who waited has given up. */
export function given(signal: AbortSignal, profile: string): WarderError {
  const { reason } = signal;
  if (reason instanceof WarderError) return reason;
  return new WarderError(
    'sign-in-needed',
    `cannot use "${profile}": the request was cancelled before the sign-in`,
    {
      hint: `run: warder login ${profile}`,
    },
  );
}
