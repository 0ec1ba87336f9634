// A credential's value from the person: typed without echo, or from stdin. It is looked at for the slips that
// are made with values, and shown by its length alone.
import { WarderError } from '../../errors.ts';
import type { Terminal } from '../terminal.ts';

/** A value, and what may be a slip in it. */
export interface SecretInput {
  readonly value: string;
  readonly notes: readonly string[];
}

/** Shorter ones occur by chance: they are not taken out of what passes. */
const MIN_REDACTED = 8;

/**
 * Asks for the value of the credential `name`, or reads it from stdin less one newline at its end. With
 * `multiline` what comes from stdin is kept as it is. Throws `usage`; no message has a part of the value.
 */
export async function readSecret(terminal: Terminal, name: string, multiline: boolean): Promise<SecretInput> {
  const { interactive } = terminal;
  if (interactive && multiline) {
    throw new WarderError('usage', 'a value with line breaks cannot be typed', {
      hint: 'give it on stdin: warder credential set --multiline ... <file',
    });
  }
  const read = interactive ? await terminal.askSecret(`value of "${name}": `) : await terminal.readStdin();
  const value = multiline ? read : read.replace(/\r?\n$/, '');
  if (value === '') {
    throw new WarderError('usage', 'the value is empty', {
      hint: interactive ? 'type or paste it' : 'give it on stdin, or run the command on a terminal',
    });
  }
  const odd = (what: string, hint: string): WarderError =>
    new WarderError('usage', `the value ${what}`, { hint });
  if (value.includes('\0'))
    throw odd('has a NUL in it', 'it must be text: encode it, for instance in base64');
  if (value.includes('\ufffd')) {
    throw odd('is not UTF-8 text', 'it must be text: encode it, for instance in base64');
  }
  if (!multiline && /[\r\n]/.test(value)) {
    throw odd(
      'has a line break in it',
      'if that is meant, say --multiline: all of stdin is then kept as it is',
    );
  }
  const notes: string[] = [];
  const length = [...value].length;
  if (length < MIN_REDACTED) {
    notes.push(`a value of less than ${MIN_REDACTED} characters is not taken out of logs and answers`);
  }
  if (!multiline && value.trim() !== value) notes.push('the value begins or ends with a space; it is kept');
  return { value, notes };
}
