// The checks of `warder doctor` on remote servers: whether each answers, and whether somebody is signed in. No credential is
// sent, no session is opened, and nothing is changed.
import { WarderError } from '../../errors.ts';
import { loadValidProfiles } from '../../profile/load.ts';
import type { Check, ControlClient, Result, ShownAccount } from '../../wire/control.ts';
import type { Places } from '../../wire/places.ts';
import { accountRows, hasAccount } from '../remote/account.ts';

/** One check for each profile with a remote server; empty if there is none. */
export async function checkRemoteServers(places: Places, control: ControlClient): Promise<Check[]> {
  const remote = loadValidProfiles(places).filter(({ profile }) => profile.server.kind === 'url');
  if (remote.length === 0) return [];
  const { accounts } = await control.request('accounts', {});
  const checks: Check[] = [];
  for (const { name, profile } of remote) {
    const account = hasAccount(profile) ? accounts.find((one) => one.profile === name) : undefined;
    checks.push(await checkServer(name, account, control));
  }
  return checks;
}

async function checkServer(
  profile: string,
  account: ShownAccount | undefined,
  control: ControlClient,
): Promise<Check> {
  const name = `server of ${profile}`;
  try {
    const found = await control.request('remote.probe', { profile });
    return { name, ...stateOf(found, account) };
  } catch (error) {
    if (!(error instanceof WarderError)) throw error;
    return {
      name,
      state: 'fail',
      detail: error.message,
      ...(error.hint !== undefined && { hint: error.hint }),
    };
  }
}

function stateOf(
  { url, needs }: Result<'remote.probe'>,
  account: ShownAccount | undefined,
): Omit<Check, 'name'> {
  const detail = `${new URL(url).host} answers`;
  if (account === undefined) return { state: 'ok', detail };
  const { state, profile } = account;
  const [[, text] = ['', '']] = accountRows(account);
  const all = `${detail}; ${text}${account.detail === null ? '' : ` (${account.detail})`}`;
  const isMissing = state === 'signed-out' || state === 'expired';
  // Some servers need an account for some of their tools only.
  return isMissing && needs !== 'nothing'
    ? { state: 'warn', detail: all, hint: `run "warder login ${profile}"` }
    : { state: 'ok', detail: all };
}
