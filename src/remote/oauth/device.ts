// The device flow (RFC 8628): a person signs in on another device, for machines without a browser.
import { deviceAuthorizationRequest } from 'oauth4webapi';
import { WarderError } from '../../errors.ts';
import { answerFailure, isGood, readAnswer } from './answer.ts';
import { checkOwner } from './authorization.ts';
import type { AuthorizationServer } from './authorization-server.ts';
import { clientAuth } from './client-auth.ts';
import type { Dpop } from './dpop.ts';
import { textOf } from './metadata.ts';
import { metadataError } from './metadata-error.ts';
import { type OAuthParts, requestOptions } from './parts.ts';
import { refusalOf } from './refusal.ts';
import type { ClientRegistration } from './registration.ts';
import { urlProblem } from './secure-url.ts';
import { malformed, secondsOf } from './token-answer.ts';
import { readGranted, sendGrant, type TokenTarget, targetParameters } from './token-request.ts';
import type { TokenSet } from './token-set.ts';

/** What the person is shown, and how to ask whether they are done. Holds the device code: never logged. */
export interface DeviceAttempt {
  readonly issuer: string;
  readonly deviceCode: string;
  /** Printable, as the server writes it. */
  readonly userCode: string;
  /** Checked: it may be shown and opened. */
  readonly verificationUri: string;
  /** The same with the user's code in it; undefined where the server has none. */
  readonly verificationUriComplete: string | undefined;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  /** Milliseconds to wait before the next `pollDevice`. */
  readonly interval: number;
  readonly target: TokenTarget;
}

const WHAT = 'sign-in by device';
const GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
/** Milliseconds. */
const DEFAULT_INTERVAL = 5000;
const MAX_INTERVAL = 60_000;
/** What `slow_down` adds (RFC 8628 section 3.5). */
const SLOWER = 5000;
/** Milliseconds that an attempt lasts at most, whatever the server says. */
const MAX_LIFETIME = 1_800_000;
/** A code that a person can read and type; nothing that steers a terminal. */
const USER_CODE = /^[\x21-\x7e](?:[\x20-\x7e]{0,62}[\x21-\x7e])?$/;

/** Begins an attempt. Throws `server-metadata` where the server has no device flow, else `sign-in-failed`. */
export async function startDevice(
  parts: OAuthParts,
  server: AuthorizationServer,
  registration: ClientRegistration,
  target: TokenTarget,
): Promise<DeviceAttempt> {
  checkOwner(server, registration);
  if (server.deviceAuthorizationEndpoint === undefined) {
    throw metadataError(
      `the authorization server ${server.issuer} has no device flow`,
      'remove "flow: device" from the profile to sign in with a browser',
    );
  }
  const response = await deviceAuthorizationRequest(
    { issuer: server.issuer, device_authorization_endpoint: server.deviceAuthorizationEndpoint },
    { client_id: registration.clientId },
    clientAuth(parts, registration, server),
    { ...targetParameters(target) },
    requestOptions(parts),
  );
  const answer = await readAnswer(response, WHAT, [registration.clientSecret ?? '']);
  if (!isGood(answer)) throw answerFailure(answer, server.issuer);
  const json = answer.json ?? {};
  const deviceCode = textOf(json, 'device_code');
  const userCode = textOf(json, 'user_code', 64);
  const verificationUri = textOf(json, 'verification_uri');
  const complete = textOf(json, 'verification_uri_complete');
  if (deviceCode === undefined || userCode === undefined || !USER_CODE.test(userCode)) {
    throw malformed(server, WHAT, 'it has no code that a person can type');
  }
  const problem = urlProblem(verificationUri, parts) ?? (complete && urlProblem(complete, parts));
  if (verificationUri === undefined || problem) throw malformed(server, WHAT, `of its page: ${problem}`);
  const seconds = secondsOf(json.expires_in);
  if (seconds === undefined) throw malformed(server, WHAT, 'it does not say when its code expires');
  const interval = secondsOf(json.interval);
  return {
    issuer: server.issuer,
    deviceCode,
    userCode,
    verificationUri,
    verificationUriComplete: complete,
    expiresAt: parts.clock.now() + Math.min(seconds * 1000, MAX_LIFETIME),
    interval: interval ? Math.min(interval * 1000, MAX_INTERVAL) : DEFAULT_INTERVAL,
    target,
  };
}

/**
 * Asks once whether the person is done. Returns the tokens, or the attempt with the interval to wait before asking again.
 * Throws `sign-in-denied`, and `sign-in-failed` once the code has expired.
 */
export async function pollDevice(
  parts: OAuthParts,
  server: AuthorizationServer,
  registration: ClientRegistration,
  attempt: DeviceAttempt,
  dpop?: Dpop,
): Promise<TokenSet | DeviceAttempt> {
  checkOwner(server, attempt);
  const now = parts.clock.now();
  if (now >= attempt.expiresAt) {
    throw new WarderError('sign-in-failed', `the ${WHAT} failed: the code has expired`, {
      hint: 'start again',
    });
  }
  try {
    const parameters = { device_code: attempt.deviceCode };
    const answer = await sendGrant(parts, server, registration, {
      type: GRANT,
      parameters,
      dpop,
      what: WHAT,
    });
    return await readGranted(answer, server, registration, attempt.target, dpop, now);
  } catch (error) {
    const refused = refusalOf(error);
    if (refused?.error === 'authorization_pending') return attempt;
    const slower = refused?.error === 'slow_down';
    // A server that is busy or cannot be reached is asked more slowly, too (RFC 8628 section 3.5).
    const away =
      refused === undefined ? isUnreachable(error) : refused.status >= 500 || refused.status === 429;
    if (!slower && !away) throw error;
    const interval = slower ? attempt.interval + SLOWER : attempt.interval * 2;
    return { ...attempt, interval: Math.min(interval, MAX_INTERVAL) };
  }
}

function isUnreachable(error: unknown): boolean {
  return error instanceof WarderError && error.code === 'remote-unreachable';
}
