// A server's whole environment. It is built from nothing: a fixed base, the profile's literals, the session's
// credentials, and what marks and serves this one server. No variable of the daemon's or the host's passes.
//
// A literal of the profile may replace a variable of the base, since somebody wrote it down on purpose; a
// credential may not, and nobody may set what Warder sets for itself. Loader variables are refused when a
// profile is read, and here again, in case a name comes by another way.
import { WarderError } from '../errors.ts';
import { SYSTEM_FOLDERS, searchPath, type UserEnvironment } from '../profile/environment.ts';
import type { Delivery } from '../profile/format.ts';
import { BASE_VARIABLES, isLoaderVariable } from '../profile/variable.ts';

/** Marks every process of a server. Each server has a value of its own, also within one session. */
export const MARKER = 'WARDER_SESSION';

/** What belongs to one server alone. */
export interface ServerInstance {
  readonly marker: string;
  readonly tmpdir: string;
  /** Folder of the credentials delivered as files. */
  readonly credentials: string;
}

/** A credential on its way to a server; a sealed one never is. */
export interface DeliveredCredential {
  readonly variable: string;
  readonly deliver: Exclude<Delivery, 'sealed'>;
  readonly value: string;
}

/**
 * The environment of a server of the profile `profile`. `credentials`: those that the server gets itself; `gate`:
 * placeholders of the sealed ones, and what makes programs trust the gate. Throws `profile-invalid` when two parts
 * claim one name or a name is not to be had, `server-unstartable` for a credential that no variable can hold.
 */
export function environment(
  profile: string,
  { nodeDir, home, user, lang, tz }: UserEnvironment,
  own: ServerInstance,
  env: Readonly<Record<string, string>>,
  credentials: readonly DeliveredCredential[],
  gate: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const invalid = (what: string, hint: string): WarderError =>
    new WarderError('profile-invalid', `cannot start "${profile}": ${what}`, { hint });

  // The node that runs Warder comes first: a server's "node" is a version that is known to work.
  const path = searchPath([nodeDir, ...SYSTEM_FOLDERS]);
  const result: Record<string, string> = { PATH: path, HOME: home, USER: user, LANG: lang };
  if (tz !== undefined) result.TZ = tz;
  result.TMPDIR = own.tmpdir;

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
  claim(MARKER, own.marker);
  if (credentials.some(({ deliver }) => deliver === 'file')) claim('CREDENTIALS_DIRECTORY', own.credentials);
  for (const [name, value] of Object.entries(gate)) claim(name, value);
  for (const { variable, deliver, value } of credentials) {
    if (isLoaderVariable(variable)) {
      throw invalid(`"${variable}" makes programs load other code`, 'take it out of "credentials"');
    }
    if (deliver === 'file') {
      claim(`${variable}_FILE`, `${own.credentials}/${variable}`);
    } else if (value.includes('\0')) {
      throw new WarderError(
        'server-unstartable',
        `cannot start "${profile}": the value of ${variable} holds a NUL, and a variable cannot`,
        { hint: `say "deliver: file" for ${variable}, or set the credential again` },
      );
    } else {
      claim(variable, value);
    }
  }
  return result;
}
