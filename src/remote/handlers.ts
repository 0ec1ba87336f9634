// The verbs of the control API by which people sign in to remote servers, sign out, and see their accounts. The same sign-in
// serves the sessions that wait for it. No token is in any answer.
import type * as z from 'zod';
import { WarderError } from '../errors.ts';
import { type Profile, parseProfile } from '../profile/format.ts';
import type { Profiles } from '../profile/watch.ts';
import type { RemoteVerbs } from '../wire/control.ts';
import type { Accounts } from './accounts.ts';
import { shownAccount } from './keeper/shown-account.ts';
import type { SignIn } from './sign-in/sign-in.ts';

type RemoteVerb =
  | 'login.start'
  | 'login.agree'
  | 'login.state'
  | 'login.paste'
  | 'login.cancel'
  | 'logout'
  | 'accounts'
  | 'remote.probe';

/** Milliseconds for which a client that waits for news is answered at the latest, and that a step of a sign-in may take. */
const POLL = 5000;
const STEP = 60_000;

type Candidate = Exclude<z.infer<RemoteVerbs['remote.probe']['params']>, { readonly profile: string }>;
type Result<V extends RemoteVerb> = z.infer<RemoteVerbs[V]['result']>;
type RemoteHandlers = {
  readonly [V in RemoteVerb]: (params: z.infer<RemoteVerbs[V]['params']>) => Promise<Result<V>>;
};

export interface RemoteHandlersParts {
  readonly accounts: Accounts;
  /** See `probeServer`. */
  readonly probe: (profile: Profile) => Promise<Result<'remote.probe'>>;
  readonly profiles: Pick<Profiles, 'names' | 'get'>;
}

export function remoteHandlers({ accounts, probe, profiles }: RemoteHandlersParts): RemoteHandlers {
  const find = (id: string): SignIn => {
    const signIn = accounts.signIn(id);
    if (signIn === undefined)
      throw new WarderError('usage', 'there is no such sign-in any more', { hint: 'start it again' });
    signIn.attend();
    return signIn;
  };
  const show = async (signIn: SignIn): Promise<Result<'login.start'>> =>
    shownLogin(signIn, accounts, profiles);
  return {
    async 'login.start'({ profile: name, flow, scopes }) {
      const { profile } = profiles.get(name);
      const account = accounts.accountOf(profile);
      const running = account.lastSignIn;
      const isOther = flow !== undefined || scopes !== undefined;
      if (isOther && running?.isOver === false) {
        if (running.isJoined || running.phase === 'waiting')
          throw new WarderError('usage', `a sign-in to "${name}" is under way`, {
            hint: 'wait for its end, or cancel it: warder login without options joins it',
          });
        running.cancel();
      }
      const signIn = account.begin({ flow, scopes }, true);
      signIn.attend();
      await passed(signIn, 'planning');
      return await show(signIn);
    },
    async 'login.agree'({ login }) {
      const signIn = find(login);
      signIn.agree('terminal');
      await passed(signIn, 'asking');
      return await show(signIn);
    },
    async 'login.state'({ login, seen }) {
      const signIn = find(login);
      if (seen !== undefined) await signIn.changed(seen, POLL);
      return await show(signIn);
    },
    async 'login.paste'({ login, url }) {
      const signIn = find(login);
      signIn.paste(url);
      await passed(signIn, 'waiting');
      return await show(signIn);
    },
    async 'login.cancel'({ login }) {
      const signIn = find(login);
      signIn.cancel();
      return await show(signIn);
    },
    async logout({ profile: name }) {
      const profile = existing(profiles, name);
      if (profile !== undefined)
        return { profile: name, ...(await accounts.signOut(profile, othersOf(profiles, name))) };
      const changed = await accounts.forget(name);
      // Neither a profile nor an account: the error of the profile says what there is.
      if (!changed) profiles.get(name);
      return { profile: name, changed, revoked: false, detail: 'its profile is gone' };
    },
    'remote.probe': async (params) =>
      probe('profile' in params ? profiles.get(params.profile).profile : candidate(params)),
    async accounts({ profile: name }) {
      const names = name === undefined ? profiles.names : [name];
      const shown = await Promise.all(
        names.map((each) => {
          const profile = readable(profiles, each);
          return profile?.server.kind === 'url' ? shownAccount(profile, accounts.store) : undefined;
        }),
      );
      return { accounts: shown.filter((one) => one !== undefined) };
    },
  };
}

/** The profile of a server that has none yet: what is wrong with its URL is found as in a file. Throws `profile-invalid`. */
function candidate({ url, headers, ...opened }: Candidate): Profile {
  const text = JSON.stringify({ server: { url, headers }, auth: { type: 'none' }, ...opened });
  return parseProfile(text, 'the URL', 'new');
}

/** Settles once a sign-in has left a phase. */
async function passed(signIn: SignIn, phase: 'planning' | 'asking' | 'waiting'): Promise<void> {
  const until = performance.now() + STEP;
  while (signIn.phase === phase && performance.now() < until) await signIn.changed(phase, STEP);
}

async function shownLogin(
  signIn: SignIn,
  accounts: Accounts,
  profiles: RemoteHandlersParts['profiles'],
): Promise<Result<'login.start'>> {
  const { id, profile, phase, plan, page, device, until, error } = signIn;
  const { lines = [], warnings = [] } = plan?.shown ?? {};
  const loaded = phase === 'done' ? readable(profiles, profile) : undefined;
  return {
    id,
    profile,
    phase: phase === 'planning' ? 'waiting' : phase,
    lines: [...lines],
    warnings: [...warnings],
    page: page === undefined ? null : { url: page.url, redirect: page.redirect },
    device:
      device === undefined ? null : { code: device.code, url: device.url, complete: device.complete ?? null },
    until: until === undefined ? null : new Date(until).toISOString(),
    error:
      error === undefined
        ? null
        : { code: error.code, message: error.message, ...(error.hint !== undefined && { hint: error.hint }) },
    account: loaded === undefined ? null : await shownAccount(loaded, accounts.store),
  };
}

/** The profiles beside one: an authorization server's registration is kept while another profile uses it. */
function othersOf(profiles: RemoteHandlersParts['profiles'], name: string): string[] {
  return profiles.names.filter((other) => other !== name);
}

/** Undefined: there is no such profile any more. Throws `profile-invalid` for one that is broken. */
function existing(profiles: RemoteHandlersParts['profiles'], name: string): Profile | undefined {
  try {
    return profiles.get(name).profile;
  } catch (error) {
    if (error instanceof WarderError && error.code === 'profile-missing') return undefined;
    throw error;
  }
}

/** Undefined: the profile is broken, which `status` shows. */
function readable(profiles: RemoteHandlersParts['profiles'], name: string): Profile | undefined {
  try {
    return profiles.get(name).profile;
  } catch (error) {
    if (error instanceof WarderError) return undefined;
    throw error;
  }
}
