// The user who runs this program.
import { userInfo } from 'node:os';

/** The user's name. Where the system knows none, as in containers: USER, or else the uid. */
export function userName(env: Readonly<Record<string, string | undefined>>): string {
  try {
    return userInfo().username;
  } catch {
    return env.USER ?? String(process.getuid?.() ?? '');
  }
}
