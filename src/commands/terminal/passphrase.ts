// Reads a passphrase: typed without echo, or from stdin. It is never an argument, never printed, and never part of a
// message.
import { WarderError } from '../../errors.ts';
import type { Terminal } from '../terminal.ts';
import { withTries } from './tries.ts';

/** Asks for a passphrase, or reads stdin without its last newline. Throws `usage` if it is empty, or `problem` says why not. */
export async function readPassphrase(
  terminal: Terminal,
  question: string,
  problem: (passphrase: string) => string | undefined = () => undefined,
): Promise<string> {
  const { interactive } = terminal;
  return await withTries(terminal, ['usage'], async () => {
    const read = interactive ? await terminal.askSecret(question) : await terminal.readStdin();
    const passphrase = interactive ? read : read.replace(/\r?\n$/, '');
    const wrong = passphrase === '' ? 'the passphrase is empty' : problem(passphrase);
    if (wrong === undefined) return passphrase;
    throw new WarderError('usage', wrong, {
      hint: interactive ? 'type it' : 'give it on stdin, or run the command on a terminal',
    });
  });
}

/** Reads a new passphrase: if it is typed, it is asked for twice, until the two are the same. */
export async function readNewPassphrase(
  terminal: Terminal,
  question: string,
  problem?: (passphrase: string) => string | undefined,
): Promise<string> {
  for (;;) {
    const passphrase = await readPassphrase(terminal, question, problem);
    if (!terminal.interactive || (await terminal.askSecret('once more: ')) === passphrase) return passphrase;
    terminal.err('the two differ: type it again');
  }
}

/** Throws `usage` if there are words, which may be a passphrase typed by mistake. They are not repeated. */
export function refuseWords(words: readonly unknown[]): void {
  if (words.length === 0) return;
  throw new WarderError('usage', 'a passphrase must not be an argument', {
    hint: 'leave it out: it is asked for without echo, or read from stdin',
  });
}
