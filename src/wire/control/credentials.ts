// The requests about credentials and the store that holds them. Values go to the daemon, never back.
import * as z from 'zod';
import { credentialName } from '../credential-name.ts';
import { typedSecret } from './typed-secret.ts';

export const storeKind = z.enum(['keychain', 'vault']);

/** Whether a store can be used. */
export const storeReadiness = z.enum(['ready', 'locked', 'unset', 'unavailable']);

/** Whether a store can be used. This request never makes the keychain prompt a person. */
const storeState = z.object({
  state: storeReadiness,
  detail: z.string().optional(),
  hint: z.string().optional(),
});

/** How the vault is opened. A file's path is absolute. */
const vaultKey = z.union([
  z.literal('passphrase'),
  z.strictObject({ file: z.string().max(4096) }),
  z.strictObject({ systemd: z.string().max(255) }),
]);

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

export const credentialVerbs = {
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
    params: z.strictObject({ passphrase: typedSecret.optional() }),
    result: z.object({ sessions: z.number().int() }),
  },
  'credential.unlock': {
    params: z.strictObject({ passphrase: typedSecret.optional() }),
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
      passphrase: typedSecret.optional(),
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
  'vault.unlock': { params: z.strictObject({ passphrase: typedSecret }), result: z.object({}) },
} as const satisfies Record<string, { params: z.ZodType; result: z.ZodType }>;
