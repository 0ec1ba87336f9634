// What a server of a profile will see, worked out as a session's start works it out, but without starting
// anything or asking for any value.
import { homedir } from 'node:os';
import { WarderError } from '../errors.ts';
import { userName } from '../os/user.ts';
import { expandHome, type Profile } from '../profile/format.ts';
import { environment, facts } from '../server/environment.ts';
import { findCommand } from '../server/process.ts';

/** A server's surroundings. */
export interface Preview {
  /** The executable, or why there is none; `undefined` where the server is no command. */
  readonly program: string | WarderError | undefined;
  readonly cwd: string;
  readonly path: string;
  /** Names of variables, by where they come from. */
  readonly variables: { readonly base: string[]; readonly profile: string[]; readonly credentials: string[] };
}

/** Looks at the surroundings of a profile's server as they are now. Throws `profile-invalid` as a start does. */
export function preview({
  name,
  server,
  env,
  credentials,
}: Pick<Profile, 'name' | 'server' | 'env' | 'credentials'>): Preview {
  const home = homedir();
  const own = process.env;
  const machine = facts({ execPath: process.execPath, home, user: userName(own), env: own });
  const base = environment(name, machine, { marker: '', tmpdir: '/tmp', credentials: '/' }, {}, []);
  const whole = environment(
    name,
    machine,
    { marker: '', tmpdir: '/tmp', credentials: '/' },
    env,
    // A sealed credential stands in its variable too, as a placeholder.
    credentials.map(({ variable, deliver }) => ({
      variable,
      deliver: deliver === 'file' ? 'file' : 'env',
      value: '',
    })),
  );
  const path = whole.PATH ?? '';
  const cwd = expandHome((server.kind === 'url' ? undefined : server.cwd) ?? '~', home);
  return {
    program: server.kind === 'command' ? find(name, server.command, cwd, path, home) : undefined,
    cwd,
    path,
    variables: {
      base: Object.keys(base).filter((variable) => !(variable in env)),
      profile: Object.keys(env),
      credentials: Object.keys(whole).filter((variable) => !(variable in base) && !(variable in env)),
    },
  };
}

/** The executable of a command, or the error that a start would end with. */
export function find(
  profile: string,
  command: string,
  cwd: string,
  path: string,
  home: string,
): string | WarderError {
  try {
    return findCommand({ profile, command, cwd, home, args: [], env: { PATH: path } });
  } catch (error) {
    if (error instanceof WarderError) return error;
    throw error;
  }
}
