// Parts of a value that are secrets by themselves: hosts and errors echo a password without its user.
import { MIN_SECRET_LENGTH } from './finder.ts';
import { isGuessable } from './strength.ts';

/**
 * The password of `user:password` (the user, where there is no password), and of a URL its password or the last segment
 * of its path. Not what is short or easy to guess: it would be found everywhere.
 */
export function secretParts(value: string): string[] {
  const url = /^https?:\/\//i.test(value) ? URL.parse(value) : null;
  const part = url === null ? passwordOf(value) : partOf(url);
  return part.length >= MIN_SECRET_LENGTH && part !== value && !isGuessable(part) ? [part] : [];
}

function passwordOf(value: string): string {
  const colon = value.indexOf(':');
  if (colon < 0 || /\s/.test(value)) return '';
  const password = value.slice(colon + 1);
  return password.length >= MIN_SECRET_LENGTH ? password : value.slice(0, colon);
}

function partOf({ username, password, pathname }: URL): string {
  const written = password || username || pathname.slice(pathname.lastIndexOf('/') + 1);
  try {
    return decodeURIComponent(written);
  } catch {
    return written;
  }
}
