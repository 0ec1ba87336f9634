// Reads the value of a credential: typed without echo, or from stdin. It is checked for common mistakes, and never
// printed.
import { escapeUnprintable } from '../../audit/printable.ts';
import { isGuessable } from '../../credential/strength.ts';
import { WarderError } from '../../errors.ts';
import type { Terminal } from '../terminal.ts';
import { withTries } from './tries.ts';

/** A value, and warnings of possible mistakes. */
export interface SecretInput {
  readonly value: string;
  readonly notes: readonly string[];
}

/** Minimum length for redaction. Shorter values occur by chance. */
const MIN_REDACTED = 8;

/**
 * Asks for the value of the credential `name`, again where it cannot be one, or reads it from stdin without its last
 * newline. With `multiline` stdin is not changed. Throws `usage`; no message contains a part of the value.
 */
export async function readSecret(terminal: Terminal, name: string, multiline: boolean): Promise<SecretInput> {
  const { interactive } = terminal;
  if (interactive && multiline) {
    throw new WarderError('usage', 'a value with line breaks cannot be typed', {
      hint: 'give it on stdin: warder credential set --multiline ... <file',
    });
  }
  return await withTries(terminal, ['usage'], async () => {
    const read = interactive ? await terminal.askSecret(`value of "${name}": `) : await terminal.readStdin();
    return checkSecret(multiline ? read : read.replace(/\r?\n$/, ''), { interactive, multiline });
  });
}

/** Asks for the value of a credential that may be set later: undefined then. `form`: what the value has to be. */
export async function askSecretNow(
  terminal: Terminal,
  name: string,
  form: string | undefined,
): Promise<SecretInput | undefined> {
  const as = form === undefined ? '' : `, as '${escapeUnprintable(form)}'`;
  return await withTries(terminal, ['usage'], async () => {
    const read = await terminal.askSecret(`value of "${name}"${as} [set it later]: `);
    const value = read.replace(/\r?\n$/, '');
    return value === '' ? undefined : checkSecret(value, { interactive: true, multiline: false });
  });
}

/** Checks a value. Throws `usage`. */
function checkSecret(
  value: string,
  { interactive, multiline }: { readonly interactive: boolean; readonly multiline: boolean },
): SecretInput {
  if (value === '') {
    throw new WarderError('usage', 'the value is empty', {
      hint: interactive ? 'type or paste it' : 'give it on stdin, or run the command on a terminal',
    });
  }
  const invalid = (problem: string, hint: string): WarderError =>
    new WarderError('usage', `the value ${problem}`, { hint });
  if (value.includes('\0'))
    throw invalid('contains a NUL', 'it must be text: encode it, for instance in base64');
  if (value.includes('\ufffd')) {
    throw invalid('is not UTF-8 text', 'it must be text: encode it, for instance in base64');
  }
  if (!multiline && /[\r\n]/.test(value)) {
    throw invalid('contains a line break', 'if this is intended, use --multiline: it keeps stdin unchanged');
  }
  const notes: string[] = [];
  const length = [...value].length;
  if (length < MIN_REDACTED) {
    notes.push(`a value of less than ${MIN_REDACTED} characters is not redacted in logs and answers`);
  } else if (isGuessable(value)) {
    notes.push(
      'the value is a common word or too simple: it is also redacted where it occurs by chance, and stays in names and numbers',
    );
  }
  if (!multiline && value.trim() !== value) notes.push('the value begins or ends with a space; it is kept');
  return { value, notes };
}
