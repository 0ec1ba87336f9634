// What every verb of the command line is given. A verb is a file `src/commands/<verb>.ts` that exports
// `<verb>Command(context): CommandModule<object, Args>`; `verbs.ts` lists it with its one-line summary (which
// stands for `describe`) and loads it only when it is named. A verb ends by returning, or by throwing a WarderError: the command line
// prints it and takes its exit code. `context.exit(code)` sets another exit code without an error.
import type { ControlClient } from '../wire/control.ts';
import type { Places } from '../wire/places.ts';
import type { Terminal } from './terminal.ts';

/** What a verb works with. */
export interface Context {
  readonly places: Places;
  readonly terminal: Terminal;
  /** `--json`: exactly one JSON value on stdout (`terminal.json`), nothing else. */
  readonly json: boolean;
  /** This program's version, and the file that a command line names to run it. */
  readonly version: string;
  readonly program: string;
  /**
   * Connects to the daemon; starts one if none runs. With `start: false` throws `daemon-unreachable` instead.
   * The caller closes the connection: `await using control = await context.control()`.
   */
  control(options?: { readonly start?: boolean }): Promise<ControlClient>;
  /** The exit code of a command that did its work, where it is not 0. */
  exit(code: number): void;
}
