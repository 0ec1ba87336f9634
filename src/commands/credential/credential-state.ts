// Which credentials have a value and can be used, according to the daemon.
import { WarderError } from '../../errors.ts';
import type { ProfileCredential } from '../../profile/credential.ts';
import type { Result } from '../../wire/control.ts';
import type { Context } from '../command.ts';

/**
 * `command`: the value comes from a command at each start. `unusable`: there is a value, but it cannot be used. `revoked`:
 * taken out of use. `unknown`: the daemon or the store is not available now.
 */
export type CredentialState = 'set' | 'missing' | 'command' | 'unusable' | 'revoked' | 'unknown';

/** The states of all credentials. */
export interface CredentialStates {
  state(credential: ProfileCredential): CredentialState;
  /** All credentials are locked: none is used until they are unlocked. */
  readonly locked: boolean;
  /** Why the states are unknown, if they are. */
  readonly error: WarderError | undefined;
}

/** Asks the daemon for the credentials in the stores. Starts a daemon if none runs. */
export async function fetchCredentialStates(context: Context): Promise<CredentialStates> {
  let stored: Result<'credential.list'>['credentials'] | undefined;
  let problem: WarderError | undefined;
  let current: Pick<Result<'status'>['credentials'], 'locked' | 'revoked'> = { locked: false, revoked: [] };
  try {
    await using control = await context.control();
    current = (await control.request('status', {})).credentials;
    stored = (await control.request('credential.list', {})).credentials;
  } catch (error) {
    if (!(error instanceof WarderError)) throw error;
    problem = error;
  }
  return {
    error: problem,
    locked: current.locked,
    state({ from, name }) {
      if (current.revoked.includes(name)) return 'revoked';
      if (typeof from === 'object') return 'command';
      if (stored === undefined) return 'unknown';
      const found = stored.find((entry) => entry.name === name && (from === 'store' || entry.store === from));
      if (found === undefined) return 'missing';
      return found.problem === undefined ? 'set' : 'unusable';
    },
  };
}
