// The context of the verbs of the command line. A verb is a file `src/commands/<verb>.ts` that exports
// `<verb>Command(context): CommandModule<object, Args>`. `verbs.ts` lists it with a one-line summary, which is used as
// `describe`, and loads it only when it is used. A verb returns, or throws a WarderError, which the command line prints
// and whose exit code it uses. `context.exit(code)` sets another exit code without an error.
import type { ControlClient } from '../wire/control.ts';
import type { Places } from '../wire/places.ts';
import type { Terminal } from './terminal.ts';

/** What every verb gets. */
export interface Context {
  readonly places: Places;
  readonly terminal: Terminal;
  /** `--json`: exactly one JSON value on stdout (`terminal.json`), nothing else. */
  readonly json: boolean;
  /** A word is completed: no verb runs. */
  readonly completing?: boolean;
  /** The version of this program, and the path of its script. */
  readonly version: string;
  readonly program: string;
  /**
   * Connects to the daemon, and starts it if it is not running. With `start: false` it throws `daemon-unreachable`
   * instead. The caller closes the connection: `await using control = await context.control()`.
   */
  control(options?: { readonly start?: boolean }): Promise<ControlClient>;
  /** Opens a page in the user's browser; false where there is none. The URL has been shown, and is https or on this machine. */
  browse(url: string): Promise<boolean>;
  /** Sets the exit code of a command that ends without an error. */
  exit(code: number): void;
}
