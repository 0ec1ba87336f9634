// Bundles src/ into dist/: the launcher as one CommonJS file (no module loader at start-up), the daemon together with
// its packages (14 MB less memory than unbundled), the command line without packages. Each file is put in place by a
// rename, and old files are removed last, so that a Warder that runs from dist/ meanwhile always finds complete files.
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
    // Two packages contain compiled code. The exports of the third, which is CommonJS and loaded on demand, are not
    // found by name in a bundle.
    external: ['koffi', '@napi-rs/keyring', 'dbus-native'],
    // Source text stays in memory, and a larger daemon forks more slowly: minifying saves 3 MB.
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
  built.flatMap(({ outputFiles }) => outputFiles).map((file) => [basename(file.path), file.contents]),
);
for (const [name, contents] of files) {
  const draft = join(dist, `${name}.${process.pid}.tmp`);
  writeFileSync(draft, contents);
  renameSync(draft, join(dist, name));
}
for (const name of readdirSync(dist)) {
  if (!files.has(name) && !name.endsWith('.tmp')) rmSync(join(dist, name), { recursive: true, force: true });
}
