// The control API: what the command line may ask of the daemon, over REQUEST and RESPONSE frames. One table
// holds every verb; handlers and clients take their types from it. Requests name profiles and credentials;
// none carries a command line, an environment or a path to run.
import * as z from 'zod';

/** How the daemon knows who connects: the kernel's word, or nothing but the socket's folder. */
const peerCheck = z.enum(['so_peercred', 'local_peercred', 'folder permissions']);

/** An open session, as `status` shows it. */
const session = z.object({
  id: z.string(),
  profile: z.string(),
  /** The process that started the launcher. */
  host: z.object({ pid: z.number().int(), exe: z.string().optional() }),
  server: z.object({ pid: z.number().int().optional() }),
  /** RFC 3339. */
  since: z.string(),
  /** Tool calls so far. */
  calls: z.number().int(),
  /** Requests that wait for their answer. */
  inflight: z.number().int(),
  /** `off`: the profile says so, and nothing but its environment confines the server. */
  sandbox: z.enum(['on', 'off']),
  /** What confines the server, measured at its process. */
  layers: z.array(z.string()),
  /** What it may reach through the gate. */
  network: z.array(z.string()),
});

/** One finding of `doctor`. */
const check = z.object({
  name: z.string(),
  state: z.enum(['ok', 'warn', 'fail']),
  detail: z.string(),
  hint: z.string().optional(),
});

/** A credential's name in a store: words with "/" between. */
export const credentialName = z
  .string()
  .max(200)
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/,
    'a credential name is words of letters, digits, ".", "_" and "-" with "/" between',
  );

const storeKind = z.enum(['keychain', 'vault']);

/** Whether a store can be used. Asking never makes the keychain ask a person. */
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

/** Which credential. Without `store` it is in the one that was chosen at `init`. */
const credentialTarget = { name: credentialName, store: storeKind.optional() };

/** A new value. What is too long for the store is the store's to say. */
const newValue = z.strictObject({
  ...credentialTarget,
  value: z
    .string()
    .min(1)
    .max(2 ** 20),
});

/** How a new value was stored, and what it did to the open sessions that have the credential. */
const stored = z.object({
  name: z.string(),
  store: storeKind,
  version: z.string(),
  /** RFC 3339. */
  updated: z.string().optional(),
  /** There was a value before. */
  replaced: z.boolean(),
  sessions: z.object({
    /** Go on with the new value. */
    moved: z.number().int(),
    /** Go on with the old one: the server did not start with the new. */
    kept: z.number().int(),
  }),
});

/** Every verb with its parameters and its result. */
export const control = {
  /** Facts about the daemon and all it holds. */
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
        /** Why the log is not signed, or cannot be written. */
        detail: z.string().optional(),
      }),
      profiles: z.array(z.object({ name: z.string(), broken: z.string().optional() })),
      sessions: z.array(session),
      credentials: z.object({
        /** No credential is used until somebody unlocks them. */
        locked: z.boolean(),
        /** Unlocking takes a passphrase. */
        guarded: z.boolean(),
        revoked: z.array(z.string()),
        /** Refused by a host: they may have expired. */
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
  /** Ends all sessions, then the daemon. Answers at once; the connection closes when all is done. */
  stop: {
    params: z.strictObject({}),
    result: z.object({ pid: z.number().int(), sessions: z.number().int() }),
  },
  /** The checks that only the daemon can make. */
  doctor: {
    params: z.strictObject({}),
    result: z.object({ checks: z.array(check) }),
  },
  /** Keeps a value under a name, new or not. */
  'credential.set': { params: newValue, result: stored },
  /** Replaces a value that is there. */
  'credential.rotate': { params: newValue, result: stored },
  /** Facts about all credentials; values never leave by this way. */
  'credential.list': {
    params: z.strictObject({}),
    result: z.object({
      credentials: z.array(
        z.object({
          name: z.string(),
          store: storeKind,
          version: z.string(),
          updated: z.string().optional(),
          /** Set by Warder, under this name. */
          bound: z.boolean(),
          /** Why the value cannot be used. */
          problem: z.string().optional(),
          /** Profiles that name it. */
          profiles: z.array(z.string()),
        }),
      ),
      /** Credentials that profiles name and no store has. */
      missing: z.array(z.object({ name: z.string(), profiles: z.array(z.string()) })),
    }),
  },
  'credential.remove': {
    params: z.strictObject(credentialTarget),
    result: z.object({ name: z.string(), store: storeKind }),
  },
  /** Locks all credentials: none is used, and no session that needs one opens. With a passphrase only that unlocks. */
  'credential.lock': {
    params: z.strictObject({ passphrase: passphrase.optional() }),
    result: z.object({ sessions: z.number().int() }),
  },
  'credential.unlock': {
    params: z.strictObject({ passphrase: passphrase.optional() }),
    result: z.object({}),
  },
  /** Takes a credential out of use at once, until it gets a new value or `undo` is said. */
  'credential.revoke': {
    params: z.strictObject({ name: credentialName, undo: z.boolean().optional() }),
    result: z.object({
      name: z.string(),
      /** It was not so before. */
      changed: z.boolean(),
      /** Connections that had carried it and were cut. */
      cut: z.number().int(),
      /** Sessions whose server held it itself and was ended. */
      ended: z.number().int(),
    }),
  },
  /** The chosen store, and whether the keychain could be it. */
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
   * Chooses the store: tries it with a value, makes the audit log's signing key, and writes the settings. A
   * key file that does not exist is made. Refuses to leave a store that holds credentials unless \`force\`.
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

/** What answers in the daemon: one handler a verb. A `WarderError` thrown reaches the client whole. */
export type Handlers = { readonly [V in Verb]: (params: Params<V>) => Promise<Result<V>> | Result<V> };

export type Check = z.infer<typeof check>;
export type SessionStatus = z.infer<typeof session>;
