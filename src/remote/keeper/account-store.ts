// Where accounts are kept: one blob of the credential store for each profile, one for each authorization server's
// registration. Several daemons may live (one that has handed over keeps its sessions), and a keychain has no transactions:
// whoever changes a blob holds its account's lock.

import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { Credentials } from '../../credential/credentials.ts';
import { WarderError } from '../../errors.ts';
import { awaitLock, ownerOf } from '../../os/lock.ts';
import { accountName } from '../../profile/auth.ts';
import type { ClientRegistration } from '../oauth/registration.ts';
import { type AccountRecord, parseRecord, renderRecord } from './account-record.ts';

export interface AccountStoreParts {
  readonly credentials: Pick<Credentials, 'stores'>;
  /** The state folder: two of them share one keychain, but no accounts. */
  readonly state: string;
}

/** An account's lock, across processes. */
export interface AccountLock extends Disposable {
  /** Whether it is still held: somebody may have removed its file. */
  isHeld(): boolean;
}

/** Milliseconds that one waits for another process. */
const LOCK_TIMEOUT = 30_000;

/** A registration that is kept for its issuer, and the scopes that it was made for; undefined: for what the server gives. */
export interface KeptClient {
  readonly registration: ClientRegistration;
  readonly scopes: readonly string[] | undefined;
}

/** Reads and writes. All throw the store's codes. */
export interface AccountStore {
  /** `prompt`: whether the store may ask its user to unlock it. Throws `credential-unfit` for a record that is damaged. */
  read(profile: string, prompt: boolean): Promise<AccountRecord | undefined>;
  /** Asks nobody. */
  write(profile: string, record: AccountRecord): Promise<void>;
  /** False: there was none. */
  remove(profile: string): Promise<boolean>;
  /** Throws `sign-in-failed` where another process holds it for long. */
  lock(profile: string, signal?: AbortSignal): Promise<AccountLock>;
  /** A damaged one counts as none: a client can be registered again. */
  readClient(issuer: string): Promise<KeptClient | undefined>;
  writeClient(client: KeptClient): Promise<void>;
  /** Removes a registration if it is still this one. */
  removeClient(registration: Pick<ClientRegistration, 'issuer' | 'clientId'>): Promise<boolean>;
}

/** The accounts in the chosen store. Nothing is opened before it is used; all throw the errors of the store. */
export function openAccountStore({ credentials, state }: AccountStoreParts): AccountStore {
  const home = createHash('sha256').update(state).digest('hex').slice(0, 16);
  const folder = join(state, 'remote');
  const blobs = () => credentials.stores.get().blobs;
  const blobName = (profile: string): string => `${accountName(profile)}@${home}`;
  const clientName = (issuer: string): string =>
    `oauth-client/${createHash('sha256').update(issuer).digest('hex')}@${home}`;
  const readClient = async (issuer: string): Promise<KeptClient | undefined> => {
    const bytes = await blobs().get(clientName(issuer), { prompt: false });
    const read = bytes && kept.safeParse(jsonOf(bytes)).data;
    // A registration is never used with another issuer, wherever it was found.
    if (read?.registration.issuer !== issuer) return undefined;
    return { registration: read.registration as unknown as ClientRegistration, scopes: read.scopes };
  };
  return {
    async read(profile, prompt) {
      const bytes = await blobs().get(blobName(profile), { prompt });
      return bytes && parseRecord(bytes, profile);
    },
    write: (profile, record) => blobs().set(blobName(profile), renderRecord(record), { prompt: false }),
    remove: (profile) => blobs().remove(blobName(profile)),
    async lock(profile, signal) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const path = join(folder, `${profile}.lock`);
      const lock = await awaitLock(path, LOCK_TIMEOUT, signal);
      if (!('owner' in lock)) throw heldByOther(profile);
      const { owner } = lock;
      const isHeld = (): boolean => {
        const present = ownerOf(path);
        return present?.pid === owner.pid && present.born === owner.born;
      };
      return {
        isHeld,
        [Symbol.dispose]() {
          // Another's lock is not removed.
          if (isHeld()) lock[Symbol.dispose]();
        },
      };
    },
    readClient,
    writeClient: (client) =>
      blobs().set(clientName(client.registration.issuer), Buffer.from(JSON.stringify(client)), {
        prompt: false,
      }),
    async removeClient({ issuer, clientId }) {
      if ((await readClient(issuer))?.registration.clientId !== clientId) return false;
      return blobs().remove(clientName(issuer));
    },
  };
}

const kept = z.strictObject({
  registration: z.looseObject({
    kind: z.string(),
    issuer: z.string(),
    clientId: z.string().min(1),
    authMethod: z.string(),
    redirectUris: z.array(z.string()),
  }),
  scopes: z.array(z.string()).optional(),
});

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

function heldByOther(profile: string): WarderError {
  return new WarderError('sign-in-failed', `another daemon of Warder holds the account of "${profile}"`, {
    hint: 'try again; "warder doctor" shows which daemons run',
  });
}
