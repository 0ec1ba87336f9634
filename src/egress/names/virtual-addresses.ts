// Names and their virtual addresses in one sandbox. Every listed name has its own address in 127/8, so the address of
// a connection identifies the name that was meant; an address is never assigned to a second name.
import { normalizeName } from '../../profile/host.ts';
import type { Allowlist } from '../allowlist.ts';

/** How many names below wildcards get an address in one session: a server could ask for ever new ones. */
export const MAX_WILDCARD_NAMES = 4096;
/** 127.1.0.1 up to 127.1.255.254; last parts of 0 and 255 are left out, as some programs take them for networks. */
const ADDRESSES_PER_NET = 254;
const CAPACITY = 256 * ADDRESSES_PER_NET;
/** What `localhost` must be (RFC 6761 6.3), and what the sandbox's own hosts file says. */
const LOCALHOST = '127.0.0.1';

/** The addresses of one session. Names are accepted in any case, with or without the root's dot. */
export class VirtualAddresses {
  readonly #allowed: Allowlist;
  readonly #addresses = new Map<string, string>();
  readonly #names = new Map<string, string>();
  #wildcardCount = 0;
  #next = 0;

  constructor(allowed: Allowlist) {
    this.#allowed = allowed;
    // Names without a wildcard get their addresses at once: a flood of names below a wildcard takes none of them.
    for (const name of allowed.names) this.#assign(name);
  }

  /** The address of a name, the same each time; undefined if it is not listed, or there were too many names. */
  addressOf(name: string): string | undefined {
    const normalized = normalizeName(name);
    if (normalized === undefined) return undefined;
    const known = this.#addresses.get(normalized);
    if (known !== undefined) return known;
    if (this.#wildcardCount >= MAX_WILDCARD_NAMES || !this.#allowed.lists(normalized)) return undefined;
    this.#wildcardCount += 1;
    return this.#assign(normalized);
  }

  /** The name, in lower case, that an address was assigned to; undefined for any other address. */
  nameAt(address: string): string | undefined {
    return this.#names.get(address);
  }

  #assign(name: string): string | undefined {
    if (name !== 'localhost' && this.#next >= CAPACITY) return undefined;
    const address = name === 'localhost' ? LOCALHOST : addressAt(this.#next++);
    this.#addresses.set(name, address);
    this.#names.set(address, name);
    return address;
  }
}

function addressAt(index: number): string {
  return `127.1.${Math.floor(index / ADDRESSES_PER_NET)}.${(index % ADDRESSES_PER_NET) + 1}`;
}
