// The requests about remote servers: signing in and out, accounts, and what a URL is. No token is in any of them.
import * as z from 'zod';
import { PROFILE_NAME } from '../hello.ts';

const profileName = z
  .string()
  .regex(PROFILE_NAME, 'a name is up to 63 of a-z, 0-9 and "-", and begins with a letter or digit');

/** A profile's account at its remote server's authorization server, as far as Warder knows. */
export const account = z.object({
  profile: z.string(),
  /** The server's URL. */
  server: z.string(),
  /** The type of `auth`. */
  auth: z.string(),
  /**
   * `ready`: needs no sign-in. `expired`: the token is no longer valid, and cannot be refreshed. `locked`: the credential
   * store is not open, so that nothing is known.
   */
  state: z.enum(['ready', 'signed-in', 'signed-out', 'expired', 'locked']),
  issuer: z.string().nullable(),
  scopes: z.array(z.string()),
  /** RFC 3339: until when the token is valid, when the person signed in, when it was refreshed last. */
  expires: z.string().nullable(),
  since: z.string().nullable(),
  refreshed: z.string().nullable(),
  /** Whether it is refreshed without a person. */
  renewable: z.boolean(),
  /** How the client came to its id: `configured`, `metadata document`, `registered`; `null`: it has none yet. */
  client: z.string().nullable(),
  /** Why the last refresh failed, or the state is what it is. */
  detail: z.string().nullable(),
});

/** A sign-in. It is one for all who wait: sessions whose calls need it, and the command line. */
export const login = z.object({
  id: z.string(),
  profile: z.string(),
  /** `asking`: a person has to agree to `lines`. `waiting`: for the browser, the device code, or a pasted URL. */
  phase: z.enum(['asking', 'waiting', 'done', 'failed']),
  /** What the person agrees to, in full: where it goes, who asks for what. Lines whose characters all show. */
  lines: z.array(z.string()),
  /** What in it needs attention: an endpoint on another domain than its issuer, something that has changed. */
  warnings: z.array(z.string()),
  /** The page to open in a browser, and the redirect that answers it; `null` before the person has agreed. */
  page: z.object({ url: z.string(), redirect: z.string() }).nullable(),
  /** Of the device flow: the code that the person types at `url`; `complete` has the code in it. */
  device: z.object({ code: z.string(), url: z.string(), complete: z.string().nullable() }).nullable(),
  /** RFC 3339: when it is given up. */
  until: z.string().nullable(),
  /** Of `failed`. */
  error: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }).nullable(),
  /** Of `done`. */
  account: account.nullable(),
});

const loginId = z.string().regex(/^[0-9a-f]{1,32}$/, 'the id of a sign-in is hexadecimal digits');
const oneLogin = z.strictObject({ login: loginId });

/** A remote server that has no profile yet. */
const candidate = z.strictObject({
  url: z.string().max(2048),
  headers: z.record(z.string().max(64), z.string().max(1024)).optional(),
  'allow-private': z.array(z.string().max(64)).max(100).optional(),
  'insecure-loopback': z.boolean().optional(),
});

export const remoteVerbs = {
  /** Finds out where to sign in. Nothing was opened and no browser was asked for when it answers. */
  'login.start': {
    params: z.strictObject({
      profile: profileName,
      /** Instead of the profile's. */
      flow: z.enum(['code', 'device']).optional(),
      scopes: z.array(z.string().max(512)).max(200).optional(),
    }),
    result: login,
  },
  /** The person has agreed. Whoever asked opens the page. */
  'login.agree': { params: oneLogin, result: login },
  /** Answers once the phase is another than `seen`, or after 5 s. */
  'login.state': {
    params: z.strictObject({ login: loginId, seen: z.string().max(16).optional() }),
    result: login,
  },
  /** The URL at which the browser ended, from a browser on another machine. */
  'login.paste': { params: z.strictObject({ login: loginId, url: z.string().max(8192) }), result: login },
  'login.cancel': { params: oneLogin, result: login },
  /** Forgets a profile's tokens, and revokes them where the authorization server lets it (RFC 7009). */
  logout: {
    params: z.strictObject({ profile: profileName }),
    result: z.object({
      profile: z.string(),
      /** Whether there were any. */
      changed: z.boolean(),
      /** Whether the authorization server has revoked them, and why not. */
      revoked: z.boolean(),
      detail: z.string().nullable(),
    }),
  },
  /** The accounts of all profiles with a remote server, or of one. Contacts nobody. */
  accounts: {
    params: z.strictObject({ profile: profileName.optional() }),
    result: z.object({ accounts: z.array(account) }),
  },
  /** What answers at a URL. Sends no credential; with a profile's name also looks at its authorization server. */
  'remote.probe': {
    params: z.union([z.strictObject({ profile: profileName }), candidate]),
    result: z.object({
      url: z.string(),
      /** `null`: it answered in no way that says so, or asked for a sign-in first. */
      transport: z.enum(['stateless', 'session', 'sse']).nullable(),
      /** The name and version that it gives itself. */
      server: z.string().nullable(),
      /** What it asks for: nothing, a sign-in, or something that it does not explain (401 without metadata). */
      needs: z.enum(['nothing', 'oauth', 'token']),
      /** Authorization servers that its metadata names. */
      issuers: z.array(z.string()),
      scopes: z.array(z.string()),
      /** How a client gets its id there: `metadata document`, `registration`; empty: it is given out by hand. */
      registration: z.array(z.string()),
      detail: z.string().nullable(),
    }),
  },
} as const satisfies Record<string, { params: z.ZodType; result: z.ZodType }>;
