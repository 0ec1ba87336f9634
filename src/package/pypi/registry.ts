// PyPI, or the index of the user's pip. pip resolves and downloads; Warder checks the hashes and unpacks the wheels itself
// (src/package/pypi/wheel.ts). Nothing of a package runs: no setup.py, no build, no .pth file.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { WarderError } from '../../errors.ts';
import type { Resolution } from '../lock.ts';
import type { Registry } from '../registry.ts';
import { formatSpec, normalName, type PackageSpec } from '../spec.ts';
import { compile } from './compile.ts';
import { type PypiLock, pypiLock, type Wheel } from './lock.ts';
import { yankedCandidate } from './output.ts';
import { MAX_DOWNLOAD, openPip, type Pip } from './pip.ts';
import { Pythons } from './python.ts';
import { Environment } from './wheel.ts';

/** What the registry needs. */
export interface PypiRegistryOptions {
  /** The environment of the user's pip. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Called with each step, to show progress, and with notes that the user has to see. */
  readonly progress: (text: string, isNote?: boolean) => void;
  /** The Python that the user asks for: a version, a name, a path. */
  readonly python: string | undefined;
}

/** pip's installation report, version 1. */
const report = z.looseObject({
  install: z.array(
    z.looseObject({
      metadata: z.looseObject({ name: z.string(), version: z.string() }),
      is_direct: z.boolean().default(false),
      is_yanked: z.boolean().default(false),
      download_info: z.looseObject({
        url: z.string(),
        archive_info: z
          .looseObject({
            hash: z.string().optional(),
            hashes: z.record(z.string(), z.string()).optional(),
          })
          .optional(),
      }),
    }),
  ),
});
type ReportEntry = z.infer<typeof report>['install'][number];

/** The index that the user's pip is set up for. */
export function pypiRegistry({ env, progress, python: wanted }: PypiRegistryOptions): Registry {
  const pythons = new Pythons();
  const opened = new Map<string, Promise<Pip>>();
  const open = (python: PypiLock['python']): Promise<Pip> => {
    const pip = opened.get(python.file) ?? openPip(python, env, progress);
    opened.set(python.file, pip);
    return pip;
  };
  return {
    async resolve(spec, folder, before) {
      const python =
        wanted === undefined && before !== undefined && 'pypi' in before
          ? ((await pythons.current(before.pypi.python)) ?? (await pythons.find(env, undefined)))
          : await pythons.find(env, wanted);
      const pip = await open(python);
      const file = join(folder, 'report.json');
      const requirement = formatSpec(spec).slice('pypi:'.length);
      const options = ['--dry-run', '--ignore-installed', '--report', file, requirement];
      const yanked = yankedCandidate(await pip.run(folder, ['install', ...options]));
      if (yanked !== undefined) throw withdrawn(yanked);
      const wheels = readReport(file)
        .map(toWheel)
        .sort((a, b) => order(spec, a) - order(spec, b) || (a.name < b.name ? -1 : 1));
      const resolved = pypiLock.safeParse({ python, wheels });
      if (resolved.success) return { pypi: resolved.data };
      throw unreadable(resolved.error);
    },
    async install(resolution, spec, root) {
      const { python, wheels } = lockOf(resolution);
      const folder = `${root}.wheels`;
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      progress(
        `installing ${formatSpec(spec)} and ${wheels.length - 1} dependencies for Python ${python.version}`,
      );
      const pip = await open(python);
      await download(pip, folder, wheels);
      mkdirSync(root, { mode: 0o700 });
      const environment = new Environment(root, python);
      let programs: Record<string, string> = {};
      for (const wheel of wheels) {
        const found = await environment.unpack(wheel, readWheel(folder, wheel));
        if (wheel.name === spec.name) programs = found;
      }
      rmSync(folder, { recursive: true });
      progress('compiling its byte code');
      await compile(python, root);
      return programs;
    },
  };
}

function readReport(file: string): ReportEntry[] {
  try {
    return report.parse(JSON.parse(readFileSync(file, 'utf8'))).install;
  } catch (cause) {
    throw unreadable(cause);
  }
}

function unreadable(cause: unknown): WarderError {
  return new WarderError(
    'package-failed',
    'cannot read what pip resolved: a name in it is not of the usual form',
    {
      cause,
      hint: 'choose another version; pip 22.2 or later is needed',
    },
  );
}

function withdrawn(what: string): WarderError {
  return new WarderError('package-missing', `"${what}" was withdrawn by its authors`, {
    hint: 'choose another version',
  });
}

/** The package itself comes last, so that its files stand. */
function order({ name }: PackageSpec, wheel: Wheel): number {
  return wheel.name === name ? 1 : 0;
}

/** A wheel of pip's report. Throws `package-integrity` if it has no hash or is not of the index, `package-missing` if it was withdrawn. */
function toWheel({
  metadata,
  is_direct,
  is_yanked,
  download_info: { url, archive_info },
}: ReportEntry): Wheel {
  const { name, version } = metadata;
  const sha256 =
    archive_info?.hashes?.sha256 ?? /^sha256=([0-9a-f]{64})$/.exec(archive_info?.hash ?? '')?.[1];
  if (is_yanked) throw withdrawn(`${name} ${version}`);
  const file = fileName(url);
  if (is_direct || sha256 === undefined || normalName(file.split('-')[0] ?? '') !== normalName(name)) {
    throw new WarderError('package-integrity', `the dependency "${name}" has no SHA-256 of the index`, {
      hint: 'a server that depends on git, a file or a URL cannot be pinned; choose another version',
    });
  }
  return { name: normalName(name), version, file, sha256 };
}

/** The last part of a URL's path, decoded; empty if it cannot be. */
function fileName(url: string): string {
  try {
    return decodeURIComponent(new URL(url).pathname.split('/').at(-1) ?? '');
  } catch {
    return '';
  }
}

async function download(pip: Pip, folder: string, wheels: readonly Wheel[]): Promise<void> {
  const lines = wheels.map(({ name, version, sha256 }) => `${name}==${version} --hash=sha256:${sha256}\n`);
  writeFileSync(join(folder, 'requirements.txt'), lines.join(''));
  const options = ['--no-deps', '--require-hashes', '--requirement', 'requirements.txt', '--dest', '.'];
  await pip.run(folder, ['download', ...options]);
}

/** A downloaded wheel. It is hashed here too. Throws `package-integrity`. */
function readWheel(folder: string, { file, sha256 }: Wheel): Buffer {
  const path = join(folder, file);
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? Number.POSITIVE_INFINITY;
  const archive = size > MAX_DOWNLOAD ? undefined : readFileSync(path);
  if (archive !== undefined && createHash('sha256').update(archive).digest('hex') === sha256) return archive;
  throw new WarderError('package-integrity', `"${file}" is not what was locked`, {
    hint: "do not run it; try another network, then ask the package's authors",
  });
}

function lockOf(resolution: Resolution): PypiLock {
  if ('pypi' in resolution) return resolution.pypi;
  throw new Error('a lock of another registry');
}
