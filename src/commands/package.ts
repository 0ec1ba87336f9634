// warder package: pins the package of a server, installs it again, verifies and lists installed packages, and removes
// unused ones.
import type { ArgumentsCamelCase, CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import { type BundleSource, openBundle } from '../package/bundle.ts';
import { dependencyCount, type PackageLock } from '../package/lock.ts';
import type { PackageUse } from '../package/lock-files.ts';
import { formatSpec, isExact } from '../package/spec.ts';
import { listProfiles, loadProfile } from '../profile/load.ts';
import { readBundleFile } from './add/bundle-file.ts';
import type { Context } from './command.ts';
import { openPackageStore } from './package/package-store.ts';
import {
  type InstallOptions,
  type ProfileArgument,
  packageUse,
  pinVersion,
  scriptChoice,
} from './package/pinned-profile.ts';
import { type UpdateOptions, updatePackage } from './package/update.ts';
import { yesOption } from './terminal/confirmation.ts';

interface LockOptions extends InstallOptions {
  again: boolean;
  bundle: string | undefined;
}

const profile = {
  describe: 'the profile whose server is a package',
  type: 'string',
  demandOption: true,
} as const;
const allowScripts = {
  describe: 'packages whose install scripts run, in a sandbox without a network',
  type: 'string',
  array: true,
  default: [] as string[],
} as const;
const withoutScripts = {
  describe: 'install without the scripts of all other packages',
  type: 'boolean',
  default: false,
} as const;
const python = {
  describe: 'the Python for a package of PyPI: a version, a name or a path',
  type: 'string',
  requiresArg: true,
} as const;

/** The verb `package` with its subcommands. */
export function packageCommand(context: Context): CommandModule {
  return {
    command: 'package <verb>',
    describe: "Pin, verify and update a server's package",
    builder: (yargs) =>
      yargs
        .command<ProfileArgument & LockOptions>({
          command: 'lock <profile>',
          describe: 'Resolve the exact version, install it once, and record its hashes',
          builder: (lock) =>
            lock
              .positional('profile', profile)
              .option('allow-scripts', allowScripts)
              .option('without-scripts', withoutScripts)
              .option('python', python)
              .option('again', {
                describe: 'install the files again from the same hashes',
                type: 'boolean',
                default: false,
              })
              .option('bundle', {
                describe: 'with --again: the file of a bundle, from which it is unpacked again',
                type: 'string',
                requiresArg: true,
                implies: 'again',
              })
              .example('$0 package lock notes', 'pin the package that the profile "notes" names'),
          handler: (args) => lock(context, args),
        })
        .command<{ profiles: readonly string[] }>({
          command: 'verify [profiles..]',
          describe: 'Hash every file of the packages again',
          builder: (verify) => verify.positional('profiles', { type: 'string', array: true, default: [] }),
          handler: (args) => verify(context, args.profiles),
        })

        .command<UpdateOptions>({
          command: 'update <profile>',
          describe: 'Show what another version changes, then pin it',
          builder: (update) =>
            update
              .positional('profile', profile)
              .option('to', { describe: 'a version, a range or a tag (default: latest)', type: 'string' })
              .option('allow-scripts', allowScripts)
              .option('without-scripts', withoutScripts)
              .option('python', python)
              .option('dry-run', { describe: 'only show the changes', type: 'boolean', default: false })
              .option('yes', yesOption)
              .example('$0 package update notes --dry-run', 'show what would change'),
          handler: (args) => updatePackage(context, args),
        })
        .command({
          command: 'list',
          describe: 'Show the pinned packages',
          handler: () => list(context),
        })
        .command<{ yes: boolean }>({
          command: 'sweep',
          describe: 'Remove the packages that no profile uses',
          builder: (sweep) => sweep.option('yes', yesOption),
          handler: (args) => sweep(context, args.yes),
        })
        .demandCommand(1, 'choose one of lock, verify, update, list and sweep'),
    handler: () => {},
  };
}

async function lock(
  context: Context,
  args: ArgumentsCamelCase<ProfileArgument & LockOptions>,
): Promise<void> {
  const { places, terminal } = context;
  const loaded = loadProfile(places, args.profile);
  const use = packageUse(loaded);
  const bundle = args.bundle === undefined ? undefined : await bundleAgain(context, use, args.bundle);
  using told = terminal.progress('');
  const store = openPackageStore(context, { python: args.python, bundle, told });
  const locked = await store.lock(use, scriptChoice(args), args.again);
  const pinned = pinVersion(context, loaded, locked);
  if (context.json) return terminal.json({ ...lockData(locked), pinned });
  if (pinned) terminal.out(`${args.profile}: "package" is now ${locked.package}`);
  terminal.out(`${locked.package} is locked: ${locked.digest}`);
}

/** The bundle of a lock, from its file. Which one it has to be is in the lock. */
async function bundleAgain(context: Context, use: PackageUse, file: string): Promise<BundleSource> {
  const before = openPackageStore(context).find(use);
  if (before === undefined || !('mcpb' in before)) {
    throw new WarderError('usage', `the package of "${use.profile}" is no bundle that was locked`, {
      hint: 'leave out "--bundle"',
    });
  }
  const { bin, mcpb } = before;
  const [program] = Object.values(bin);
  return {
    bundle: await openBundle(readBundleFile(file), file),
    start: { ...mcpb, program, python: undefined },
  };
}

async function verify(context: Context, names: readonly string[]): Promise<void> {
  const { places, terminal } = context;
  const store = openPackageStore(context);
  const uses =
    names.length > 0 ? names.map((name) => packageUse(loadProfile(places, name))) : pinnedUses(context);
  const results: { profile: string; package: string; ok: boolean; problem?: string }[] = [];
  using told = terminal.progress('');
  for (const use of uses) {
    const { profile } = use;
    const text = formatSpec(use.spec);
    told.step(`hashing ${text} of ${profile}`);
    try {
      await store.verify(use, true);
      results.push({ profile, package: text, ok: true });
    } catch (error) {
      if (!(error instanceof WarderError)) throw error;
      results.push({ profile, package: text, ok: false, problem: error.message });
      context.exit(error.exit);
    }
  }
  if (context.json) return terminal.json(results);
  for (const { profile, package: text, ok, problem } of results) {
    terminal.out(
      ok
        ? `${terminal.paint('green', 'ok')}       ${profile}: ${text}`
        : `${terminal.paint('red', 'changed')}  ${profile}: ${problem}`,
    );
  }
  if (results.length === 0) terminal.out('no profile uses a package');
}

function list(context: Context): void {
  const { terminal } = context;
  const uses = pinnedUses(context);
  const store = openPackageStore(context);
  const rows = store.list().map((stored) => ({
    ...lockData(stored.lock),
    installed: stored.installed,
    codeCache: stored.code ?? null,
    profiles: uses.filter((use) => store.isUsed(stored, use)).map(({ profile }) => profile),
  }));
  if (context.json) terminal.json(rows);
  else if (rows.length === 0) terminal.out('no package is locked');
  else
    terminal.table(
      rows.map((row) => [
        row.package,
        row.digest.slice(0, 19),
        String(row.dependencies),
        row.installed ? row.locked : 'not installed',
        row.codeCache === null ? '-' : `${(row.codeCache / 2 ** 20).toFixed(1)} MiB`,
        row.profiles.join(', ') || '-',
      ]),
      ['PACKAGE', 'DIGEST', 'DEPENDENCIES', 'LOCKED', 'CODE CACHE', 'PROFILES'],
    );
}

async function sweep(context: Context, yes: boolean): Promise<void> {
  const { terminal } = context;
  const uses = pinnedUses(context);
  if (!yes && !(await terminal.confirm('remove every package that no profile uses?'))) {
    throw new WarderError('refused', 'nothing was removed');
  }
  const removed = openPackageStore(context).sweep(uses);
  if (context.json) return terminal.json({ removed });
  for (const name of removed) terminal.out(`removed ${name}`);
  if (removed.length === 0) terminal.out('nothing to remove');
}

function lockData(lock: PackageLock) {
  const { package: name, pinned, integrity, digest, bin, scripts, locked } = lock;
  return {
    package: name,
    version: pinned,
    integrity,
    digest,
    bin: Object.keys(bin),
    scripts,
    locked,
    dependencies: dependencyCount(lock),
    ...('pypi' in lock ? { python: lock.pypi.python.version } : {}),
  };
}

/** The profiles that name an exact version. Throws for a broken profile, because its package is not known. */
function pinnedUses({ places }: Context): PackageUse[] {
  return listProfiles(places)
    .names.map((name) => loadProfile(places, name))
    .filter(({ profile }) => profile.server.kind === 'package')
    .map(packageUse)
    .filter(({ spec }) => isExact(spec));
}
