// The control API: the requests that the command line may send to the daemon, in REQUEST and RESPONSE frames. One
// table contains every verb; handlers and clients derive their types from it. Requests name profiles and credentials;
// none carries a command line, an environment, or a path to run.
import * as z from 'zod';
import { CREDENTIAL_NAME, CREDENTIAL_NAME_RULE, PROFILE_NAME } from './hello.ts';

/** How the daemon knows which user connects: from the kernel, or only by the permissions of the socket's folder. */
const peerCheck = z.enum(['so_peercred', 'local_peercred', 'folder permissions']);

/** An open session, as `status` shows it. */
export const session = z.object({
  id: z.string(),
  profile: z.string(),
  /** The process that started the launcher. */
  host: z.object({ pid: z.number().int(), exe: z.string().optional() }),
  server: z.object({ pid: z.number().int().optional() }),
  /** RFC 3339. */
  since: z.string(),
  /** How many tool calls it has made so far. */
  calls: z.number().int(),
  /** How many requests wait for a response. */
  inflight: z.number().int(),
  /** The longest time for which it has held the daemon's event loop, in milliseconds. */
  loop_ms: z.number().int(),
  /** The same, of its gate. */
  gate_loop_ms: z.number().int(),
  /** `off`: the profile says so, and nothing but its environment confines the server. */
  sandbox: z.enum(['on', 'off']),
  /** The layers that confine the server, measured at its process. */
  layers: z.array(z.string()),
  /** The hosts that it may reach through the gate. */
  network: z.array(z.string()),
  /** How many things that its server lists or says are held back, and why all of it is. None from an older daemon. */
  held: z.number().int().optional(),
  blocked: z.string().nullable().optional(),
  /** The hosts that it was refused; port 53 where a name was looked up. */
  refused: z
    .array(
      z.object({ host: z.string(), port: z.number().int(), reason: z.string(), count: z.number().int() }),
    )
    .optional(),
});

/** What a server planted for programs outside. */
const planted = z.object({
  session: z.string(),
  profile: z.string(),
  /** When it was found: RFC 3339. */
  since: z.string(),
  path: z.string(),
  /** Where it is now, if it appeared; what was there before and has changed stays where it is. */
  put_away: z.string().optional(),
});

/** One finding of `doctor`. */
const check = z.object({
  name: z.string(),
  state: z.enum(['ok', 'warn', 'fail']),
  detail: z.string(),
  hint: z.string().optional(),
});

/** A credential's name in a store. */
export const credentialName = z
  .string()
  .max(200)
  .regex(CREDENTIAL_NAME, `a credential name is ${CREDENTIAL_NAME_RULE}`);

const storeKind = z.enum(['keychain', 'vault']);

/** Whether a store can be used. This request never makes the keychain prompt a person. */
const storeState = z.object({
  state: z.enum(['ready', 'locked', 'unset', 'unavailable']),
  detail: z.string().optional(),
  hint: z.string().optional(),
});

/** How the vault is opened. A file's path is absolute. */
const vaultKey = z.union([
  z.literal('passphrase'),
  z.strictObject({ file: z.string().max(4096) }),
  z.strictObject({ systemd: z.string().max(255) }),
]);

const passphrase = z.string().min(1).max(1024);

/** Names a credential. Without `store` it is in the store that was chosen at `init`. */
const credentialTarget = { name: credentialName, store: storeKind.optional() };

/** A new value. The store refuses a value that is too long for it. */
const newValue = z.strictObject({
  ...credentialTarget,
  value: z
    .string()
    .min(1)
    .max(2 ** 20),
});

/** A question to a person, as it is shown: see `Question` of the consent room. */
const question = z.object({
  id: z.string(),
  session: z.string(),
  profile: z.string(),
  host: z.object({ key: z.string(), name: z.string() }),
  kind: z.enum(['tools', 'resources', 'prompts', 'methods', 'server', 'profile', 'credential']),
  name: z.string(),
  /** What is asked, in full: lines whose characters all show. */
  lines: z.array(z.string()),
  /** How many calls wait for the answer. */
  calls: z.number().int(),
  /** RFC 3339: when it was asked, and when it is answered with no. */
  since: z.string(),
  until: z.string(),
  /** Whether an answer that holds for good needs the PIN; with `credential` any yes does. */
  presence: z.boolean(),
});

const grant = z.object({
  id: z.string(),
  /** RFC 3339. */
  made: z.string(),
  by: z.string(),
  decision: z.enum(['allow', 'deny']),
  host: z.string(),
  profile: z.string(),
  kind: z.string(),
  /** The name, or the pattern. */
  name: z.string(),
  /** Whether it is for certain arguments only. */
  exact: z.boolean(),
  /** The session with which it ends, and when it ends otherwise; `null`: it does not. */
  session: z.string().nullable(),
  until: z.string().nullable(),
});

/** The name of a profile. */
const profileName = z
  .string()
  .regex(PROFILE_NAME, 'a name is up to 63 of a-z, 0-9 and "-", and begins with a letter or digit');

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'a digest is sha256: and 64 hexadecimal digits');

/** One thing that a server says: see `Part` of the consent room. `text` is JSON; `null` if it was too long to be kept. */
const trustedPart = z.object({
  kind: z.string(),
  name: z.string(),
  digest: z.string(),
  text: z.string().nullable(),
});

/** What is odd about a text or a name: marks for people. */
const trustMarks = z.array(z.string());

/** A file that runs, with the digest of its bytes; `null`: only the system may change it. */
const trustedFile = z.object({ path: z.string(), digest: z.string().nullable() });

/** What was accepted of a server. */
const trustRecord = z.object({
  digest: z.string(),
  /** RFC 3339. */
  accepted: z.string(),
  by: z.string(),
  files: z.array(trustedFile),
  /** What it may do, a line each. */
  permissions: z.array(z.string()),
  parts: z.array(trustedPart.extend({ marks: trustMarks })),
});

/** How one thing differs from what was accepted. */
const trustDifference = z.object({
  kind: z.string(),
  name: z.string(),
  change: z.enum(['added', 'changed', 'removed']),
  /** JSON texts; `null` where there is none, or it was too long to be kept. */
  before: z.string().nullable(),
  after: z.string().nullable(),
  marks: trustMarks,
});

/** A yes for longer than this, in milliseconds, needs a proof that a person is there, as one for good does. */
export const MAX_UNPROVED = 86_400_000;

/** An answer of a person. Durations are milliseconds. */
const answer = z.strictObject({
  id: z.string().regex(/^\d{1,6}$/, 'the number of a question is digits'),
  decision: z.enum(['allow', 'deny']),
  scope: z.union([
    z.enum(['once', 'session', 'always']),
    z.strictObject({ ms: z.int().min(1000).max(31_622_400_000) }),
  ]),
  extent: z.union([z.enum(['arguments', 'name']), z.strictObject({ pattern: z.string().min(1).max(256) })]),
  pin: z.string().min(1).max(256).optional(),
});

const grantId = z.string().regex(/^[0-9a-f]{8}$/, 'the id of a grant is eight hexadecimal digits');

/** How a new value was stored, and how it affected the open sessions that use the credential. */
const stored = z.object({
  name: z.string(),
  store: storeKind,
  version: z.string(),
  /** RFC 3339. */
  updated: z.string().optional(),
  /** Whether there was a value before. */
  replaced: z.boolean(),
  sessions: z.object({
    /** Sessions that continue with the new value. */
    moved: z.number().int(),
    /** Sessions that continue with the old value, because the server did not start with the new one. */
    kept: z.number().int(),
  }),
});

/** Every verb with its parameters and result. */
export const control = {
  /** The state of the daemon and of everything in it. */
  status: {
    params: z.strictObject({}),
    result: z.object({
      daemon: z.object({
        pid: z.number().int(),
        version: z.string(),
        /** RFC 3339. */
        started: z.string(),
        /** Milliseconds. */
        uptime: z.number().int(),
        /** Bytes of resident memory. */
        memory: z.number().int(),
        peer: peerCheck,
      }),
      store: z.object({
        kind: z.enum(['keychain', 'vault']).nullable(),
        state: z.enum(['ready', 'locked', 'unset', 'unavailable']),
        detail: z.string().optional(),
      }),
      audit: z.object({
        seq: z.number().int(),
        hash: z.string(),
        signed: z.boolean(),
        /** Why the log is not signed or cannot be written. */
        detail: z.string().optional(),
      }),
      profiles: z.array(z.object({ name: z.string(), broken: z.string().optional() })),
      sessions: z.array(session),
      /** The newest, since the daemon began; none from a daemon that is older than this. */
      planted: z.array(planted).optional(),
      credentials: z.object({
        /** No credential is used until somebody unlocks them. */
        locked: z.boolean(),
        /** Unlocking takes a passphrase. */
        guarded: z.boolean(),
        revoked: z.array(z.string()),
        /** Rejected by a host: they may have expired. */
        doubted: z.array(
          z.object({
            name: z.string(),
            version: z.string(),
            host: z.string(),
            /** 401 or 403. */
            status: z.number().int(),
            /** RFC 3339. */
            since: z.string(),
          }),
        ),
      }),
    }),
  },
  /**
   * The open questions to a person. `watch`: somebody looks at them. With `seen` (`<id>:<calls>`) it then answers once
   * they are others, or after 5 s.
   */
  'approvals.list': {
    params: z.strictObject({
      watch: z.boolean().optional(),
      seen: z.array(z.string().max(32)).max(1000).optional(),
    }),
    /** `pin`: one is set. `polkit`: it would ask who answers for good. */
    result: z.object({ questions: z.array(question), pin: z.boolean(), polkit: z.boolean() }),
  },
  /** Answers a question. */
  'approvals.answer': {
    params: answer,
    result: z.object({ id: z.string(), decision: z.enum(['allow', 'deny']) }),
  },
  /** What people have answered for more than one call. */
  'grants.list': { params: z.strictObject({}), result: z.object({ grants: z.array(grant) }) },
  /** Revokes one grant, or all. */
  'grants.revoke': {
    params: z.strictObject({ id: grantId.optional() }),
    result: z.object({ revoked: z.array(grant) }),
  },
  /** Sets the PIN that proves that a person is there. */
  'pin.set': {
    params: z.strictObject({ pin: passphrase, old: passphrase.optional() }),
    result: z.object({}),
  },
  /** What is accepted of a profile's server, and how what was seen of it last differs from that. */
  'trust.show': {
    params: z.strictObject({ profile: profileName, previous: z.boolean().optional() }),
    result: z.object({
      profile: z.string(),
      /** `unverified`: the record is not one that Warder has written last. `locked`: the credential store is not open. */
      state: z.enum(['none', 'accepted', 'unverified', 'locked']),
      /** Why it is unverified or locked. */
      detail: z.string().nullable(),
      /** Whether what is accepted outlives the daemon. */
      lasts: z.boolean(),
      /** Whether there is a record before this one. */
      undoable: z.boolean(),
      record: trustRecord.nullable(),
      /** What was seen last; `null` if nothing was since the daemon began. */
      seen: z
        .object({
          /** What would be accepted. */
          pending: z.string(),
          files: z.array(trustedFile),
          isOtherServer: z.boolean(),
          /** What its profile gives it in addition, a line each. */
          wider: z.array(z.string()),
          /** Whether its list of tools was seen to its end. */
          whole: z.boolean(),
          permissions: z.array(z.string()),
          differences: z.array(trustDifference),
        })
        .nullable(),
    }),
  },
  /** Accepts what was shown: `expect` is its `pending`. With `only` these tools alone. */
  'trust.accept': {
    params: z.strictObject({
      profile: profileName,
      expect: digest,
      only: z.array(z.string().max(4096)).min(1).max(10_000).optional(),
      pin: passphrase.optional(),
    }),
    result: z.object({ profile: z.string(), record: z.string() }),
  },
  /** Goes back to the record before. */
  'trust.undo': {
    params: z.strictObject({ profile: profileName, pin: passphrase.optional() }),
    result: z.object({ profile: z.string(), record: z.string() }),
  },
  /** Forgets what was accepted. Without the PIN only of a profile that is no more. */
  'trust.forget': {
    params: z.strictObject({ profile: profileName, pin: passphrase.optional() }),
    result: z.object({ profile: z.string(), forgotten: z.boolean() }),
  },
  'pin.state': { params: z.strictObject({}), result: z.object({ set: z.boolean() }) },
  /** Ends one session, named by its id or the beginning of it. */
  end: {
    params: z.strictObject({ session: z.string().regex(/^[0-9a-f]{1,16}$/, 'an id is hexadecimal digits') }),
    result: z.object({ session: z.string(), profile: z.string() }),
  },
  /** Ends all sessions, then the daemon. Answers at once; the connection closes when the daemon is done. */
  stop: {
    params: z.strictObject({}),
    result: z.object({ pid: z.number().int(), sessions: z.number().int() }),
  },
  /** The checks that only the daemon can run. */
  doctor: {
    params: z.strictObject({}),
    result: z.object({ checks: z.array(check) }),
  },
  /** The newest signed record of the audit log, once all records so far are signed, if they can be. */
  'audit.signed': {
    params: z.strictObject({}),
    result: z.object({
      /** `null`: it is not known, or nothing was signed yet. */
      point: z.object({ seq: z.number().int(), hash: z.string() }).nullable(),
      /** Why it is not known. */
      unknown: z.string().nullable(),
    }),
  },
  /** Stores a value under a name, whether or not there is one. */
  'credential.set': { params: newValue, result: stored },
  /** Replaces an existing value. */
  'credential.rotate': { params: newValue, result: stored },
  /** Lists all credentials, never their values. */
  'credential.list': {
    params: z.strictObject({}),
    result: z.object({
      credentials: z.array(
        z.object({
          name: z.string(),
          store: storeKind,
          version: z.string(),
          updated: z.string().optional(),
          /** Whether Warder stored it, under this name. */
          bound: z.boolean(),
          /** Why the value cannot be used. */
          problem: z.string().optional(),
          /** The profiles that name it. */
          profiles: z.array(z.string()),
        }),
      ),
      /** Credentials that profiles name but no store has. */
      missing: z.array(z.object({ name: z.string(), profiles: z.array(z.string()) })),
    }),
  },
  'credential.remove': {
    params: z.strictObject(credentialTarget),
    result: z.object({ name: z.string(), store: storeKind }),
  },
  /**
   * Locks all credentials: none is used, and no session that needs one opens. If a passphrase is set, only that one
   * unlocks them.
   */
  'credential.lock': {
    params: z.strictObject({ passphrase: passphrase.optional() }),
    result: z.object({ sessions: z.number().int() }),
  },
  'credential.unlock': {
    params: z.strictObject({ passphrase: passphrase.optional() }),
    result: z.object({}),
  },
  /** Takes a credential out of use at once, until it gets a new value or the revocation is undone (`undo`). */
  'credential.revoke': {
    params: z.strictObject({ name: credentialName, undo: z.boolean().optional() }),
    result: z.object({
      name: z.string(),
      /** Whether this changed anything. */
      changed: z.boolean(),
      /** How many connections had carried it and were cut. */
      cut: z.number().int(),
      /** How many servers had received its value and were ended. */
      ended: z.number().int(),
    }),
  },
  /** The chosen store, and whether the keychain could be used. */
  'store.state': {
    params: z.strictObject({}),
    result: z.object({
      kind: storeKind.nullable(),
      chosen: storeState,
      keychain: storeState,
      key: vaultKey,
    }),
  },
  /**
   * Chooses the store: tests it with a value, creates the audit log's signing key, and writes the settings. Creates a
   * key file that does not exist. Refuses to abandon a store that contains credentials unless `force` is set.
   */
  'store.init': {
    params: z.strictObject({
      store: storeKind,
      key: vaultKey.optional(),
      passphrase: passphrase.optional(),
      force: z.boolean().optional(),
    }),
    result: z.object({
      store: storeKind,
      /** The settings' file. */
      config: z.string(),
      /** The key file that was made. */
      made: z.string().optional(),
      /** The audit log's public key: 32 bytes in base64. */
      signer: z.string(),
      /** Credentials left behind in the other store. */
      left: z.number().int(),
    }),
  },
  /** Opens a vault that a passphrase guards. The daemon keeps the key, not the passphrase, until it ends. */
  'vault.unlock': { params: z.strictObject({ passphrase }), result: z.object({}) },
} as const satisfies Record<string, { params: z.ZodType; result: z.ZodType }>;

export type Verb = keyof typeof control;
export type Params<V extends Verb> = z.infer<(typeof control)[V]['params']>;
export type Result<V extends Verb> = z.infer<(typeof control)[V]['result']>;

/** A connection to the daemon's control API, as the command line has it. */
export interface ControlClient extends AsyncDisposable {
  /**
   * Sends a request and waits for the answer. Throws the `WarderError` that the daemon answers with, or
   * `daemon-unreachable` if the daemon goes away.
   */
  request<V extends Verb>(verb: V, params: Params<V>): Promise<Result<V>>;
  /** Settles when the daemon has closed the connection. */
  readonly closed: Promise<void>;
}

/** The daemon's handlers, one for each verb. A `WarderError` that one throws reaches the client as it is. */
export type Handlers = { readonly [V in Verb]: (params: Params<V>) => Promise<Result<V>> | Result<V> };

export type Check = z.infer<typeof check>;
export type ShownQuestion = z.infer<typeof question>;
export type ShownGrant = z.infer<typeof grant>;
export type ShownTrust = Result<'trust.show'>;
export type ShownDifference = z.infer<typeof trustDifference>;
export type ShownPart = ShownRecord['parts'][number];
export type ShownRecord = z.infer<typeof trustRecord>;
export type SessionStatus = z.infer<typeof session>;
export type PlantedPath = z.infer<typeof planted>;
