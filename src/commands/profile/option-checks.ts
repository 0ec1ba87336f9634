// Checks of the options of `warder add`: invalid names, and secrets in the wrong place. A text that may be a secret is not
// repeated.
import { sealedTextProblem } from '../../credential/sealable.ts';
import { WarderError } from '../../errors.ts';
import { referencedCredentials, withoutReferences } from '../../profile/argument-credentials.ts';
import {
  detectSecret,
  isAwsKeyId,
  isAwsSecretKey,
  isLoaderVariable,
  VARIABLE_PATTERN,
} from '../../profile/variable.ts';

/** Parses `NAME=VALUE` options. Throws `usage`. */
export function parseEnvOptions(options: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    options.map((option, index) => {
      const equals = option.indexOf('=');
      // The text may be a secret in the wrong place, so it is not repeated.
      if (equals < 1) throw new WarderError('usage', `--env number ${index + 1} is not NAME=VALUE`);
      return [option.slice(0, equals), option.slice(equals + 1)];
    }),
  );
}

/** Throws `usage` for a name that is not allowed for a variable, and for duplicates. */
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
    if (names.indexOf(name) < index) throw new WarderError('usage', `"${name}" is given twice`);
  }
}

/** Throws `usage` for a value that looks like a secret, because profiles are plain files. The value is not repeated. */
export function refuseSecrets(
  name: string,
  env: Readonly<Record<string, string>>,
  words: readonly string[],
  credentials: readonly string[],
): void {
  // The key's id stands in the profile beside the credential that has the key.
  const withAws = credentials.some(isAwsSecretKey);
  for (const [variable, value] of Object.entries(env)) {
    const kind = detectSecret(withoutReferences(value));
    if (kind === undefined || (withAws && isAwsKeyId(value))) continue;
    const alone = isAwsKeyId(value)
      ? ', or give the key itself as a credential beside it: "--credential AWS_SECRET_ACCESS_KEY"'
      : '';
    throw new WarderError(
      'usage',
      `the value of "${variable}" looks like ${kind}, and a profile is a plain file`,
      {
        hint: `use "--credential ${variable}" instead, then "warder credential set ${name} ${variable}"${alone}`,
      },
    );
  }
  for (const [index, word] of words.entries()) {
    const kind = detectSecret(withoutReferences(word));
    if (kind === undefined) continue;
    throw new WarderError(
      'usage',
      `word ${index + 1} of the command looks like ${kind}, and anybody can read that`,
      {
        hint: `let the server read it from a variable: use "--credential VARIABLE"; if it reads only its arguments, write '\${credential:NAME}' in the place of the secret`,
      },
    );
  }
}

/** Throws `usage` for a text with a secret in it that would be sealed, and of which no placeholder becomes the secret. */
export function refuseSealedTexts(
  env: Readonly<Record<string, string>>,
  words: readonly string[],
  hint: (variable: string | undefined) => string,
): void {
  const texts: (readonly [variable: string | undefined, text: string])[] = [
    ...Object.entries(env),
    ...words.map((word) => [undefined, word] as const),
  ];
  for (const [variable, text] of texts) {
    if (referencedCredentials([text]).length === 0) continue;
    const problem = sealedTextProblem(text);
    if (problem === undefined) continue;
    const what = variable === undefined ? 'an argument of the server' : `"${variable}"`;
    throw new WarderError('usage', `${what} ${problem}: it cannot be sealed`, { hint: hint(variable) });
  }
}
