// What servers plant for programs outside, as `check` tells it: the protected names that exist now below a server's
// writable folders, and what it has planted there that nobody has looked at yet.
import { lstatSync } from 'node:fs';
import { listRecords } from '../../audit/read.ts';
import { findPlantable } from '../../sandbox/planted.ts';

/** How many of the newest records of the log are searched, and how many paths are named. */
const MAX_RECORDS = 20_000;
const MAX_NAMED = 8;

/** What changed longer ago is not told any more. Milliseconds. */
const RECENT = 7 * 24 * 3600 * 1000;

/** Tells which names a server cannot write below its folders: those that exist there now, or examples. */
export async function protectedLine(write: readonly string[], mayPlant: readonly string[]): Promise<string> {
  const found = (await findPlantable(write, mayPlant)).toSorted();
  const more = found.length > MAX_NAMED ? `, and ${found.length - MAX_NAMED} more` : '';
  const names =
    found.length === 0 ? '.git/hooks, .vscode, AGENTS.md, …' : found.slice(0, MAX_NAMED).join(', ');
  return `in these no names that other programs obey: ${names}${more}`;
}

/** What the server of a profile has planted: what was put away is told until somebody removes it. `now` as in `Clock`. */
export async function plantedNotes(audit: string, profile: string, now: number): Promise<string[]> {
  const records = await listRecords(
    audit,
    { profile, event: 'sandbox.planted' },
    MAX_NAMED,
    MAX_RECORDS,
  ).catch(() => []);
  const notes = records.flatMap(({ entry }) => {
    const { appeared, changed } = entry as unknown as {
      readonly appeared: readonly { readonly path: string; readonly put_away: string }[];
      readonly changed: readonly string[];
    };
    const recent = now - Date.parse(entry.time) < RECENT;
    return [
      ...appeared
        .filter(({ put_away }) => lstatSync(put_away, { throwIfNoEntry: false }) !== undefined)
        .map(
          ({ path, put_away }) =>
            `its server planted ${path}, which other programs obey: look at ${put_away}, and remove it`,
        ),
      ...(recent ? changed : []).map(
        (path) => `${path}, which other programs obey, changed on ${entry.time.slice(0, 10)}: look at it`,
      ),
    ];
  });
  return [...new Set(notes)].slice(-MAX_NAMED);
}
