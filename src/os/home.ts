// The user's home folder. Hosts and service managers may start a program without HOME. Imports no package and no heavy
// module, because the launcher loads this file.
import { WarderError } from '../errors.ts';

/** HOME, or else what the user database says. Throws `usage` where neither is an absolute path. */
export function homeFolder({ HOME }: Readonly<Record<string, string | undefined>>): string {
  if (HOME) return HOME;
  try {
    const { homedir } = process.getBuiltinModule('node:os').userInfo();
    if (homedir.startsWith('/')) return homedir;
  } catch {
    // The user database has no entry for this user, as in some containers.
  }
  throw new WarderError(
    'usage',
    'your home folder is unknown: HOME is not set, and the user database has none',
    {
      hint: "set HOME, for instance in the host's configuration",
    },
  );
}
