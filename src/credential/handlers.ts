// The control API's handlers for credentials and their stores. Values come in and never go out. Each change is recorded
// in the audit log as soon as the store has it, before open sessions get the new value.
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { AuditLog } from '../audit/log.ts';
import { WarderError } from '../errors.ts';
import { loadSettings, settingsPath, updateSettings } from '../profile/settings.ts';
import type { Profiles } from '../profile/watch.ts';
import type { Handlers, Params, Result } from '../wire/control.ts';
import type { Places } from '../wire/places.ts';
import type { Credentials } from './credentials.ts';
import type { Locks } from './locks.ts';
import { sealingProblem } from './sealable.ts';
import { openSigner, storeLastSigned } from './signing.ts';
import type { Store, StoreKind } from './store/store.ts';

export interface HandlersParts {
  readonly credentials: Credentials;
  readonly audit: Pick<AuditLog, 'append' | 'signed'>;
  readonly profiles: Pick<Profiles, 'names' | 'get'>;
  readonly places: Places;
  readonly locks: Locks;
  /** Takes a credential from open sessions. Returns how many connections were cut and how many sessions ended. */
  /** All credentials were locked. */
  readonly locked: () => void;
  readonly revoke: (name: string) => Promise<{ readonly cut: number; readonly ended: number }>;
  /** Has the log signed anew, after what the store remembers of it was changed. */
  readonly reopenSigner: () => Promise<void>;
  /** The number of open sessions. */
  readonly sessions: () => number;
}

/** The name that the audit log uses for all credentials. */
const ALL_CREDENTIALS = '*';

type HandledVerbs = Extract<keyof Handlers, `credential.${string}` | `store.${string}` | `vault.${string}`>;

/** The handlers of `credential.…`, `store.…` and `vault.…`. */
export function credentialHandlers(parts: HandlersParts): Pick<Handlers, HandledVerbs> {
  const { credentials, places, locks } = parts;
  return {
    'credential.set': (params) => change(parts, 'set', params),
    'credential.rotate': (params) => change(parts, 'rotate', params),
    'credential.list': () => list(parts),
    'credential.lock'({ passphrase }) {
      locks.lock(passphrase);
      parts.locked();
      record(parts, 'lock', ALL_CREDENTIALS, '', 'ok');
      return { sessions: parts.sessions() };
    },
    'credential.unlock'({ passphrase }) {
      try {
        locks.unlock(passphrase);
      } catch (error) {
        record(parts, 'unlock', ALL_CREDENTIALS, '', codeOf(error));
        throw error;
      }
      record(parts, 'unlock', ALL_CREDENTIALS, '', 'ok');
      return {};
    },
    async 'credential.revoke'({ name, undo = false }) {
      const changed = undo ? locks.restore(name) : locks.revoke(name);
      // Revokes first: a revocation that cannot be recorded still takes effect.
      const affected = undo ? { cut: 0, ended: 0 } : await parts.revoke(name);
      record(parts, undo ? 'restore' : 'revoke', name, '', 'ok');
      return { name, changed, ...affected };
    },
    async 'credential.remove'({ name, store }) {
      try {
        const removed = await credentials.remove(name, store);
        record(parts, 'remove', name, '', 'ok');
        return { name, store: removed };
      } catch (error) {
        record(parts, 'remove', name, '', codeOf(error));
        throw error;
      }
    },
    async 'store.state'() {
      const { kind, ...chosen } = await credentials.stores.state();
      const { kind: _kind, ...keychain } = await credentials.stores.state('keychain');
      return { kind, chosen, keychain, key: loadSettings(places).vault.key };
    },
    'store.init': (params) => init(parts, params),
    async 'vault.unlock'({ passphrase }) {
      await credentials.stores.unlock(passphrase);
      return {};
    },
  };
}

/** Sets or rotates a value. */
async function change(
  parts: HandlersParts,
  action: 'set' | 'rotate',
  { name, store, value }: Params<'credential.set'>,
): Promise<Result<'credential.set'>> {
  let stored = false;
  try {
    refuseUnsealable(parts.profiles, name, value);
    const { updated, ...changed } = await parts.credentials[action](name, value, store, (version) => {
      stored = true;
      // A new value is another secret: only the old one was revoked.
      parts.locks.restore(name);
      record(parts, action, name, version, 'ok');
    });
    return { ...changed, ...(updated !== undefined && { updated }) };
  } catch (error) {
    if (!stored) record(parts, action, name, '', codeOf(error));
    throw error;
  }
}

/** Throws `credential-unfit` for a value that a profile seals and the gate cannot put in: better now than at its start. */
function refuseUnsealable(profiles: HandlersParts['profiles'], name: string, value: string): void {
  for (const profile of profiles.names) {
    for (const { name: used, variable, deliver, sign } of credentialsOf(profiles, profile)) {
      const problem =
        used === name && deliver === 'sealed' ? sealingProblem(variable, value, sign) : undefined;
      if (problem === undefined) continue;
      throw new WarderError(
        'credential-unfit',
        `the profile "${profile}" seals this value: ${variable} ${problem.what}`,
        {
          hint: problem.hint,
        },
      );
    }
  }
}

/** The credentials of the chosen store and of other stores that profiles use, and those that profiles use but no store has. */
async function list({ credentials, profiles }: HandlersParts): Promise<Result<'credential.list'>> {
  const used = new Map<
    string,
    { readonly store: StoreKind; readonly name: string; readonly profiles: string[] }
  >();
  for (const profile of profiles.names) {
    for (const { name, from } of credentialsOf(profiles, profile)) {
      const store = from === 'store' ? credentials.stores.chosen : from;
      if (typeof store !== 'string') continue;
      const key = `${store} ${name}`;
      const usage = used.get(key) ?? { store, name, profiles: [] };
      usage.profiles.push(profile);
      used.set(key, usage);
    }
  }
  const chosen = credentials.stores.get().kind;
  const kinds = new Set([chosen, ...[...used.values()].map(({ store }) => store)]);
  const listed: Result<'credential.list'>['credentials'] = [];
  for (const kind of kinds) {
    for (const { updated, problem, ...rest } of await credentials.list(kind)) {
      const key = `${kind} ${rest.name}`;
      listed.push({
        ...rest,
        store: kind,
        ...(updated !== undefined && { updated }),
        ...(problem !== undefined && { problem }),
        profiles: used.get(key)?.profiles ?? [],
      });
      used.delete(key);
    }
  }
  return {
    credentials: listed,
    missing: [...used.values()].map(({ name, profiles }) => ({ name, profiles })),
  };
}

/** A profile's credentials; none if the profile is broken, which `status` shows. */
function credentialsOf(profiles: HandlersParts['profiles'], name: string) {
  try {
    return profiles.get(name).profile.credentials;
  } catch (error) {
    if (error instanceof WarderError) return [];
    throw error;
  }
}

async function init(
  parts: HandlersParts,
  { store: kind, key, passphrase, force = false }: Params<'store.init'>,
): Promise<Result<'store.init'>> {
  const { credentials, places } = parts;
  if (kind === 'keychain' && (key !== undefined || passphrase !== undefined)) {
    throw new WarderError('usage', 'the keychain has a key of its own', {
      hint: 'a key or passphrase is for the vault',
    });
  }
  const left = await countLeftBehind(credentials, kind, force);
  if (kind === 'keychain') {
    const keychain = credentials.stores.get(kind);
    await probe(keychain);
    const { publicKey } = await openSigner(keychain, places.state);
    await carrySigned(parts, keychain, force);
    updateSettings(places, [[['store'], kind]]);
    await credentials.stores.choose({ kind });
    record(parts, 'init', ALL_CREDENTIALS, '', 'ok');
    await parts.reopenSigner();
    return { store: kind, config: settingsPath(places), signer: publicKey, left };
  }
  const chosen = key ?? loadSettings(places).vault.key;
  const vault = credentials.stores.newVault(chosen);
  try {
    if (force) vault.accept();
    const made = await vault.create(passphrase);
    await probe(vault);
    const { publicKey } = await openSigner(vault, places.state);
    await carrySigned(parts, vault, force);
    updateSettings(places, [
      [['store'], kind],
      [['vault', 'key'], chosen],
    ]);
    await credentials.stores.choose(vault);
    record(parts, 'init', ALL_CREDENTIALS, '', 'ok');
    await parts.reopenSigner();
    const config = settingsPath(places);
    return { store: kind, config, ...(made !== undefined && { made }), signer: publicKey, left };
  } catch (error) {
    await vault[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * A store that is newly chosen goes on from what the store before it has signed of the log. The same store again keeps
 * what it remembers; with `force` it forgets that, and signs the log as it is.
 */
async function carrySigned(
  { credentials, audit, places }: HandlersParts,
  store: Store,
  force: boolean,
): Promise<void> {
  if (credentials.stores.chosen !== store.kind)
    await storeLastSigned(store, places.state, audit.signed.point);
  else if (force) await storeLastSigned(store, places.state, undefined);
}

/** How many credentials stay behind in the old store. Throws `refused` if there are any, unless `force` is set. */
async function countLeftBehind(credentials: Credentials, kind: StoreKind, force: boolean): Promise<number> {
  const { chosen } = credentials.stores;
  if (chosen === undefined || chosen === kind) return 0;
  const hint = `use --force to go on; credentials in the ${chosen} stay there, and must be set again in the ${kind}`;
  let count: number;
  try {
    count = (await credentials.list(chosen)).length;
  } catch (cause) {
    if (force && cause instanceof WarderError) return 0;
    throw new WarderError('refused', `cannot check whether the ${chosen} holds credentials`, { hint, cause });
  }
  if (count > 0 && !force) {
    throw new WarderError('refused', `the ${chosen} holds ${count} credential${count === 1 ? '' : 's'}`, {
      hint,
    });
  }
  return count;
}

/** Tests a store: writes, reads back and removes an item. */
async function probe({ kind, blobs }: Store): Promise<void> {
  const name = `probe-${randomBytes(4).toString('hex')}`;
  const bytes = randomBytes(32);
  await blobs.set(name, bytes);
  const readBack = await blobs.get(name);
  const removed = await blobs.remove(name);
  if (readBack?.length === bytes.length && timingSafeEqual(readBack, bytes) && removed) return;
  const code = kind === 'vault' ? 'vault-damaged' : 'keychain-unavailable';
  throw new WarderError(code, `the ${kind} does not store what is written to it`);
}

/** What changes the store. */
const CHANGES = new Set<string>(['init', 'set', 'rotate', 'remove']);

function record(
  { audit, credentials }: HandlersParts,
  action: 'init' | 'set' | 'rotate' | 'remove' | 'lock' | 'unlock' | 'revoke' | 'restore',
  credential: string,
  version: string,
  outcome: string,
): void {
  const mark = CHANGES.has(action) ? credentials.stores.vaultMark : undefined;
  audit.append('credential.use', { credential, version, action, outcome, ...mark });
}

function codeOf(error: unknown): string {
  return error instanceof WarderError ? error.code : 'daemon-internal';
}
