// Who runs this program.
import { userInfo } from 'node:os';

/** The user's name; USER, or else the uid, where the system knows none, as in containers. */
export function userName(env: Readonly<Record<string, string | undefined>>): string {
  try {
    return userInfo().username;
  } catch {
    return env.USER ?? String(process.getuid?.() ?? '');
  }
}
