// Which program a host is, as people and grants know it. A program that an interpreter runs is its script: a grant for
// Gemini's client is none for every program in JavaScript. Shells and wrappers between host and launcher do not count.
//
// This tells programs apart that say what they are. It stops no program of the same user that pretends to be another:
// that one could as well start the other. SECURITY.md says so.
import { basename } from 'node:path/posix';

/** A process above the launcher, from the launcher's parent upwards. */
export interface HostAncestor {
  /** The absolute path of its executable. */
  readonly exe?: string;
  /** The absolute path of the script that it runs, if it is an interpreter. */
  readonly script?: string;
}

/** A host program. */
export interface HostIdentity {
  /** What grants are bound to: the path of the script, or of the executable. */
  readonly key: string;
  /** What people read. */
  readonly name: string;
}

/** Programs that only start another one. */
const WRAPPERS = new Set([
  'sh',
  'bash',
  'dash',
  'zsh',
  'fish',
  'ksh',
  'busybox',
  'env',
  'setsid',
  'timeout',
  'nice',
]);

const UNKNOWN_HOST: HostIdentity = { key: 'unknown', name: 'an unknown program' };

/** The host program of a session. */
export function identifyHost(chain: readonly HostAncestor[]): HostIdentity {
  for (const { exe, script } of chain) {
    if (exe === undefined) return UNKNOWN_HOST;
    if (script === undefined && WRAPPERS.has(basename(exe))) continue;
    const key = script ?? exe;
    return { key, name: nameOf(key) };
  }
  return UNKNOWN_HOST;
}

/** `…/node_modules/@google/gemini-cli/dist/index.js` is `@google/gemini-cli`; any other file its name. */
function nameOf(path: string): string {
  const [, last] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path) ?? [];
  return last ?? basename(path);
}
