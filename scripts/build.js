// Bundles src/ into dist/: the launcher as one CommonJS file (no module loader at start-up), the daemon with
// its packages (14 MB less memory than by itself and them), the command line without them. Each file is put
// in place by a rename and what is left over goes last, so a Warder that runs from dist/ meanwhile finds whole
// files.
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build } from 'esbuild';

const shared = {
  bundle: true,
  write: false,
  platform: 'node',
  target: 'node22.22',
  logLevel: 'warning',
  absWorkingDir: join(import.meta.dirname, '..'),
  outdir: 'dist',
};
const built = await Promise.all([
  build({
    ...shared,
    entryPoints: ['src/launcher.ts'],
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    minify: true,
  }),
  build({
    ...shared,
    entryPoints: [
      'src/daemon.ts',
      'src/keyring.ts',
      'src/sandbox/linux/landlock-stage.ts',
      'src/sandbox/network/namespace-stage.ts',
    ],
    entryNames: '[name]',
    format: 'esm',
    splitting: true,
    chunkNames: 'daemon-[hash]',
    // Those that hold compiled code, and one that a bundle would not find by its names: it is CommonJS, and
    // loaded when it is needed.
    external: ['koffi', '@napi-rs/keyring', 'dbus-native'],
    // What is read at the start is kept in memory, and a larger daemon forks more slowly: 3 MB less.
    minify: true,
    banner: {
      js: "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);",
    },
  }),
  build({
    ...shared,
    entryPoints: ['src/cli.ts'],
    packages: 'external',
    format: 'esm',
    splitting: true,
    chunkNames: 'cli-[hash]',
  }),
]);

const dist = join(shared.absWorkingDir, shared.outdir);
mkdirSync(dist, { recursive: true });
const files = new Map(
  built.flatMap((one) => one.outputFiles).map((file) => [basename(file.path), file.contents]),
);
for (const [name, contents] of files) {
  const draft = join(dist, `${name}.${process.pid}.tmp`);
  writeFileSync(draft, contents);
  renameSync(draft, join(dist, name));
}
for (const name of readdirSync(dist)) {
  if (!files.has(name) && !name.endsWith('.tmp')) rmSync(join(dist, name), { recursive: true, force: true });
}
