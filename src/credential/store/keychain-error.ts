// What can be wrong with a keychain and its items, as Warder's errors.
import { type ErrorCode, WarderError } from '../../errors.ts';
import type { KeyringError } from '../../os/keyring.ts';

export function tooLong(name: string, length: string, most: string): WarderError {
  return new WarderError(
    'credential-long',
    `the value for "${name}" has ${length}; the keychain takes ${most}`,
    {
      hint: 'see that nothing but the secret was given; a long key can come from a command instead',
    },
  );
}

export function ambiguous(name: string): WarderError {
  return new WarderError('credential-misbound', `the keychain has more than one item for "${name}"`, {
    hint: `see them with "secret-tool search --all service warder username ${name}", and remove all but one`,
  });
}

export function noCollection(): WarderError {
  return new WarderError('keychain-unavailable', 'the keychain has no default keyring to put items into', {
    hint: 'make one in Passwords and Keys, or log in to a desktop session once',
  });
}

/** What the keyring package said, as Warder's error. The texts are keyring-core's and those of the systems. */
export function failure(error: KeyringError, name: string): WarderError {
  const { message } = error;
  const as = (code: ErrorCode, what: string, hint: string): WarderError =>
    new WarderError(code, what, { hint, cause: error });
  if (/dismissed|cancell?ed/i.test(message)) {
    return as(
      'keychain-dismissed',
      'the keychain was not unlocked when it asked',
      'try again, and let Warder in',
    );
  }
  if (/locked|interaction is not allowed/i.test(message)) {
    return as('keychain-locked', 'the keychain is locked', 'unlock it, and try again');
  }
  if (/utf-?8/i.test(message)) {
    return as('credential-unfit', `the value kept as "${name}" is no text`, 'set it again');
  }
  if (/matched by|ambiguous/i.test(message)) return ambiguous(name);
  if (/longer than|too long/i.test(message)) return tooLong(name, 'too many characters', 'fewer');
  if (/did not receive a reply|timed? ?out/i.test(message)) {
    return as(
      'keychain-timeout',
      'the keychain does not answer',
      'look whether it waits for you in a window',
    );
  }
  return as('keychain-unavailable', 'the keychain cannot be used', 'run "warder doctor"');
}
