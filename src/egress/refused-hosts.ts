// The hosts that a server was refused, as people are told of them: each once on the session's standard error, with the
// command that allows it, and in `status`, `check` and `test`.
import { parseHost } from '../profile/host.ts';
import { canonicalAddress, isMetadata } from './dial/address.ts';

/** A host that was refused. Port 53: its name was looked up. */
export interface RefusedHost {
  readonly host: string;
  readonly port: number;
  readonly reason: string;
  readonly count: number;
}

/** Hosts that are kept, and those of them that are told. */
const MAX_KEPT = 64;
const MAX_TOLD = 16;
const DNS = 53;
/** Ports of an entry that names none. */
const DEFAULT_PORTS: readonly number[] = [DNS, 80, 443];

/** `supabase.com`, or `db.example.com:5432` where the port is not one that an entry opens by itself. */
export function refusedName({ host, port }: Pick<RefusedHost, 'host' | 'port'>): string {
  const shown = host.includes(':') ? `[${host}]` : host;
  return DEFAULT_PORTS.includes(port) ? shown : `${shown}:${port}`;
}

/** The entry of `sandbox.network` that would have allowed it; undefined where no single one would. */
export function allowingEntry({ host, port, reason }: Omit<RefusedHost, 'count'>): string | undefined {
  const [, address] = /^resolves to ([0-9a-f.:]+), /.exec(reason) ?? [];
  if (address !== undefined) {
    const canonical = canonicalAddress(address);
    if (canonical === undefined || isMetadata(canonical) || /unspecified|multicast|broadcast/.test(reason))
      return undefined;
    return `${canonical}/${canonical.includes(':') ? 128 : 32}`;
  }
  if (reason !== 'not listed') return undefined;
  const entry = refusedName({ host, port });
  try {
    parseHost(entry);
    return entry;
  } catch {
    return undefined;
  }
}

/** `warder allow github supabase.com`; undefined where no single entry would have allowed it. */
export function allowingCommand(profile: string, refused: Omit<RefusedHost, 'count'>): string | undefined {
  const entry = allowingEntry(refused);
  return entry && `warder allow ${profile} ${entry}`;
}

/** Adds up refusals of the same host, in the order of the first of each. */
export function sumUpHosts(refused: Iterable<RefusedHost>): RefusedHost[] {
  const sums = new Map<string, RefusedHost>();
  for (const one of refused) {
    const key = refusedName(one);
    const before = sums.get(key);
    sums.set(key, { ...(before ?? one), count: (before?.count ?? 0) + one.count });
  }
  return [...sums.values()];
}

/** The refused hosts of one session. */
export class RefusedHosts {
  readonly #hosts = new Map<string, RefusedHost>();
  readonly #profile: string;
  readonly #tell: (line: string) => void;

  /** `tell` gets each line once, without its end. */
  constructor(profile: string, tell: (line: string) => void) {
    this.#profile = profile;
    this.#tell = tell;
  }

  /** Those that are kept, oldest first. */
  get all(): readonly RefusedHost[] {
    return [...this.#hosts.values()];
  }

  /** A host was refused. A reason that is not about the host, but about what was sent to it, does not count. */
  add(host: string, port: number, reason: string): void {
    if (reason !== 'not listed' && !reason.startsWith('resolves to ')) return;
    const key = refusedName({ host, port });
    const before = this.#hosts.get(key);
    if (before === undefined && this.#hosts.size >= MAX_KEPT) return;
    const refused = { host, port, reason, count: (before?.count ?? 0) + 1 };
    this.#hosts.set(key, before === undefined ? refused : { ...before, count: refused.count });
    if (before !== undefined || this.#hosts.size > MAX_TOLD) return;
    const command = allowingCommand(this.#profile, refused);
    const more = this.#hosts.size === MAX_TOLD ? `; others are refused without a word here` : '';
    this.#tell(
      `warder: ${this.#profile}: ${key} was refused: ${reason}${command === undefined ? '' : `; to allow it: ${command}`}${more}`,
    );
  }
}
