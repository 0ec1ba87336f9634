// Secrets in the copies that hosts keep of their own files: taken out of a file, they still stand there.
import { WarderError } from '../../errors.ts';
import { openHostFile } from '../../host/change.ts';
import { findCopies } from '../../host/find.ts';
import type { Surroundings } from '../../host/host-paths.ts';
import { secretsOf } from '../../host/secrets.ts';
import { serversOf } from '../../host/servers.ts';

/** A copy with secrets in clear. */
export interface CopyInClear {
  readonly host: string;
  readonly title: string;
  readonly path: string;
  /** Their names. */
  readonly secrets: readonly string[];
}

/** The copies of the hosts' files that have secrets in clear; by default of all hosts. Never throws for what is in them. */
export function copiesInClear(surroundings: Surroundings, ids?: readonly string[]): CopyInClear[] {
  return findCopies(surroundings, ids === undefined ? {} : { ids }).flatMap((found) => {
    const { id, host, file, path } = found;
    try {
      const servers = serversOf(openHostFile(found).document, file);
      const secrets = [...new Set(servers.flatMap(secretsOf).map(({ name }) => name))];
      return secrets.length === 0 ? [] : [{ host: id, title: host.title, path, secrets }];
    } catch (error) {
      // A broken copy, or one of another user: nothing is known of it.
      if (error instanceof WarderError) return [];
      throw error;
    }
  });
}
