// Which server `warder add` is asked for: a command, a pinned package, or the line of a README that is pinned.
import { WarderError } from '../../errors.ts';
import { homeFolder } from '../../os/home.ts';
import { resolveBin } from '../../package/bin.ts';
import type { BundleSource } from '../../package/bundle.ts';
import type { PackageLock } from '../../package/lock.ts';
import { type PackageLine, parseNpx, parseUvx } from '../../package/readme-line.ts';
import type { ScriptChoice } from '../../package/registry.ts';
import { type PackageSpec, parseSpec } from '../../package/spec.ts';
import { expandHome } from '../../profile/format.ts';
import type { Context } from '../command.ts';
import { openPackageStore } from '../package/package-store.ts';
import type { AddArguments } from './options.ts';

type ServerOptions = Pick<
  AddArguments,
  'name' | 'package' | 'bin' | 'from-npx' | 'from-uvx' | 'python' | 'bundle' | '--'
>;

/** The server that the options describe. */
export type RequestedServer =
  | { readonly kind: 'command'; readonly command: string; readonly args: readonly string[] }
  | {
      readonly kind: 'package';
      readonly spec: PackageSpec;
      readonly bin: string | undefined;
      readonly args: readonly string[];
      readonly python?: string | undefined;
      /** What it is unpacked from, if it comes from no registry. */
      readonly bundle?: BundleSource | undefined;
    };

export function requestedServer({
  name,
  package: spec,
  bin,
  'from-npx': fromNpx,
  'from-uvx': fromUvx,
  python,
  bundle,
  '--': words = [],
}: ServerOptions): RequestedServer {
  if (bundle !== undefined) {
    const { name: named, version } = bundle.start;
    return { kind: 'package', spec: parseSpec(`mcpb:${named}@${version}`), bin, python, bundle, args: words };
  }
  // A line is typed in quotes, so no shell has put the home folder in.
  const home = homeFolder(process.env);
  const all = (line: PackageLine) => [...line.args.map((word) => expandHome(word, home)), ...words];
  if (fromNpx !== undefined) {
    const line = parseNpx(fromNpx);
    return { kind: 'package', ...line, args: all(line) };
  }
  if (fromUvx !== undefined) {
    const line = parseUvx(fromUvx);
    return { kind: 'package', ...line, python: python ?? line.python, args: all(line) };
  }
  if (spec !== undefined) return { kind: 'package', spec: parseSpec(spec), bin, python, args: words };
  const [command, ...args] = words;
  if (command !== undefined) return { kind: 'command', command, args };
  throw new WarderError('usage', "the server's command is missing", {
    hint: `put it after "--": warder add ${name} -- node ./server.js`,
  });
}

/** Locks a package, so that the profile can name its exact version. */
export async function lockPackage(
  context: Context,
  profile: string,
  { spec, bin, python, bundle }: RequestedServer & { kind: 'package' },
  scripts: ScriptChoice,
  notes: string[],
): Promise<{ package: string; bin: string | undefined }> {
  using told = context.terminal.progress('');
  const store = openPackageStore(context, { python, bundle, ...(!context.json && { told }) });
  const use = { profile, spec };
  // A bundle of the same name and version may be another one than before.
  const lock =
    bundle === undefined
      ? await store.lock(use, scripts)
      : await store.install(await store.resolve(spec), use, scripts);
  // Reports now what a start would report.
  resolveBin(await store.verify({ profile, spec: parseSpec(lock.package) }, false), bin);
  notes.push(`package: ${lock.package}, installed once; it starts offline, ${runtimeOf(lock)}`);
  return { package: lock.package, bin };
}

/** What the server of a package runs with. */
function runtimeOf(lock: PackageLock): string {
  const python = 'pypi' in lock ? lock.pypi.python : 'mcpb' in lock ? lock.mcpb.python : undefined;
  if (python !== undefined) return `with Python ${python.version} alone`;
  return 'mcpb' in lock && lock.mcpb.runtime === 'binary' ? 'by its own program' : 'with node alone';
}
