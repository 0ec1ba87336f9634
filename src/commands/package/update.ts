// warder package update: shows what another version changes, and pins it after a yes.
import { WarderError } from '../../errors.ts';
import type { LockDiff } from '../../package/lock.ts';
import { withVersion } from '../../package/spec.ts';
import { unlockedError } from '../../package/store.ts';
import { loadProfile } from '../../profile/load.ts';
import type { Context } from '../command.ts';
import { acceptReplaced } from '../trust/accept.ts';
import { openPackageStore } from './package-store.ts';
import {
  type InstallOptions,
  type ProfileArgument,
  packageUse,
  pinVersion,
  scriptChoice,
} from './pinned-profile.ts';

/** The options of `package update`. */
export type UpdateOptions = ProfileArgument &
  InstallOptions & { to: string | undefined; yes: boolean; 'dry-run': boolean };

/** Throws `refused` for a no, and what the registry and the store say. */
export async function updatePackage(context: Context, args: UpdateOptions): Promise<void> {
  const { places, terminal } = context;
  using told = terminal.progress('');
  const store = openPackageStore(context, { python: args.python, told });
  const loaded = loadProfile(places, args.profile);
  const use = packageUse(loaded);
  const { spec } = use;
  const before = store.find(use);
  if (before === undefined) throw unlockedError(use);
  const { resolution, difference, version } = await store.previewUpdate(before, withVersion(spec, args.to));
  const unchanged = !Object.values(difference).some((changes) => changes.length > 0);
  const plan = { package: spec.name, from: before.pinned, to: version, ...difference };
  if (!context.json) printDiff(context, plan);
  if (unchanged || args['dry-run']) {
    if (context.json) terminal.json({ ...plan, updated: false });
    return;
  }
  if (!args.yes && !(await terminal.confirm(`install ${spec.name} ${version} and pin it?`))) {
    throw new WarderError('refused', 'nothing was changed');
  }
  const locked = await store.install(
    resolution,
    { profile: args.profile, spec: { ...spec, version } },
    scriptChoice(args),
  );
  pinVersion(context, loaded, locked);
  if (!context.json)
    terminal.out(`${args.profile}: "package" is now ${locked.package}; new sessions start it`);
  const accepted = await acceptReplaced(
    context,
    args.profile,
    terminal.interactive && !context.json && !args.yes,
  );
  if (context.json) terminal.json({ ...plan, updated: true, digest: locked.digest, accepted });
}

function printDiff(
  { terminal }: Context,
  {
    package: name,
    from,
    to,
    added,
    removed,
    moved,
    scripts,
  }: { package: string; from: string; to: string } & LockDiff,
): void {
  terminal.out(from === to ? `${name} ${from} is the current version` : `${name} ${from} -> ${to}`);
  for (const { name: each, from: old, to: fresh } of moved) {
    if (each !== name) terminal.out(`  ${terminal.paint('yellow', '~')} ${each} ${old} -> ${fresh}`);
  }
  for (const each of added) terminal.out(`  ${terminal.paint('green', '+')} ${each}`);
  for (const each of removed) terminal.out(`  ${terminal.paint('red', '-')} ${each}`);
  for (const each of scripts) terminal.out(`  ${terminal.paint('red', '!')} ${each} runs an install script`);
}
