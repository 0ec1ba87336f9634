// Finds the files of hosts on this machine.
import { globSync, lstatSync } from 'node:fs';
import { pathsOf, type Surroundings } from './host-paths.ts';
import { type Host, type HostFile, hosts } from './table.ts';

/** A file where a host keeps servers, or would. */
export interface FoundFile {
  /** The host's id in the table. */
  readonly id: string;
  readonly host: Host;
  readonly file: HostFile;
  readonly path: string;
  readonly exists: boolean;
}

/** The files that are there, in the order of the table. A link counts, wherever it leads. */
export function findFiles(
  surroundings: Surroundings,
  { ids = Object.keys(hosts), projects = false }: { ids?: readonly string[]; projects?: boolean } = {},
): FoundFile[] {
  const found = Object.entries(hosts)
    .filter(([id]) => ids.includes(id))
    .flatMap(([id, host]) =>
      host.files
        .filter(({ scope }) => projects || scope === 'user')
        .flatMap((file) =>
          pathsOf(file, surroundings)
            .flatMap((path) => (path.includes('*') ? globSync(path).sort() : [path]))
            .filter(isThere)
            .map((path) => ({ id, host, file, path, exists: true })),
        ),
    );
  // Two variables, or two hosts, may lead to one file.
  return found.filter(
    ({ path, id }, index) => found.findIndex((other) => other.path === path && other.id === id) === index,
  );
}

/** The copies that hosts keep of their files, as these are found: to be read, never written. */
export function findCopies(
  surroundings: Surroundings,
  { ids = Object.keys(hosts) }: { ids?: readonly string[] } = {},
): FoundFile[] {
  return ids.flatMap((id) => {
    const host = hosts[id];
    return (host?.files ?? []).flatMap((file) =>
      pathsOf({ paths: { all: file.copies ?? [] } }, surroundings)
        .flatMap((path) => globSync(path).sort())
        .flatMap((path) => (host === undefined ? [] : [{ id, host, file, path, exists: true }])),
    );
  });
}

/** The file into which a new server of a host goes: the first one that is there, else the first that could be. */
export function fileForNew(
  id: string,
  scope: HostFile['scope'],
  surroundings: Surroundings,
): FoundFile | undefined {
  const host = hosts[id];
  const file = host?.files.find((one) => one.scope === scope);
  if (host === undefined || file === undefined) return undefined;
  const paths = pathsOf(file, surroundings).filter((path) => !path.includes('*'));
  const path = paths.find(isThere) ?? paths[0];
  return path === undefined ? undefined : { id, host, file, path, exists: isThere(path) };
}

function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}
