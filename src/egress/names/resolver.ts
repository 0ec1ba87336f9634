// How the daemon resolves a name: as the system does, or with the servers that the settings name.
import { promises as dns } from 'node:dns';

/**
 * The addresses of a name, of both families, best first; empty where it has none. Rejects where the lookup failed.
 * The result is not trusted: see address.ts.
 */
export type Resolve = (name: string) => Promise<string[]>;

/** Milliseconds for one try at one server; each is tried twice. */
const TIMEOUT = 3000;
const TRIES = 2;
/** Error codes that only say that there is no such record. */
const NO_DATA = new Set(['ENOTFOUND', 'ENODATA']);

/** As every other program on this machine resolves, with the hosts file and search domains. */
export function systemResolver(): Resolve {
  return (name) =>
    emptyIfNoData(async () =>
      (await dns.lookup(name, { all: true, order: 'verbatim' })).map(({ address }) => address),
    );
}

/** Asks `servers`, each an address, or `address:port` (`[v6]:port`). Throws TypeError for any other text. */
export function resolverWith(servers: string[]): Resolve {
  const resolver = new dns.Resolver({ timeout: TIMEOUT, tries: TRIES });
  resolver.setServers(servers);
  return async (name) => {
    // No server is asked for this one (RFC 6761 6.3).
    if (name === 'localhost') return ['::1', '127.0.0.1'];
    const answers = await Promise.allSettled([
      emptyIfNoData(() => resolver.resolve6(name)),
      emptyIfNoData(() => resolver.resolve4(name)),
    ]);
    // One family is enough: a server that does not know the other may fail there in any way.
    const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    const failed = answers.find((answer) => answer.status === 'rejected');
    if (addresses.length === 0 && failed !== undefined) throw failed.reason;
    return addresses;
  };
}

async function emptyIfNoData(query: () => Promise<string[]>): Promise<string[]> {
  try {
    return await query();
  } catch (error) {
    if (NO_DATA.has((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}
