// A remote server: nothing is started, and nothing of it is on this machine but the session's side of it.
import { accountName, carriedCredential } from '../profile/auth.ts';
import type { Profile, RemoteServer } from '../profile/format.ts';
import type { NamedValue, SessionContext, StartedServer, StartParts } from './started-server.ts';

/** Makes a session's side of a remote server. Nothing is asked of it yet. Throws what loading the rest of Warder's parts does. */
export async function startRemoteServer(
  profile: Profile,
  server: RemoteServer,
  context: SessionContext,
  parts: StartParts,
): Promise<StartedServer> {
  const { session, agreement, signIn, connection, calls, callOf, tell } = context;
  const remote = await (await parts.remote()).open({
    profile,
    server,
    session,
    agreement,
    ask: signIn,
    connection,
    calls,
    callOf,
  });
  const { origin, pathname, host } = new URL(server.url);
  let isTold = false;
  const tellSignedOut = (): void => {
    if (isTold || !remote.isSignedOut) return;
    isTold = true;
    tell(`warder: ${profile.name}: nobody has signed in to ${host}: run "warder login ${profile.name}"`);
  };
  remote.onChange(tellSignedOut);
  tellSignedOut();
  const names = profile.credentials.map(({ name }) => name);
  const account = accountName(profile.name);
  const token: Omit<NamedValue, 'value'> = {
    variable: 'token',
    name: carriedCredential(server.auth, profile.name) ?? account,
  };
  return {
    server: remote.server,
    gone: remote.gone,
    process: undefined,
    command: [server.url],
    started: { url: `${origin}${pathname}` },
    sandbox: { off: false, layers: ['remote'], network: [host], limits: null },
    // It is sent with each request, and recorded then.
    credentials: [],
    tokens: () => remote.values().map((value) => ({ ...token, value })),
    onTokens: (listener) => remote.onChange(listener),
    redact: (text) => text,
    async update(credentials, onGiven) {
      const resolved = await parts.credentials.resolve(profile.name, credentials);
      onGiven(resolved);
      return resolved;
    },
    revoke: (credential) => {
      const isAccount = credential === account;
      const isUsed = isAccount || names.includes(credential);
      const reason = isAccount ? 'the user has signed out' : `the credential "${credential}" was revoked`;
      return { cut: Promise.resolve(isUsed ? remote.cut(reason) : 0), has: false };
    },
    longestTurn: 0,
  };
}
