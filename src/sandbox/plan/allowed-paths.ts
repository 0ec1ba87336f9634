// What a profile may list in its sandbox, and what no sandbox holds whoever asks.
import { WarderError } from '../../errors.ts';
import type { ListedPath, PlanInputs } from './inputs.ts';
import { below, within } from './path.ts';
import { etcFiles, TOO_WIDE } from './root.ts';

/** What a sandbox is made of. */
const GENERATED_FILES = new Set(Object.keys(etcFiles('', 0, 0, '', true)));

/** Where no server writes, not even root's. */
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

/** Throws `profile-invalid` for the first listed path that may not be there. */
export function checkListedPaths(facts: PlanInputs): void {
  for (const one of facts.listed) {
    const refusal = refusalOf(facts, one);
    if (refusal === undefined) continue;
    const where =
      one.requested === one.path ? `"${one.requested}"` : `"${one.requested}", which is "${one.path}",`;
    const who = one.implied
      ? 'its command needs'
      : one.write
        ? '"sandbox.write" lists'
        : '"sandbox.read" lists';
    throw new WarderError(
      'profile-invalid',
      `cannot start "${facts.profile}": ${who} ${where} ${refusal.what}`,
      {
        hint: refusal.hint,
      },
    );
  }
}

/** Why a path may not be there; its real place decides, so that no link leads to what is refused by name. */
function refusalOf(
  { secrets, hidden, homes }: PlanInputs,
  { path, write }: ListedPath,
): { what: string; hint: string } | undefined {
  const all = [...secrets, ...hidden];
  if (all.some((secret) => secret.kind === 'never' && within(path, secret.path))) {
    return { what: 'and no sandbox holds that', hint: 'give the server what it needs as a credential' };
  }
  const narrower = 'list the folders in it that the server needs';
  if (TOO_WIDE.has(path) || GENERATED_FILES.has(path)) return { what: 'as a whole', hint: narrower };
  if (homes.some((home) => below(home, path))) return { what: 'and home folders lie in it', hint: narrower };
  if (!write) return undefined;
  if (SYSTEM.some((folder) => within(path, folder))) {
    return { what: 'and a server does not write there', hint: 'list it under "sandbox.read"' };
  }
  const inside = all.find((secret) => below(secret.path, path));
  if (inside !== undefined) {
    return { what: `and "${inside.path}" lies, or would lie, in it`, hint: narrower };
  }
  return undefined;
}
