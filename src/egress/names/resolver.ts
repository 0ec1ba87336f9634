// How the daemon resolves a name: as the system does, or with the servers that the settings name. Names are asked for by
// c-ares, which waits for many at a time; the system's own getaddrinfo takes a thread for each, of which Node has few, so
// that one silent domain would stop all other look-ups.
//
// Of the system's ways these are honoured: the hosts file, name servers, `search`, `domain` and `ndots` of resolv.conf,
// all read anew once they change. For names below `.local` and for a single label that none of them knows, `getent` asks
// what else is in nsswitch.conf (mDNS, containers, virtual machines), in a process that is ended when it takes too long.
import { execFile } from 'node:child_process';
import { promises as dns } from 'node:dns';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { HOSTS_FILE, parseHosts, WatchedFile } from './hosts-file.ts';
import { candidates, parseSearchList } from './search-list.ts';

/**
 * The addresses of a name in lower case, of both families; empty where it has none. Rejects where the lookup failed.
 * The result is not trusted: see address.ts.
 */
export type Resolve = (name: string) => Promise<string[]>;

/** The files of the system's configuration, and how to ask what else it knows. */
export interface SystemNames {
  readonly hosts: string;
  readonly resolvConf: string;
  /** Name servers; by default those of `resolv.conf`. */
  readonly servers?: readonly string[];
  /** The program `getent`; undefined where there is none. */
  readonly getent: string | undefined;
}

/** Milliseconds for one try at one server; each is tried twice. */
const TIMEOUT = 2500;
const TRIES = 2;
/** Milliseconds after which no other name of the search list is asked for. */
const SEARCH_TIMEOUT = 10_000;
/** Milliseconds for `getent`. */
const GETENT_TIMEOUT = 5000;
/** Error codes that only say that there is no such record. */
const NO_DATA = new Set(['ENOTFOUND', 'ENODATA']);
/** Where programs of this machine listen (RFC 6761 6.3). */
const LOCALHOST = ['127.0.0.1', '::1'];

const run = promisify(execFile);

/** As this machine is configured. */
export function systemResolver(names: SystemNames = systemNames()): Resolve {
  const hosts = new WatchedFile(names.hosts, parseHosts);
  // A resolver knows the servers that were configured when it was made.
  const configuration = new WatchedFile(names.resolvConf, (text) => ({
    search: parseSearchList(text),
    resolver: makeResolver(names.servers),
  }));
  return async (name) => {
    if (isLocalhost(name)) return [...LOCALHOST];
    const listed = hosts.content.get(name) ?? [];
    if (listed.length > 0) return [...listed];
    const { search, resolver } = configuration.content;
    const since = performance.now();
    let failure: unknown;
    for (const candidate of candidates(name, search)) {
      if (performance.now() - since > SEARCH_TIMEOUT) break;
      const addresses = await ask(resolver, candidate).catch((error: unknown) => {
        failure ??= error;
        return [];
      });
      if (addresses.length > 0) return addresses;
    }
    const addresses = isOftenLocal(name) ? await askSystem(names.getent, name) : [];
    if (addresses.length === 0 && failure !== undefined) throw failure;
    return addresses;
  };
}

/** Asks `servers`, each an address, or `address:port` (`[v6]:port`). Throws TypeError for any other text. */
export function resolverWith(servers: readonly string[]): Resolve {
  const resolver = makeResolver(servers);
  return async (name) => (isLocalhost(name) ? [...LOCALHOST] : ask(resolver, name));
}

function systemNames(): SystemNames {
  const getent = ['/usr/bin/getent', '/bin/getent', '/run/current-system/sw/bin/getent'].find((file) =>
    existsSync(file),
  );
  return { hosts: HOSTS_FILE, resolvConf: '/etc/resolv.conf', getent };
}

function makeResolver(servers: readonly string[] | undefined): dns.Resolver {
  const resolver = new dns.Resolver({ timeout: TIMEOUT, tries: TRIES, maxTimeout: TIMEOUT });
  if (servers !== undefined) resolver.setServers([...servers]);
  return resolver;
}

/** The addresses of this machine's own names, for which nobody is asked; undefined for any other name. */
export function localAddressesOf(name: string): readonly string[] | undefined {
  return isLocalhost(name) ? LOCALHOST : undefined;
}

/** No server is asked for these (RFC 6761 6.3). */
function isLocalhost(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost');
}

/** Names that other sources than name servers know: mDNS (RFC 6762 3), containers, virtual machines. */
function isOftenLocal(name: string): boolean {
  return name.endsWith('.local') || !name.includes('.');
}

/** Both families. One is enough: a server that does not know the other may fail there in any way. */
async function ask(resolver: dns.Resolver, name: string): Promise<string[]> {
  const answers = await Promise.allSettled([
    emptyIfNoData(() => resolver.resolve4(name)),
    emptyIfNoData(() => resolver.resolve6(name)),
  ]);
  const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  const failed = answers.find((answer) => answer.status === 'rejected');
  if (addresses.length === 0 && failed !== undefined) throw failed.reason;
  return addresses;
}

/** What `getent ahosts` prints: `ADDRESS  STREAM  NAME`, one a line. Empty where it knows nothing or takes too long. */
async function askSystem(getent: string | undefined, name: string): Promise<string[]> {
  if (getent === undefined) return [];
  const options = { timeout: GETENT_TIMEOUT, killSignal: 'SIGKILL', env: {}, maxBuffer: 65_536 } as const;
  const { stdout } = await run(getent, ['ahosts', name], options).catch(() => ({ stdout: '' }));
  const addresses = stdout.split('\n').flatMap((line) => line.trim().split(/\s+/, 1));
  return [...new Set(addresses.filter((address) => address !== ''))];
}

async function emptyIfNoData(query: () => Promise<string[]>): Promise<string[]> {
  try {
    return await query();
  } catch (error) {
    if (NO_DATA.has((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}
