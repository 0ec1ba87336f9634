// What `warder add` is told on the command line, looked at for slips and for secrets in the wrong place. What may be a
// secret is not repeated.
import { WarderError } from '../../errors.ts';
import { detectSecret, isLoaderVariable, VARIABLE_PATTERN } from '../../profile/variable.ts';

/** `NAME=VALUE` each. Throws `usage`. */
export function parseEnvOptions(said: readonly string[]): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [index, pair] of said.entries()) {
    const at = pair.indexOf('=');
    // What was typed may be a secret in the wrong place: it is not repeated.
    if (at < 1) throw new WarderError('usage', `--env number ${index + 1} is not NAME=VALUE`);
    env[pair.slice(0, at)] = pair.slice(at + 1);
  }
  return env;
}

/** Throws `usage` for a name that no variable may have, or that stands there twice. */
export function checkVariableNames(names: readonly string[]): void {
  for (const [index, name] of names.entries()) {
    if (!VARIABLE_PATTERN.test(name)) {
      throw new WarderError('usage', `${JSON.stringify(name.slice(0, 40))} cannot name a variable`, {
        hint: 'a name is letters, digits and "_", and does not begin with a digit',
      });
    }
    if (isLoaderVariable(name)) {
      throw new WarderError(
        'usage',
        `"${name}" makes programs load or run other code, and is not passed on`,
        {
          hint: 'pass it in the arguments of the command if you can',
        },
      );
    }
    if (names.indexOf(name) < index) throw new WarderError('usage', `"${name}" is said twice`);
  }
}

/** Refuses what looks like a secret: profiles are plain files. The value itself is not repeated. */
export function refuseSecrets(
  name: string,
  env: Readonly<Record<string, string>>,
  words: readonly string[],
): void {
  for (const [variable, value] of Object.entries(env)) {
    const kind = detectSecret(value);
    if (kind === undefined) continue;
    throw new WarderError(
      'usage',
      `the value of "${variable}" looks like ${kind}, and a profile is a plain file`,
      {
        hint: `say "--credential ${variable}" instead, then "warder credential set ${name} ${variable}"`,
      },
    );
  }
  for (const [index, word] of words.entries()) {
    const kind = detectSecret(word);
    if (kind === undefined) continue;
    throw new WarderError(
      'usage',
      `word ${index + 1} of the command looks like ${kind}, and anybody can read that`,
      {
        hint: 'let the server read it from a variable: say "--credential VARIABLE"',
      },
    );
  }
}
