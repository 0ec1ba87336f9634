// Which credential the words of a command mean. A word that may be a value is never repeated.
import { WarderError } from '../../errors.ts';
import { checkProfileName } from '../../profile/format.ts';
import { loadProfile } from '../../profile/load.ts';
import { suggest } from '../../profile/suggestion.ts';
import { detectSecret, VARIABLE_PATTERN } from '../../profile/variable.ts';
import { credentialName, type Params } from '../../wire/control.ts';
import type { Places } from '../../wire/places.ts';

/** A credential's name, and its store where a profile names one. */
export interface CredentialRef extends Params<'credential.remove'> {
  /** Something that may be a slip. */
  readonly note?: string;
}

/**
 * What `<profile> <VARIABLE>` or `--name NAME` means: the name that the profile gives the credential, or
 * `<profile>/<VARIABLE>` where there is no such profile yet. Throws `usage`, `name-invalid`, and
 * `profile-invalid` for a profile that does not read.
 */
export function resolveCredential(
  places: Places,
  words: readonly string[],
  name: string | undefined,
): CredentialRef {
  const [profile, variable, ...rest] = words;
  if (rest.length > 0 || (name !== undefined && words.length > 0)) throw valueInArgvError();
  if (name !== undefined) {
    if (detectSecret(name) !== undefined) throw valueInArgvError();
    if (credentialName.safeParse(name).success) return { name };
    throw new WarderError('usage', '"--name" is no name of a credential', {
      hint: 'it is words of letters, digits, ".", "_" and "-" with "/" between: github/token',
    });
  }
  if (profile === undefined || variable === undefined) {
    throw new WarderError(
      'usage',
      `${profile === undefined ? 'the credential' : 'the variable'} is missing`,
      {
        hint: 'say a profile and its variable (github GITHUB_TOKEN), or --name github/token',
      },
    );
  }
  if (detectSecret(profile) !== undefined || detectSecret(variable) !== undefined || variable.includes('=')) {
    throw valueInArgvError();
  }
  checkProfileName(profile);
  if (!VARIABLE_PATTERN.test(variable)) {
    throw new WarderError('usage', 'the second word is no name of a variable', {
      hint: 'a name is letters, digits and "_": GITHUB_TOKEN; the value is asked for, or read from stdin',
    });
  }
  return credentialOfProfile(places, profile, variable);
}

function credentialOfProfile(places: Places, profile: string, variable: string): CredentialRef {
  const usual = `${profile}/${variable}`;
  let credentials: ReturnType<typeof loadProfile>['profile']['credentials'];
  try {
    ({ credentials } = loadProfile(places, profile).profile);
  } catch (error) {
    if (error instanceof WarderError && error.code === 'profile-missing') return { name: usual };
    throw error;
  }
  const found = credentials.find((one) => one.variable === variable);
  if (found === undefined) {
    const near = suggest(
      variable,
      credentials.map((one) => one.variable),
    );
    const meant = near === undefined ? '' : `; did you mean "${near}"?`;
    return { name: usual, note: `profile "${profile}" has no credential "${variable}"${meant}` };
  }
  if (typeof found.from === 'object') {
    throw new WarderError('usage', `the value of ${variable} comes from a command: no store keeps it`, {
      hint: `to keep it instead, take "from" out of the profile: warder edit ${profile}`,
    });
  }
  return { name: found.name, ...(found.from !== 'store' && { store: found.from }) };
}

function valueInArgvError(): WarderError {
  return new WarderError(
    'usage',
    'a value does not belong among the words of a command: other programs can see it there, and your shell keeps it in its history',
    {
      hint: 'leave it out: the value is asked for without echo, or read from stdin. If it was a real one, replace it where it was issued',
    },
  );
}
