// Names and the addresses that stand for them in one sandbox. Every listed name has an address of its own in 127/8, so
// the address that a connection came to says which name was meant; an address is never given to a second name.
import { normalizeName } from '../../profile/host.ts';
import type { Allowlist } from '../allowlist.ts';

/** How many names below wildcards get an address in one session. A server could ask for ever new ones. */
export const MAX_NAMES = 4096;
/** 127.1.0.1 up to 127.1.255.254; last parts of 0 and 255 are left out, as some programs take them for networks. */
const PER_NET = 254;
const ROOM = 256 * PER_NET;
/** What `localhost` must be (RFC 6761 6.3), and what the sandbox's own hosts file says. */
const LOCALHOST = '127.0.0.1';

/** The names of one session. Names are taken in any case, with or without the root's dot. */
export class Names {
  readonly #allowed: Allowlist;
  readonly #addresses = new Map<string, string>();
  readonly #names = new Map<string, string>();
  #wild = 0;
  #next = 0;

  constructor(allowed: Allowlist) {
    this.#allowed = allowed;
    // Names that are listed whole have their addresses at once: one who floods a wildcard takes none of them.
    for (const name of allowed.names) this.#give(name);
  }

  /** The address of a name, the same each time; undefined if it is not listed, or there were too many. */
  addressOf(name: string): string | undefined {
    const plain = normalizeName(name);
    if (plain === undefined) return undefined;
    const given = this.#addresses.get(plain);
    if (given !== undefined) return given;
    if (this.#wild >= MAX_NAMES || !this.#allowed.lists(plain)) return undefined;
    this.#wild += 1;
    return this.#give(plain);
  }

  /** The name, in lower case, for which an address was given; undefined for any other address. */
  nameAt(address: string): string | undefined {
    return this.#names.get(address);
  }

  #give(name: string): string | undefined {
    if (name !== 'localhost' && this.#next >= ROOM) return undefined;
    const address = name === 'localhost' ? LOCALHOST : addressAt(this.#next++);
    this.#addresses.set(name, address);
    this.#names.set(address, name);
    return address;
  }
}

function addressAt(index: number): string {
  return `127.1.${Math.floor(index / PER_NET)}.${(index % PER_NET) + 1}`;
}
