// Errors of the bus and of the Secret Service, as Warder's.
import { WarderError } from '../../errors.ts';

const VAULT_HINT = 'log in to a desktop session, or keep credentials in a file: warder init --store vault';
const UNLOCK_HINT =
  'unlock it in a desktop session, or keep credentials in a file: warder init --store vault';
const PREFIX = 'org.freedesktop.';

/** The name of a D-Bus error without "org.freedesktop.", of the error itself or of its cause; empty for another error. */
export function dbusName(error: unknown): string {
  const { dbusName: own, cause } = Object(error);
  return String(own ?? Object(cause).dbusName ?? '').replace(PREFIX, '');
}

/** The bus was there, and is gone. */
export function busLost(): WarderError {
  return new WarderError('keychain-unavailable', 'the session bus went away', { hint: VAULT_HINT });
}

/** No session bus was found. */
export function noBus(): WarderError {
  return new WarderError('keychain-unavailable', 'there is no session bus, and so no keychain', {
    hint: VAULT_HINT,
  });
}

/** The prompt was shown, and the user dismissed it. */
export function dismissed(): WarderError {
  return new WarderError('keychain-dismissed', 'the keychain is locked, and was not unlocked when it asked', {
    hint: 'try again, and enter the password of the keychain',
  });
}

/** A prompt would be needed, and the caller allows none. */
export function needsPrompt(): WarderError {
  return new WarderError('keychain-locked', 'the keychain is locked', { hint: UNLOCK_HINT });
}

/** No prompt can be shown. */
export function cannotPrompt(): WarderError {
  return new WarderError(
    'keychain-locked',
    'the keychain is locked, and nobody can be asked to unlock it here',
    { hint: UNLOCK_HINT },
  );
}

/** Nobody has answered the prompt within `ms` milliseconds. */
export function unanswered(ms: number): WarderError {
  return new WarderError(
    'keychain-locked',
    `the keychain is locked, and was not unlocked within ${ms / 1000} s`,
    { hint: 'unlock it, and try again' },
  );
}

/** The service offers no encryption, or a key that is not valid. Values never cross the bus unencrypted. */
export function noEncryption(cause: unknown): WarderError {
  return new WarderError('keychain-unavailable', 'the keychain does not encrypt what it sends', {
    hint: 'update gnome-keyring or KWallet; or keep credentials in a file: warder init --store vault',
    cause,
  });
}

/** A secret that the session's key does not decrypt. */
export function undecipherable(cause: unknown): WarderError {
  return new WarderError('keychain-unavailable', 'the keychain sent a value that cannot be decrypted', {
    hint: 'run "warder doctor"',
    cause,
  });
}

/** A D-Bus error as Warder's. */
export function fromDbusError(error: unknown): WarderError {
  if (error instanceof WarderError) return error;
  const name = dbusName(error);
  if (name === 'DBus.Error.NoReply' || name === 'DBus.Error.Timeout' || name === 'DBus.Error.TimedOut') {
    return new WarderError('keychain-timeout', 'the keychain does not answer', {
      hint: 'check whether it waits for you in a window, else log out and in again',
      cause: error,
    });
  }
  if (name === 'Secret.Error.IsLocked') {
    return new WarderError('keychain-locked', 'the keychain is locked', { hint: UNLOCK_HINT, cause: error });
  }
  if (name === 'DBus.Error.Disconnected') return busLost();
  const absent = /^DBus\.Error\.(ServiceUnknown|NameHasNoOwner|Spawn\..*)$/.test(name);
  const what = absent ? 'no keychain runs in this session' : 'the keychain cannot be used';
  return new WarderError('keychain-unavailable', what, {
    hint: absent
      ? `start gnome-keyring or KWallet; or ${VAULT_HINT.slice(VAULT_HINT.indexOf('keep'))}`
      : VAULT_HINT,
    cause: error,
  });
}
