// Builds the whole environment of a server from nothing: a fixed base, the profile's literals, the session's
// credentials, and the variables of this one server instance. No variable of the daemon or the host is passed on.
//
// A literal of the profile may replace a variable of the base, because somebody wrote it on purpose. A
// credential may not, and nobody may set a variable that Warder sets itself. Loader variables are refused when
// a profile is read, and here again, in case a name arrives by another path.
import { WarderError } from '../errors.ts';
import type { Delivery } from '../profile/credential.ts';
import { SYSTEM_FOLDERS, searchPath, type UserEnvironment } from '../profile/environment.ts';
import { BASE_VARIABLES, isLoaderVariable } from '../profile/variable.ts';

/** Marks every process of a server. Each server has a value of its own, also within one session. */
export const MARKER = 'WARDER_SESSION';

/** What belongs to one server process alone, not to its profile or session. */
export interface ServerInstance {
  /** The value of `MARKER` in its environment. */
  readonly marker: string;
  readonly tmpdir: string;
  /** Folder of the credentials that are delivered as files. */
  readonly credentials: string;
}

/** A credential whose value the server receives. A sealed one never is. One in an argument has no variable. */
export interface DeliveredCredential {
  readonly variable: string;
  readonly deliver: Exclude<Delivery, 'sealed'>;
  readonly value: string;
}

/**
 * Builds the environment of a server of the profile `profile`. `credentials`: those whose values the server
 * receives. `gate`: the placeholders of the sealed ones, and the variables that make programs trust the gate.
 * Throws `profile-invalid` when a name is set twice or is not allowed, `server-unstartable` for a value that
 * cannot be stored in a variable.
 */
export function environment(
  profile: string,
  { nodeDir, home, user, lang, tz }: UserEnvironment,
  instance: ServerInstance,
  env: Readonly<Record<string, string>>,
  credentials: readonly DeliveredCredential[],
  gate: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const invalid = (what: string, hint: string): WarderError =>
    new WarderError('profile-invalid', `cannot start "${profile}": ${what}`, { hint });

  // The node that runs Warder comes first, so that a server's "node" is a version that is known to work.
  const path = searchPath([nodeDir, ...SYSTEM_FOLDERS]);
  const result: Record<string, string> = { PATH: path, HOME: home, USER: user, LANG: lang };
  if (tz !== undefined) result.TZ = tz;
  result.TMPDIR = instance.tmpdir;

  for (const [name, value] of Object.entries(env)) {
    if (isLoaderVariable(name))
      throw invalid(`"${name}" makes programs load other code`, 'take it out of "env"');
    result[name] = value;
  }

  const set = new Set([...BASE_VARIABLES, ...Object.keys(env)]);
  const claim = (name: string, value: string): void => {
    if (set.has(name)) throw invalid(`"${name}" is set twice`, `keep one "${name}" in the profile`);
    set.add(name);
    result[name] = value;
  };
  claim(MARKER, instance.marker);
  if (credentials.some(({ deliver }) => deliver === 'file'))
    claim('CREDENTIALS_DIRECTORY', instance.credentials);
  for (const [name, value] of Object.entries(gate)) claim(name, value);
  for (const { variable, deliver, value } of credentials) {
    if (deliver === 'arg') continue;
    if (isLoaderVariable(variable)) {
      throw invalid(`"${variable}" makes programs load other code`, 'take it out of "credentials"');
    }
    if (deliver === 'file') {
      claim(`${variable}_FILE`, `${instance.credentials}/${variable}`);
    } else if (value.includes('\0')) {
      throw new WarderError(
        'server-unstartable',
        `cannot start "${profile}": the value of ${variable} contains a NUL, which a variable cannot`,
        { hint: `use "deliver: file" for ${variable}, or set the credential again` },
      );
    } else {
      claim(variable, value);
    }
  }
  return result;
}
