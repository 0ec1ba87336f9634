// Bundles src/ into dist/: the launcher as one CommonJS file (no module loader at start-up), the daemon and
// the command line as ES modules that share chunks. Packages stay outside the bundles.
import { rmSync } from 'node:fs';
import { build } from 'esbuild';

const shared = { bundle: true, platform: 'node', target: 'node22.22', packages: 'external', logLevel: 'warning' };
rmSync('dist', { recursive: true, force: true });
await Promise.all([
  build({ ...shared, entryPoints: ['src/launcher.ts'], format: 'cjs', outfile: 'dist/launcher.cjs', minify: true }),
  build({
    ...shared,
    entryPoints: ['src/daemon.ts', 'src/cli.ts'],
    format: 'esm',
    outdir: 'dist',
    splitting: true,
    chunkNames: 'chunk-[hash]',
    sourcemap: true,
  }),
]);
