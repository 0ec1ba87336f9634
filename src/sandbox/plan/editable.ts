// Finds the folders of packages that are installed "editable" in a virtual environment (PEP 660, PEP 610): their source is
// outside of it, and files in the environment say where.
import { readdirSync, readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folders that an environment's packages are in, by `*.pth` files and by `direct_url.json`. They need not exist. */
export function editableFolders(environment: string): string[] {
  const found = new Set<string>();
  for (const name of list(join(environment, 'lib'))) {
    const packages = join(environment, 'lib', name, 'site-packages');
    if (!name.startsWith('python')) continue;
    for (const entry of list(packages)) {
      if (entry.endsWith('.pth')) for (const path of pathsIn(read(join(packages, entry)))) found.add(path);
      if (!entry.endsWith('.dist-info')) continue;
      const folder = projectOf(read(join(packages, entry, 'direct_url.json')));
      if (folder !== undefined) found.add(folder);
    }
  }
  return [...found];
}

/** Lines of a `.pth` file that are folders. Lines that begin with "import" are code. */
function pathsIn(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => isAbsolute(line));
}

/** The project of an editable package, by PEP 610. */
function projectOf(text: string): string | undefined {
  try {
    const { url, dir_info: folder } = JSON.parse(text) as {
      url?: unknown;
      dir_info?: { editable?: unknown };
    };
    return folder?.editable === true && typeof url === 'string' && url.startsWith('file:')
      ? fileURLToPath(url)
      : undefined;
  } catch {
    return undefined;
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
