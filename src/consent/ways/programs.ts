// Which program shows dialogs. The daemon's PATH is that of the host which happened to start it, so programs are looked
// for at fixed places only; the user's setting comes first.
import { isOwnProgram } from '../../os/file.ts';

const FOLDERS = ['/usr/bin', '/usr/local/bin', '/opt/homebrew/bin'];
export const PINENTRY = [
  ...FOLDERS.map((folder) => `${folder}/pinentry`),
  '/opt/homebrew/bin/pinentry-mac',
  '/usr/local/bin/pinentry-mac',
];
export const ASKPASS = [
  '/usr/bin/ssh-askpass',
  '/usr/lib/ssh/ssh-askpass',
  '/usr/libexec/openssh/ssh-askpass',
  '/usr/lib/openssh/gnome-ssh-askpass',
  '/usr/libexec/openssh/gnome-ssh-askpass',
  '/usr/bin/ksshaskpass',
  '/usr/local/bin/ssh-askpass',
];

/** The one that is set, or else the first of `places`, if others cannot write to it. */
export function dialogProgram(chosen: string | undefined, places: readonly string[]): string | undefined {
  return (chosen === undefined ? places : [chosen]).find(isOwnProgram);
}
