// How the daemon learns the addresses of a name: as the system does, or from the servers that the settings name.
import { promises as dns } from 'node:dns';

/**
 * The addresses of a name, of both families, best first; none where it has none. Rejects where it could not be asked
 * for. What comes back is not trusted: see address.ts.
 */
export type Resolve = (name: string) => Promise<string[]>;

/** Milliseconds for one try at one server; each is tried twice. */
const PATIENCE = 3000;
const TRIES = 2;
/** Answers that only say that there is nothing. */
const NOTHING = new Set(['ENOTFOUND', 'ENODATA']);

/** As every other program here does, hosts file and search domains included. */
export function systemResolver(): Resolve {
  return (name) =>
    settle(async () =>
      (await dns.lookup(name, { all: true, order: 'verbatim' })).map(({ address }) => address),
    );
}

/** Asks `servers`, each an address, or `address:port` (`[v6]:port`). Throws TypeError for one that is neither. */
export function resolverAt(servers: string[]): Resolve {
  const resolver = new dns.Resolver({ timeout: PATIENCE, tries: TRIES });
  resolver.setServers(servers);
  return async (name) => {
    // No server is asked for this one (RFC 6761 6.3).
    if (name === 'localhost') return ['::1', '127.0.0.1'];
    const answers = await Promise.allSettled([
      settle(() => resolver.resolve6(name)),
      settle(() => resolver.resolve4(name)),
    ]);
    // One family is enough: a server that knows nothing of the other may fail there as it likes.
    const found = answers.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
    const failed = answers.find((one) => one.status === 'rejected');
    if (found.length === 0 && failed !== undefined) throw failed.reason;
    return found;
  };
}

async function settle(ask: () => Promise<string[]>): Promise<string[]> {
  try {
    return await ask();
  } catch (error) {
    if (NOTHING.has((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}
