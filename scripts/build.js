// Bundles src/ into dist/ together with its packages: the launcher as one CommonJS file (no module loader at start-up),
// the daemon (14 MB less memory than unbundled) and the command line (starts in two thirds of the time).
//
// The name of each file ends in the build's id, a hash of all its files, and no build changes a file of another one: a
// daemon of an earlier build goes on with its own files. `dist/current` names the programs of the newest build; it is
// put in place last, by a rename. A daemon that starts removes the builds that no daemon uses (src/os/build.ts).
// `--only` removes all others at once: for a package.
//
// The native launcher (src/native/) is compiled where there is a C compiler; without it hosts start the launcher in Node. So a
// tarball of `npm pack` has that of the platform on which it was packed. A release has none of its own: what `--native FILE`
// says of those in packages for each platform is recorded.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { build } from 'esbuild';
import { compileHere } from './native/compile.js';

const shared = {
  bundle: true,
  write: false,
  // Source text stays in memory, is read at each start, and a larger daemon forks more slowly: minifying saves 3 MB.
  minify: true,
  platform: 'node',
  target: 'node22.22',
  logLevel: 'warning',
  absWorkingDir: join(import.meta.dirname, '..'),
  outdir: 'dist',
};
/** Of the programs that are ES modules. */
const modules = {
  ...shared,
  format: 'esm',
  splitting: true,
  // The CommonJS of one package cannot be bundled: it gets its loader as an argument.
  mainFields: ['module', 'main'],
  // Two packages contain compiled code. The exports of the third, which is CommonJS and loaded on demand, are not found
  // by name in a bundle.
  external: ['koffi', '@napi-rs/keyring', 'dbus-native'],
  banner: {
    js: "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);",
  },
};

/**
 * Who imports `node:http` as a module gets all its exports read, and three of them load another HTTP client, undici, in
 * 20 ms. It is taken as the object that it is.
 */
const httpAlone = {
  name: 'http-alone',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(node:)?http$/ }, () => ({ path: 'node:http', namespace: 'http-alone' }));
    onLoad({ filter: /./, namespace: 'http-alone' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
    }));
  },
};

/** V8 keeps a text with one character beyond Latin-1 in two bytes each. esbuild leaves them in regular expressions only. */
const inAscii = (text) =>
  text.replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

/**
 * The package that measures text for the help prepares tables of Unicode when it is loaded, which takes 30 ms at each
 * start of the command line. This loads it for the first text that is not plain ASCII.
 */
const widthOnDemand = {
  name: 'width-on-demand',
  setup({ onResolve, onLoad, resolve }) {
    onResolve({ filter: /^string-width$/ }, async ({ resolveDir, kind, pluginData }) => {
      if (pluginData === 'found') return undefined;
      const { path } = await resolve('string-width', { resolveDir, kind, pluginData: 'found' });
      return { path, namespace: 'width-on-demand' };
    });
    onLoad({ filter: /./, namespace: 'width-on-demand' }, ({ path }) => ({
      contents: `export default (text, options) =>
        /^[ -~]*$/.test(text) ? text.length : require(${JSON.stringify(path)}).default(text, options);`,
      resolveDir: dirname(path),
    }));
  },
};

/** yargs finds its messages by its own place, and looks for a package.json above it: it is told where it is installed. */
const yargsInPlace = {
  name: 'yargs-in-place',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]yargs[\\/]lib[\\/]platform-shims[\\/]esm\.mjs$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8').replaceAll('import.meta.url', 'place');
      if (!text.includes('place')) throw new Error('yargs has another way to find its place');
      return {
        contents: `const place = new URL('lib/platform-shims/esm.mjs', import.meta.resolve('yargs'));\n${text}`,
      };
    });
  },
};

const built = await Promise.all([
  build({
    ...shared,
    entryPoints: ['src/launcher.ts'],
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
  }),
  build({
    ...modules,
    entryPoints: {
      daemon: 'src/daemon.ts',
      keyring: 'src/keyring.ts',
      gate: 'src/egress/thread/worker.ts',
      landlock: 'src/sandbox/linux/landlock-stage.ts',
      namespace: 'src/sandbox/network/namespace-stage.ts',
    },
    chunkNames: 'daemon_[hash]',
    plugins: [httpAlone],
  }),
  build({
    ...modules,
    entryPoints: ['src/cli.ts'],
    chunkNames: 'cli_[hash]',
    plugins: [httpAlone, widthOnDemand, yargsInPlace],
  }),
]);

const dist = join(shared.absWorkingDir, shared.outdir);
mkdirSync(dist, { recursive: true });
const outputs = built
  .flatMap(({ outputFiles }) => outputFiles)
  .map((file) => ({ name: basename(file.path), text: inAscii(file.text) }))
  .sort((a, b) => (a.name < b.name ? -1 : 1));
const only = process.argv.includes('--only');
const delivered = process.argv.indexOf('--native') + 1;
const { program, why } = delivered > 0 ? {} : compileHere();
if (why !== undefined) process.stderr.write(`build: no native launcher: ${why}\n`);
const native = {
  ...(delivered > 0 && JSON.parse(readFileSync(process.argv[delivered], 'utf8'))),
  ...(program && { [`${process.platform}-${process.arch}`]: { file: 'native', sha256: sha256(program) } }),
};
const id = buildId([...outputs, native]);
const names = new Map(outputs.map(({ name }) => [name, name.replace(/\.c?js$/, `-${id}$&`)]));
for (const { name, text } of outputs) {
  // The parts import each other by name.
  const linked = text.replace(/\b(?:daemon|cli)_[A-Z2-7]{8}\.js\b/g, (part) => names.get(part) ?? part);
  put(names.get(name), linked);
}
const programs = ['launcher.cjs', 'daemon.js', 'cli.js'].map((name) => [
  name.replace(/\..*/, ''),
  names.get(name),
]);
if (program !== undefined) {
  names.set('native', `native-${id}`);
  native[`${process.platform}-${process.arch}`].file = names.get('native');
  put(names.get('native'), program, 0o755);
}
put('current', `${JSON.stringify({ ...Object.fromEntries(programs), native })}\n`);
if (only) {
  const kept = new Set(['current', ...names.values()]);
  for (const name of readdirSync(dist)) if (!kept.has(name)) rmSync(join(dist, name), { recursive: true });
}

/** Eight characters of base32 over the names and contents of all files. */
function buildId(files) {
  const digest = createHash('sha256').update(JSON.stringify(files)).digest();
  return Array.from(digest.subarray(0, 8), (byte) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[byte % 32]).join('');
}

function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Writes a file that appears whole. */
function put(name, text, mode = 0o644) {
  const draft = join(dist, `${name}.${process.pid}.tmp`);
  writeFileSync(draft, text, { mode });
  renameSync(draft, join(dist, name));
}
