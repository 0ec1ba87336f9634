// The one error class of Warder. Match by `code`, never by text. A message is lower case, has no period, quotes names,
// and never contains a secret or a child's output. Each code is explained in errors.md; a test keeps the two equal.

/** Every code, grouped by what a person can do next, with the exit code of a command that ends with it. */
export const EXIT = {
  // correct the command
  usage: 64,
  'name-invalid': 64,
  // correct the profile or the configuration
  'profile-missing': 65,
  'profile-invalid': 65,
  'profile-exists': 73,
  'config-invalid': 65,
  // set up or unlock the credential store
  'store-unset': 1,
  'keychain-unavailable': 1,
  'keychain-locked': 1,
  'keychain-dismissed': 77,
  'keychain-timeout': 1,
  'vault-locked': 1,
  'vault-key': 1,
  'vault-damaged': 1,
  // set the credential again
  'credential-missing': 1,
  'credential-long': 65,
  'credential-unfit': 65,
  'credential-misbound': 1,
  'credential-source': 1,
  unsupported: 78,
  // pin the package, or do not run it
  'package-spec': 64,
  'package-missing': 1,
  'package-registry': 1,
  'package-failed': 1,
  'package-wheel': 1,
  'package-python': 65,
  'package-integrity': 77,
  'package-scripts': 77,
  'package-unlocked': 65,
  'package-changed': 77,
  'package-bin': 65,
  // reach the remote server, or sign in to it
  'remote-unreachable': 69,
  'remote-refused': 77,
  'sign-in-needed': 77,
  'sign-in-failed': 77,
  'sign-in-denied': 77,
  // the remote server or its authorization server has to be set right by whoever runs it
  'server-metadata': 1,
  // repair the server
  'server-missing': 127,
  'server-unstartable': 126,
  'server-overuse': 1,
  // make the sandbox available, or turn it off
  'sandbox-unavailable': 78,
  // check the daemon
  'daemon-unreachable': 69,
  'daemon-running': 69,
  'daemon-version': 69,
  'daemon-internal': 70,
  'wire-malformed': 69,
  'socket-unsafe': 69,
  // free space or correct permissions
  'cannot-write': 73,
  'home-full': 73,
  'audit-unwritable': 73,
  'audit-broken': 1,
  // the log is whole, but its end could still be changed: unlock the store, then try again
  'audit-unsigned': 75,
  // ask for permission, or unlock
  refused: 77,
  locked: 77,
  'credential-revoked': 77,
} as const;

/** The closed union of error codes. */
export type ErrorCode = keyof typeof EXIT;

/** The details of a `WarderError` beside its message. */
export interface ErrorDetail {
  /** What a person can do next: a command or a sentence, lower case, without a period. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** The one error of Warder: `code` for programs, `message` and `hint` for people. */
export class WarderError extends Error {
  override readonly name = 'WarderError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.hint = detail.hint;
  }

  /** The exit code of a command that ends with this error. */
  get exit(): number {
    return EXIT[this.code];
  }
}

/** The error itself if it is a `WarderError`; else a fault of Warder, which `message` names. */
export function asWarderError(error: unknown, message: string): WarderError {
  return error instanceof WarderError ? error : new WarderError('daemon-internal', message, { cause: error });
}

/** Calls `get`, and returns the `WarderError` that it throws instead of throwing it. Other errors pass. */
export function catchWarderError<T>(get: () => T): T | WarderError {
  try {
    return get();
  } catch (error) {
    if (error instanceof WarderError) return error;
    throw error;
  }
}
