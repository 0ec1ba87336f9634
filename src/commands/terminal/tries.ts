// A wrong answer is asked for again where a person is at the terminal, a few times: a program that types the same again and
// again gets an error in the end.
import { type ErrorCode, WarderError } from '../../errors.ts';
import type { Terminal } from '../terminal.ts';

/** How often an answer is asked for at most. */
const MAX_TRIES = 3;

/**
 * Does what depends on what a person types, and again while it throws an error with one of these codes, which is shown.
 * Without a terminal it is done once. Throws the last error.
 */
export async function withTries<T>(
  terminal: Terminal,
  codes: readonly ErrorCode[],
  work: () => Promise<T>,
): Promise<T> {
  for (let left = terminal.interactive ? MAX_TRIES : 1; ; ) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof WarderError) || !codes.includes(error.code) || --left === 0) throw error;
      terminal.err(`${error.message}${error.hint === undefined ? '' : ` (${error.hint})`}: try again`);
    }
  }
}
