// Names of the Secret Service's D-Bus interface (freedesktop.org, draft 0.2), and the time limit of its calls.

/** The well-known name on the bus. */
export const SERVICE = 'org.freedesktop.secrets';
/** The path of the service's object. */
export const ROOT = '/org/freedesktop/secrets';
/** The prefix of its interfaces. */
export const NAME = 'org.freedesktop.Secret';
/** The path that stands for no object. */
export const NO_OBJECT = '/';

/** How long an operation may still take. */
export interface TimeLimit {
  /** Milliseconds, at least 1. */
  left(): number;
}
