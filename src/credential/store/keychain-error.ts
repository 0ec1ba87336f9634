// Errors of a keychain and its items.
import { type ErrorCode, WarderError } from '../../errors.ts';
import type { KeyringError } from '../../os/keyring.ts';

export function tooLong(name: string, length: string, limit: string): WarderError {
  return new WarderError(
    'credential-long',
    `the value for "${name}" has ${length}; the keychain takes ${limit}`,
    {
      hint: 'check that it is nothing but the secret; a long key can come from a command instead',
    },
  );
}

export function notText(name: string): WarderError {
  return new WarderError('credential-unfit', `the value kept as "${name}" is not text`, {
    hint: 'set it again',
  });
}

export function ambiguous(name: string): WarderError {
  return new WarderError('credential-misbound', `the keychain has more than one item for "${name}"`, {
    hint: `list them with "secret-tool search --all service warder username ${name}", and remove all but one`,
  });
}

export function noCollection(): WarderError {
  return new WarderError('keychain-unavailable', 'the keychain has no default keyring for new items', {
    hint: 'create one in Passwords and Keys, or log in to a desktop session once',
  });
}

/** An error of the keyring package as Warder's. The texts are those of keyring-core, macOS and Windows. */
export function fromKeyringError(error: KeyringError, name: string): WarderError {
  const { message } = error;
  const as = (code: ErrorCode, what: string, hint: string): WarderError =>
    new WarderError(code, what, { hint, cause: error });
  if (/dismissed|cancell?ed/i.test(message)) {
    return as(
      'keychain-dismissed',
      'the keychain was not unlocked when it asked',
      'try again, and allow Warder to use it',
    );
  }
  if (/locked|interaction is not allowed/i.test(message)) {
    return as('keychain-locked', 'the keychain is locked', 'unlock it, and try again');
  }
  if (/utf-?8/i.test(message)) return notText(name);
  if (/matched by|ambiguous/i.test(message)) return ambiguous(name);
  if (/longer than|too long/i.test(message)) return tooLong(name, 'too many characters', 'fewer');
  if (/timed? ?out/i.test(message)) {
    return as(
      'keychain-timeout',
      'the keychain does not answer',
      'check whether it waits for you in a window',
    );
  }
  return as('keychain-unavailable', 'the keychain cannot be used', 'run "warder doctor"');
}
