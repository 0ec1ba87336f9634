// Which credentials have a value and may be used, as far as the daemon can tell.
import { WarderError } from '../../errors.ts';
import type { ProfileCredential } from '../../profile/format.ts';
import type { Result } from '../../wire/control.ts';
import type { Context } from '../command.ts';

/**
 * `command`: asked for at each start. `unusable`: there, but not as it was set. `revoked`: taken out of use.
 * `unknown`: the daemon or the store cannot be asked now.
 */
export type CredentialState = 'set' | 'missing' | 'command' | 'unusable' | 'revoked' | 'unknown';

/** What is known of the stores. */
export interface CredentialStates {
  state(credential: ProfileCredential): CredentialState;
  /** No credential is used until somebody unlocks them. */
  readonly locked: boolean;
  /** Why nothing is known, where it is not. */
  readonly error: WarderError | undefined;
}

/** Asks the daemon for the credentials that it keeps; starts one if none runs. */
export async function fetchCredentialStates(context: Context): Promise<CredentialStates> {
  let kept: Result<'credential.list'>['credentials'] | undefined;
  let problem: WarderError | undefined;
  let now: Pick<Result<'status'>['credentials'], 'locked' | 'revoked'> = { locked: false, revoked: [] };
  try {
    await using control = await context.control();
    now = (await control.request('status', {})).credentials;
    kept = (await control.request('credential.list', {})).credentials;
  } catch (error) {
    if (!(error instanceof WarderError)) throw error;
    problem = error;
  }
  return {
    error: problem,
    locked: now.locked,
    state({ from, name }) {
      if (now.revoked.includes(name)) return 'revoked';
      if (typeof from === 'object') return 'command';
      if (kept === undefined) return 'unknown';
      const found = kept.find((one) => one.name === name && (from === 'store' || one.store === from));
      if (found === undefined) return 'missing';
      return found.problem === undefined ? 'set' : 'unusable';
    },
  };
}
