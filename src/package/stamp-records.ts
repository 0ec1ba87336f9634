// The stamps of a tree's files as bytes, as they are saved and as the native program reads them (src/native/stamps.c):
// records, each ended by a NUL.
//
//     /<folder>          the entries that follow are in this folder; "/" for the tree itself
//     <stamp> <name>     a file, link or folder, and its stamp
//
// Stamps are in src/package/tree.ts.

/** The records of stamps, by path. */
export function toRecords(stamps: Readonly<Record<string, string>>): Buffer {
  const folders = new Map<string, string[]>();
  for (const path in stamps) {
    const at = path.lastIndexOf('/');
    const folder = at < 0 ? '' : path.slice(0, at);
    const entry = `${stamps[path]} ${path.slice(at + 1)}`;
    const entries = folders.get(folder);
    if (entries === undefined) folders.set(folder, [entry]);
    else entries.push(entry);
  }
  const records = [...folders].flatMap(([folder, entries]) => [`/${folder}`, ...entries]);
  return Buffer.from(records.map((record) => `${record}\0`).join(''));
}

/** The paths of records, with their stamps. */
export function* fromRecords(records: Buffer): Generator<[path: string, stamp: string]> {
  let folder = '';
  for (const record of records.toString('utf8').split('\0').slice(0, -1)) {
    if (record.startsWith('/')) {
      folder = record === '/' ? '' : `${record.slice(1)}/`;
    } else {
      const space = record.indexOf(' ');
      yield [`${folder}${record.slice(space + 1)}`, record.slice(0, space)];
    }
  }
}
