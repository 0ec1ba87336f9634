// What npm's output says on an error. Pure.
import { errorWords } from '../output.ts';

/** Lines that explain nothing. */
const NOISE = /^(?:code |errno |path |syscall |command failed$|command sh |A complete log|\s*$)/;

/** The code of npm's error, such as `E404`; undefined if it names none. */
export function npmErrorCode(output: string): string | undefined {
  return /^npm (?:error|ERR!) code (\S+)/m.exec(output)?.[1];
}

/** What npm says is wrong, as one line; empty if it says nothing. `secrets` are values that must not be in it. */
export function npmWords(output: string, secrets: readonly string[]): string {
  let usage = false;
  return errorWords(output, secrets, (line) => {
    const said = /^npm (?:error|ERR!)(?: |$)([\s\S]*)$/.exec(line)?.[1];
    usage ||= said?.startsWith('Usage:') === true;
    return said === undefined || usage || NOISE.test(said) ? undefined : said;
  });
}
