// Opens the credentials of this machine: wires the stores to the operating system. Each store is created when it is first
// needed.
import { join } from 'node:path';
import type { VaultMark } from '../audit/vault-mark.ts';
import { programFile } from '../os/build.ts';
import { busAddresses, connectBus } from '../os/bus.ts';
import type { Clock } from '../os/clock.ts';
import { Keyring } from '../os/keyring.ts';
import type { Log } from '../os/log.ts';
import { SecretService } from '../os/secret-service.ts';
import type { Spawn } from '../os/spawn.ts';
import type { UserEnvironment } from '../profile/environment.ts';
import type { Settings } from '../profile/settings.ts';
import type { Places } from '../wire/places.ts';
import { Credentials } from './credentials.ts';
import { commandEnvironment, readFromCommand } from './source/command-source.ts';
import { Keychain } from './store/keychain.ts';
import type { KeychainItems } from './store/keychain-items.ts';
import { KeyringItems } from './store/keyring-items.ts';
import { SecretServiceItems } from './store/secret-service-items.ts';
import { openVault } from './store/vault.ts';

/** The dependencies of `openCredentials`. */
export interface OpenCredentialsParts {
  readonly places: Places;
  readonly settings: Pick<Settings, 'store' | 'vault' | 'keychain'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly user: UserEnvironment;
  readonly spawn: Spawn;
  readonly platform: string;
  readonly uid: number;
  /** The vault's state by the audit log. */
  readonly vaultMark?: () => Promise<Required<VaultMark> | undefined>;
  /** The daemon's environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** How long the keyring process stays without a call, in milliseconds. */
const IDLE = 10_000;

/** Opens the credentials. Does not access any store. */
export function openCredentials(parts: OpenCredentialsParts): Credentials {
  const { places, settings, clock, log, user, spawn, platform, uid, env, vaultMark } = parts;
  const { home } = user;
  // Made anew for each command: the session bus may have come since.
  const surroundings = (): Record<string, string> => commandEnvironment(user, env, uid);
  return new Credentials({
    chosen: settings.store,
    clock,
    log,
    runCommand: (name, command) => readFromCommand(name, command, { spawn, env: surroundings(), home }),
    open: {
      keychain: () => new Keychain({ platform, items: keychainItems(parts, surroundings()), clock }),
      vault: (key = settings.vault.key) =>
        openVault({
          file: join(places.state, 'vault.json'),
          clock,
          key,
          home,
          env,
          ...(vaultMark !== undefined && { expected: vaultMark }),
        }),
    },
  });
}

function keychainItems(
  { settings, clock, user, platform, uid, env }: OpenCredentialsParts,
  surroundings: Readonly<Record<string, string>>,
): KeychainItems {
  const { timeout, patience } = settings.keychain;
  if (platform === 'linux') {
    const addresses = (): string[] => busAddresses({ env, home: user.home, uid });
    const service = new SecretService({ connect: () => connectBus(addresses(), timeout), patience });
    return new SecretServiceItems({ service, timeout, clock });
  }
  const program = programFile('keyring');
  return new KeyringItems({ keyring: new Keyring({ program, idle: IDLE }), env: surroundings, timeout });
}
