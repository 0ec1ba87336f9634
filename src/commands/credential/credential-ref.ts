// The reference to a credential in the arguments of a command. A word that may be a value is never repeated.
import { WarderError } from '../../errors.ts';
import { AUTH_VARIABLES } from '../../profile/auth.ts';
import { checkProfileName } from '../../profile/format.ts';
import { loadProfile } from '../../profile/load.ts';
import { suggest } from '../../profile/suggestion.ts';
import { detectSecret, VARIABLE_PATTERN } from '../../profile/variable.ts';
import type { Params } from '../../wire/control.ts';
import { credentialName } from '../../wire/credential-name.ts';
import { CREDENTIAL_NAME_RULE } from '../../wire/hello.ts';
import type { Places } from '../../wire/places.ts';

/** The name of a credential, and its store if a profile sets one. */
export interface CredentialRef extends Params<'credential.remove'> {
  /** A warning of a possible mistake. */
  readonly note?: string;
}

/**
 * Resolves `<profile> <VARIABLE>` or `--name NAME`. The name is the one in the profile, or `<profile>/<VARIABLE>` if there is
 * no such profile yet. Throws `usage`, `name-invalid`, and `profile-invalid` if the profile is broken.
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
    throw new WarderError('usage', 'the value of "--name" is not the name of a credential', {
      hint: `it is ${CREDENTIAL_NAME_RULE}: github/token`,
    });
  }
  if (profile === undefined || variable === undefined) {
    throw new WarderError(
      'usage',
      `${profile === undefined ? 'the credential' : 'the variable'} is missing`,
      {
        hint: 'give a profile and its variable (github GITHUB_TOKEN), or --name github/token',
      },
    );
  }
  if (detectSecret(profile) !== undefined || detectSecret(variable) !== undefined || variable.includes('=')) {
    throw valueInArgvError();
  }
  checkProfileName(profile);
  if (!VARIABLE_PATTERN.test(variable) && !AUTH_VARIABLES.includes(variable)) {
    throw new WarderError('usage', 'the second word is not the name of a variable', {
      hint: 'a name is letters, digits and "_": GITHUB_TOKEN; the value is asked for, or read from stdin',
    });
  }
  return credentialOfProfile(places, profile, variable);
}

function credentialOfProfile(places: Places, profile: string, variable: string): CredentialRef {
  const defaultName = `${profile}/${variable}`;
  let credentials: ReturnType<typeof loadProfile>['profile']['credentials'];
  try {
    ({ credentials } = loadProfile(places, profile).profile);
  } catch (error) {
    if (error instanceof WarderError && error.code === 'profile-missing') return { name: defaultName };
    throw error;
  }
  const found = credentials.find((credential) => credential.variable === variable);
  if (found === undefined) {
    const suggestion = suggest(
      variable,
      credentials.map((credential) => credential.variable),
    );
    const hint = suggestion === undefined ? '' : `; did you mean "${suggestion}"?`;
    return { name: defaultName, note: `profile "${profile}" has no credential "${variable}"${hint}` };
  }
  if (typeof found.from === 'object') {
    throw new WarderError('usage', `the value of ${variable} comes from a command and is not in a store`, {
      hint: `to store it instead, remove "from" from the profile: warder edit ${profile}`,
    });
  }
  return { name: found.name, ...(found.from !== 'store' && { store: found.from }) };
}

function valueInArgvError(): WarderError {
  return new WarderError(
    'usage',
    'a value must not be an argument: other programs can see it there, and your shell saves it in its history',
    {
      hint: 'leave it out: the value is asked for without echo, or read from stdin. If it was a real value, replace it where it was issued',
    },
  );
}
