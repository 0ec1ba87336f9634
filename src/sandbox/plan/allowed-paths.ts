// Which paths a profile may list in its sandbox, and which are refused in every sandbox.
import { dirname } from 'node:path';
import { WarderError } from '../../errors.ts';
import type { ListedPath, PlanInputs } from './inputs.ts';
import { below, within } from './path.ts';
import { PLANTABLE, plantableAround } from './plantable.ts';
import { etcFiles, TOO_WIDE } from './root.ts';
import { foldersOfPrograms } from './secret-places.ts';

/** Files that Warder generates in every sandbox. */
const GENERATED_FILES = new Set(Object.keys(etcFiles('', 0, 0, '', true)));

/** Folders to which no server may write, not even root's. */
const SYSTEM = [
  '/usr',
  '/etc',
  '/bin',
  '/sbin',
  '/lib',
  '/lib32',
  '/lib64',
  '/libx32',
  '/nix',
  '/gnu',
  '/var/spool/cron',
  '/private/etc',
  '/Library',
  '/System',
];

/** Throws `profile-invalid` for the first listed path that is not allowed, and for a name that is not protected anyway. */
export function checkListedPaths(inputs: PlanInputs): void {
  const names: readonly string[] = PLANTABLE;
  const unknown = inputs.mayPlant.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new WarderError(
      'profile-invalid',
      `cannot start "${inputs.profile}": "sandbox.may-plant" lists "${unknown}", which is not protected`,
      { hint: `the protected names are ${names.join(' ')}` },
    );
  }
  for (const listed of inputs.listed) {
    const refusal = refusalOf(inputs, listed);
    if (refusal === undefined) continue;
    const path =
      listed.requested === listed.path
        ? `"${listed.path}"`
        : `"${listed.requested}", which is "${listed.path}"`;
    const source = listed.implied
      ? 'its command needs'
      : listed.write
        ? '"sandbox.write" lists'
        : '"sandbox.read" lists';
    throw new WarderError(
      'profile-invalid',
      `cannot start "${inputs.profile}": ${source} ${path}: ${refusal.what}`,
      {
        hint: refusal.hint,
      },
    );
  }
}

/**
 * Why a path is not allowed; `undefined` if it is. The real path decides, so that a link cannot lead to a path that is
 * refused by name.
 */
function refusalOf(
  { secrets, hidden, homes, mayPlant }: PlanInputs,
  { path, folder, write, entries }: ListedPath,
): { what: string; hint: string } | undefined {
  const all = [...secrets, ...hidden];
  if (all.some((secret) => secret.kind === 'never' && within(path, secret.path))) {
    return { what: 'no sandbox may contain it', hint: 'give the server what it needs as a credential' };
  }
  const narrower = 'list the folders in it that the server needs';
  if (TOO_WIDE.has(path) || GENERATED_FILES.has(path))
    return { what: 'it is too much as a whole', hint: narrower };
  if (homes.includes(path)) return { what: 'it is a home folder', hint: narrower };
  if (homes.some((home) => below(home, path))) return { what: 'it contains home folders', hint: narrower };
  if (foldersOfPrograms(homes).includes(path))
    return { what: 'every program keeps its files there, and its tokens', hint: narrower };
  // What is secret in a folder of which the sandbox contains only some entries is not among them.
  const inside = entries === undefined ? all.find((secret) => below(secret.path, path)) : undefined;
  if (inside !== undefined) {
    return { what: `it contains "${inside.path}", or could contain it`, hint: narrower };
  }
  if (write && SYSTEM.some((folder) => within(path, folder))) {
    return { what: 'no server may write there', hint: 'list it under "sandbox.read"' };
  }
  const obeyed = write ? plantableAround(path) : undefined;
  if (obeyed !== undefined && !mayPlant.includes(obeyed)) {
    return {
      what: `programs outside execute or obey what is in "${obeyed}"`,
      hint: `list another folder, or say "may-plant: [${obeyed}]" beside it`,
    };
  }
  // A bind mount holds a file, not its name: what is beside it would be lost with the sandbox (SQLite's -wal and -journal,
  // locks), and a program that saves by renaming a new file over it cannot.
  if (write && !folder) {
    return {
      what: 'it is a file among others: it cannot be replaced in a sandbox, and what is written beside it is lost',
      hint: `list its folder: "${dirname(path)}"`,
    };
  }
  return undefined;
}
