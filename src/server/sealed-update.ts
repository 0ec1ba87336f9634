// The new values of sealed credentials, for what stands before a server and puts them into its requests.
import type { Credentials } from '../credential/credentials.ts';
import type { OpenGate } from '../egress/egress.ts';
import type { ProfileCredential } from '../profile/credential.ts';
import type { NamedValue, StartedServer } from './started-server.ts';

export interface SealedUpdateParts {
  readonly credentials: Pick<Credentials, 'resolve'>;
  readonly gate: Pick<OpenGate, 'update'>;
  readonly profile: string;
}

/** As `StartedServer.update`: whoever redacts the values has them before the gate does. */
export async function updateSealed(
  { credentials, gate, profile }: SealedUpdateParts,
  named: readonly ProfileCredential[],
  onGiven: (values: readonly NamedValue[]) => void,
): Promise<Awaited<NonNullable<ReturnType<StartedServer['update']>>>> {
  const resolved = await credentials.resolve(profile, named);
  onGiven(resolved);
  await gate.update(resolved);
  return resolved;
}
