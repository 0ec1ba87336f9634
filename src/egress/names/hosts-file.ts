// The system's hosts file (hosts(5)): an address, then names, and comments after "#".
import { readFileSync, statSync } from 'node:fs';
import { parseAddress } from '../../profile/address-range.ts';
import { normalizeName } from '../../profile/host.ts';

/** Where the system keeps it. */
export const HOSTS_FILE =
  process.platform === 'win32'
    ? `${process.env.SystemRoot ?? 'C:\\Windows'}\\System32\\drivers\\etc\\hosts`
    : '/etc/hosts';

/** The addresses of each name, in the order of the file. Lines that cannot be read are skipped. */
export function parseHosts(text: string): ReadonlyMap<string, readonly string[]> {
  const hosts = new Map<string, string[]>();
  for (const line of text.split(/\r?\n/)) {
    const [address = '', ...names] = line.replace(/#.*$/, '').trim().split(/\s+/);
    if (parseAddress(address) === undefined) continue;
    for (const name of names.flatMap((text) => normalizeName(text) ?? [])) {
      const addresses = hosts.get(name) ?? [];
      if (!addresses.includes(address)) addresses.push(address);
      hosts.set(name, addresses);
    }
  }
  return hosts;
}

/** A file that is read anew once it has changed. What cannot be read counts as empty. */
export class WatchedFile<Content> {
  readonly #path: string;
  readonly #parse: (text: string) => Content;
  #stamp: string | undefined;
  #content: Content;

  constructor(path: string, parse: (text: string) => Content) {
    this.#path = path;
    this.#parse = parse;
    this.#content = parse('');
  }

  /** Its content now. The same object until the file changes. */
  get content(): Content {
    const stamp = stampOf(this.#path);
    if (stamp !== this.#stamp) {
      this.#stamp = stamp;
      this.#content = this.#parse(readText(this.#path));
    }
    return this.#content;
  }
}

function stampOf(path: string): string | undefined {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stats && [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join(':');
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
