// The npm registry, through npm: packages are installed with `npm ci` from npm's own lock, and their install scripts only
// in a sandbox.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { WarderError } from '../../errors.ts';
import { readText } from '../files.ts';
import type { Resolution } from '../lock.ts';
import type { Registry, ScriptRunner } from '../registry.ts';
import { formatSpec, type PackageSpec } from '../spec.ts';
import { findNpm, type Npm } from './client.ts';
import { type NpmLock, npmInstallScripts, parseNpmLock } from './lock.ts';

/** What the registry needs. */
export interface NpmRegistryOptions {
  /** The environment of the user's npm. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Called with each step, to show progress. */
  readonly progress: (step: string) => void;
  readonly runScripts: ScriptRunner;
}

/** The part of a package's manifest that names its programs. */
const manifest = z.looseObject({ bin: z.union([z.string(), z.record(z.string(), z.string())]).default({}) });

/** The npm registry. Throws `package-registry` if there is no npm. */
export function npmRegistry({ env, progress, runScripts }: NpmRegistryOptions): Registry {
  const npm = findNpm(env);
  return {
    async resolve(spec, folder) {
      writeManifest(folder, spec);
      await npm.run(folder, ['install', '--package-lock-only', '--ignore-scripts', '--omit=dev']);
      return { npm: parseNpmLock(readText(join(folder, 'package-lock.json'))) };
    },
    async install(resolution, spec, root, scripts) {
      const lock = lockOf(resolution);
      mkdirSync(root, { recursive: true, mode: 0o700 });
      const version = lock.packages['']?.dependencies?.[spec.name] ?? spec.version;
      writeManifest(root, { ...spec, version });
      writeFileSync(join(root, 'package-lock.json'), JSON.stringify(lock));
      progress(`installing ${formatSpec(spec)} and ${Object.keys(lock.packages).length - 2} dependencies`);
      await npm.run(root, ['ci', '--ignore-scripts', '--omit=dev']);
      const allowed = npmInstallScripts(lock).filter((name) => scripts.includes(name));
      if (allowed.length > 0) {
        progress(`running the install scripts of ${allowed.join(', ')} in a sandbox`);
        await runInstallScripts(npm, runScripts, root, allowed);
      }
      // npm's internal copy of the lock: it differs between npm versions, and nothing needs it.
      rmSync(join(root, 'node_modules', '.package-lock.json'), { force: true });
      return readBins(root, spec.name);
    },
  };
}

async function runInstallScripts(
  npm: Npm,
  run: ScriptRunner,
  tree: string,
  packages: readonly string[],
): Promise<void> {
  const options = ['--ignore-scripts=false', '--no-audit', '--no-color', '--loglevel=error'];
  const { code, output } = await run({ tree, file: npm.file, args: ['rebuild', ...packages, ...options] });
  if (code === 0) return;
  const said = npm.words(output);
  const names = packages.map((name) => `"${name}"`).join(', ');
  const ending = `an install script of ${names} failed in its sandbox, which has no network`;
  throw new WarderError('package-failed', said === '' ? ending : `${ending}: ${said}`, {
    hint: 'use "--without-scripts" in place of "--allow-scripts": most servers run without them',
  });
}

function lockOf(resolution: Resolution): NpmLock {
  if ('npm' in resolution) return resolution.npm;
  throw new Error('a lock of another registry');
}

function writeManifest(folder: string, { name, version }: PackageSpec): void {
  const content = { name: 'warder-package', private: true, dependencies: { [name]: version ?? 'latest' } };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(content));
}

/** A package's bins by name, as paths relative to the tree. Paths outside the package are left out. */
function readBins(root: string, name: string): Record<string, string> {
  const folder = `node_modules/${name}`;
  const { bin } = manifest.parse(JSON.parse(readText(join(root, folder, 'package.json'))));
  const declared = typeof bin === 'string' ? { [name.replace(/^.*\//, '')]: bin } : bin;
  const bins: Record<string, string> = {};
  for (const [key, path] of Object.entries(declared)) {
    const inside = join(folder, path);
    if (inside.startsWith(`${folder}/`)) bins[key] = inside;
  }
  return bins;
}
