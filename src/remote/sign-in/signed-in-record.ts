// What is stored after a sign-in.
import type { AccountRecord } from '../keeper/account-record.ts';
import { type ProfileClient, storable } from '../keeper/profile-client.ts';
import type { Plan } from './plan.ts';
import type { SignedIn } from './ways.ts';

/** `now`: milliseconds since the epoch. */
export function signedInRecord(
  plan: Plan,
  { tokens, registration, identity }: SignedIn,
  { fit }: Pick<ProfileClient, 'fit'>,
  now: number,
): Omit<AccountRecord, 'serial'> {
  return {
    ...fit,
    resource: plan.discovery.resource,
    authorizationServer: plan.discovery.server,
    trust: plan.trust,
    registration: storable(registration),
    tokens,
    identity,
    obtained: now,
    signedIn: now,
    wanted: plan.scopes ?? [],
    sent: undefined,
    ended: undefined,
  };
}
