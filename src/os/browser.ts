// Opens a page in the user's browser. There is no shell: the URL is one argument of a program at a fixed place, or of the
// user's own setting. Only https is opened, and http on this machine where the caller allows it.
import { isIP } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { WarderError } from '../errors.ts';
import { isOwnProgram } from './file.ts';
import type { Spawn } from './spawn.ts';

export interface BrowserParts {
  readonly platform: NodeJS.Platform;
  /** The user's setting: an absolute path, and arguments before the URL. */
  readonly command: readonly string[] | undefined;
  /** The whole environment of the program, once there is a desktop; undefined: there is none. */
  readonly environment: () => Promise<Readonly<Record<string, string>> | undefined>;
  /** Whether there may be a desktop, as far as one can tell without asking anybody. */
  readonly hasDesktop: () => boolean;
  readonly spawn: Spawn;
}

/** How a page is shown to the user. */
export interface Browser {
  /** Whether it is worth a try. */
  isPossible(): boolean;
  /** False: there is none, or it did not take the page. `url` is one that `pageUrl` returned. Never rejects. */
  open(url: string): Promise<boolean>;
}

const PROGRAMS: Partial<Record<NodeJS.Platform, readonly (readonly [string, ...string[]])[]>> = {
  darwin: [['/usr/bin/open']],
  win32: [['C:\\Windows\\System32\\rundll32.exe', 'url.dll,FileProtocolHandler']],
};
const FREEDESKTOP = [['/usr/bin/xdg-open'], ['/usr/local/bin/xdg-open']] as const;

/** Milliseconds after which a program that has not ended counts as one that shows the page. */
const SETTLED = 3000;

/** The browser that `command` names, else that of the system. Nothing is started before `open`. */
export function userBrowser({ platform, command, environment, hasDesktop, spawn }: BrowserParts): Browser {
  const find = (): readonly string[] | undefined =>
    (command === undefined ? (PROGRAMS[platform] ?? FREEDESKTOP) : [command]).find(([file = '']) =>
      isOwnProgram(file),
    );
  // The user's own program may need no desktop, and the two other systems always have one.
  const needsDesktop = command === undefined && PROGRAMS[platform] === undefined;
  return {
    isPossible: () => find() !== undefined && (!needsDesktop || hasDesktop()),
    async open(url) {
      const [file, ...args] = find() ?? [];
      const env = await environment().catch(() => undefined);
      if (file === undefined || (env === undefined && needsDesktop)) return false;
      const child = await spawn({ file, args: [...args, url], cwd: '/', env: env ?? {} }).catch(
        () => undefined,
      );
      if (child === undefined) return false;
      child.stdin.end();
      child.stdout.resume();
      child.stderr.resume();
      const ending = await Promise.race([child.ended, delay(SETTLED, undefined, { ref: false })]);
      return ending === undefined || ending.code === 0;
    },
  };
}

/** Characters that a program in between could take for more than a part of a URL: they are sent as `%XX`. */
const RISKY = /[!'()*;$`{}|\\^"<>]/g;
const PLAIN = /^https?:\/\/[A-Za-z0-9\-._~:/?#[\]@&+,=%]+$/;
const MAX_URL = 16_384;

/**
 * The URL of a page as it may be shown and opened: its host in ASCII (`xn--…`), nothing in it that a shell would read.
 * `loopback`: http is allowed on this machine. Throws `sign-in-failed` for every other: another scheme, a user or password
 * in it, a host that is none.
 */
export function pageUrl(text: string, { loopback }: { readonly loopback: boolean }): string {
  const url = URL.parse(text);
  const refuse = (why: string): WarderError =>
    new WarderError('sign-in-failed', `the page to sign in is not opened: ${why}`, {
      hint: 'whoever runs the authorization server gave this address',
    });
  if (url === null || text.length > MAX_URL) throw refuse('its address is no URL, or too long');
  const isHere = isLoopback(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isHere && loopback))
    throw refuse(`its address begins with ${JSON.stringify(url.protocol)}, and only https is opened`);
  if (url.username !== '' || url.password !== '') throw refuse('its address has a user or password in it');
  const href = url.href.replace(
    RISKY,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
  if (!PLAIN.test(href)) throw refuse('its address has characters that no URL has');
  return href;
}

function isLoopback(hostname: string): boolean {
  const address = hostname.replace(/^\[|\]$/g, '');
  return hostname === 'localhost' || address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}
