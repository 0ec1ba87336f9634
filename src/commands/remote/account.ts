// What is known of a profile's account at a remote server, in words. There is no token in any of it.
import { WarderError } from '../../errors.ts';
import type { Profile } from '../../profile/format.ts';
import type { Result, ShownAccount } from '../../wire/control.ts';
import type { Context } from '../command.ts';

/** The accounts of some profiles. */
export interface Accounts {
  readonly all: readonly ShownAccount[];
  of(profile: string): ShownAccount | undefined;
  /** Why nothing is known of them. */
  readonly error: WarderError | undefined;
}

/** Kinds of `auth` without an account: nothing, or a stored credential. */
const WITHOUT_ACCOUNT: readonly string[] = ['none', 'bearer', 'header'];

/** Whether a profile's server is used with an account, which somebody or something signs in to. */
export function hasAccount({ server }: Pick<Profile, 'server'>): boolean {
  return server.kind === 'url' && !WITHOUT_ACCOUNT.includes(server.auth.type);
}

/** Asks the daemon for the accounts of profiles; nobody is asked where no profile has one. */
export async function fetchAccounts(
  context: Context,
  profiles: readonly Profile[],
  options: { readonly start?: boolean } = {},
): Promise<Accounts> {
  let all: readonly ShownAccount[] = [];
  let problem: WarderError | undefined;
  if (profiles.some(hasAccount)) {
    try {
      await using control = await context.control(options);
      const { accounts } = await control.request('accounts', {});
      all = accounts.filter(({ auth }) => !WITHOUT_ACCOUNT.includes(auth));
    } catch (error) {
      if (!(error instanceof WarderError)) throw error;
      problem = error;
    }
  }
  return {
    all,
    of: (profile) => all.find((account) => account.profile === profile),
    error: problem,
  };
}

const STATES: Readonly<Record<ShownAccount['state'], string>> = {
  ready: 'signs in by itself',
  'signed-in': 'signed in',
  'signed-out': 'not signed in',
  expired: 'expired',
  locked: 'not known',
};

/** The state in a word or two, for tables. */
export function accountState({ state }: ShownAccount): string {
  return STATES[state];
}

/** All that is known, a label and a text each. */
export function accountRows(account: ShownAccount): readonly (readonly [label: string, text: string])[] {
  const { profile, state, issuer, scopes, expires, since, refreshed, renewable, client, detail } = account;
  const rows: [string, string][] = [];
  const add = (label: string, text: string | null): void => {
    if (text !== null && text !== '') rows.push([label, text]);
  };
  const advice = state === 'signed-out' || state === 'expired' ? `: warder login ${profile}` : '';
  add('account', `${STATES[state]}${advice}`);
  add('issuer', issuer);
  add('client', client);
  add('scopes', scopes.join(' '));
  add('since', since && timeText(since));
  add('refreshed', refreshed && timeText(refreshed));
  if (expires !== null) {
    add(
      'until',
      `${timeText(expires)}${renewable ? ', and refreshed when it is used' : ', then you sign in again'}`,
    );
  }
  add('note', detail);
  return rows;
}

/** How signing out has ended. */
export function logoutLine({ profile, changed, revoked, detail }: Result<'logout'>): string {
  if (!changed) return `nobody was signed in to "${profile}"`;
  return revoked
    ? `signed out of "${profile}": its tokens are revoked and forgotten`
    : `signed out of "${profile}": its tokens are forgotten here, but were not revoked${detail === null ? '' : `: ${detail}`}`;
}

/** As `timeText`; of today only the time. `now`: milliseconds since the epoch. */
export function shortTimeText(time: string, now: number): string {
  const text = timeText(time);
  const isToday = new Date(time).toDateString() === new Date(now).toDateString();
  return isToday ? text.slice(-5) : text;
}

/** `2026-11-29 12:40`, in local time, for an RFC 3339 time. */
function timeText(time: string): string {
  const date = new Date(time);
  const two = (number: number): string => String(number).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}
