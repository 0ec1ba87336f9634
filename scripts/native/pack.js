// Makes the packages of a release: one for each platform with its native launcher alone, and Warder, which names them as
// optional and records the digest of each launcher.
//
//     node scripts/native/pack.js FOLDER [PLATFORM-ARCH ...]
//
// A machine makes what its compilers can: Linux x64, and with Debian's gcc-aarch64-linux-gnu and qemu-user-static also arm64; a
// Mac both of its own. Each launcher is run before it is packed. Warder is packed with those that are in FOLDER, so the machines
// of a release add theirs one after the other.
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { compile, findCompiler } from './compile.js';

const root = join(import.meta.dirname, '../..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** How a platform's launcher is made: the compilers, the flags that make them compile for it, and what runs it elsewhere. */
const TARGETS = {
  'linux-x64': { compilers: ['x86_64-linux-gnu-gcc', 'gcc'], on: ['linux-x64'] },
  'linux-arm64': {
    compilers: ['aarch64-linux-gnu-gcc'],
    on: ['linux-x64', 'linux-arm64'],
    runner: 'qemu-aarch64-static',
  },
  'darwin-arm64': { compilers: ['clang'], on: ['darwin-arm64'] },
  'darwin-x64': { compilers: ['clang'], on: ['darwin-x64'] },
};
const here = `${process.platform}-${process.arch}`;

const [folder, ...wanted] = process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write('usage: node scripts/native/pack.js FOLDER [PLATFORM-ARCH ...]\n');
  process.exit(64);
}
const output = resolve(folder);
mkdirSync(output, { recursive: true });
const work = realpathSync(mkdtempSync(join(tmpdir(), 'warder-pack-')));
try {
  const targets =
    wanted.length > 0 ? wanted : Object.keys(TARGETS).filter((name) => TARGETS[name].on.includes(here));
  for (const target of targets) await makeLauncher(target);
  makeWarder();
} finally {
  rmSync(work, { recursive: true });
}

async function makeLauncher(target) {
  const { compilers, runner } = TARGETS[target] ?? fail(`there is no platform "${target}"`);
  const compiler = findCompiler(compilers) ?? fail(`${target} needs one of these compilers: ${compilers}`);
  const [platform, arch] = target.split('-');
  const name = `${manifest.name}-${target}`;
  const place = join(work, name);
  const program = join(place, 'warder');
  mkdirSync(place);
  compile(program, { compiler, platform, arch });
  chmodSync(program, 0o755);
  await tryLauncher(
    program,
    target === here ? [] : [findCompiler([runner]) ?? fail(`${target} needs ${runner}`)],
  );
  const { version, license } = manifest;
  const description = `Warder's native launcher for ${target}`;
  const own = { name, version, description, license, os: [platform], cpu: [arch], files: ['warder'] };
  writeFileSync(join(place, 'package.json'), `${JSON.stringify(own, null, 2)}\n`);
  cpSync(join(root, 'LICENSE'), join(place, 'LICENSE'));
  pack(place);
  const sha256 = createHash('sha256').update(readFileSync(program)).digest('hex');
  writeFileSync(join(output, `${target}.json`), JSON.stringify({ [target]: { package: name, sha256 } }));
}

/** Runs a launcher through one session, whose daemon sends back what it is sent. */
async function tryLauncher(program, words) {
  const run = join(work, 'home/.local/state/warder/run');
  mkdirSync(run, { recursive: true, mode: 0o700 });
  const frame = (type, payload) =>
    Buffer.concat([Buffer.from([type, payload.length, 0, 0, 0]), Buffer.from(payload)]);
  const server = createServer((socket) => {
    let seen = '';
    // The answer to HELLO.
    socket.write(frame(2, ''));
    socket.on('data', (bytes) => {
      seen += bytes;
      if (seen.includes('over\n')) socket.end(Buffer.concat([frame(2, 'and out\n'), frame(6, '{"exit":7}')]));
    });
  });
  await new Promise((done) => server.listen(join(run, 'daemon.sock'), done));
  const child = spawn(words[0] ?? program, [...(words.length > 0 ? [program] : []), 'run', 'x'], {
    env: { HOME: join(work, 'home') },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (bytes) => {
    said += bytes;
  });
  child.stdin.write('over\n');
  const code = await new Promise((done) => child.on('close', done));
  await new Promise((done) => server.close(done));
  if (code !== 7 || said !== 'and out\n')
    fail(`${program} ended with ${code}, and said ${JSON.stringify(said)}`);
}

/** Packs Warder with what is recorded of the launchers in the folder. */
function makeWarder() {
  const native = Object.assign(
    {},
    ...readdirSync(output)
      .filter((name) => name.endsWith('.json'))
      .map((name) => JSON.parse(readFileSync(join(output, name), 'utf8'))),
  );
  const place = join(work, manifest.name);
  for (const name of [
    'bin',
    'profiles',
    'scripts',
    'src',
    'tsconfig.json',
    'README.md',
    'SECURITY.md',
    'CHANGELOG.md',
    'LICENSE',
  ])
    cpSync(join(root, name), join(place, name), { recursive: true });
  symlinkSync(realpathSync(join(root, 'node_modules')), join(place, 'node_modules'));
  const { scripts: _, devDependencies: __, ...kept } = manifest;
  const packages = Object.values(native).map((entry) => [entry.package, manifest.version]);
  const optionalDependencies = { ...manifest.optionalDependencies, ...Object.fromEntries(packages) };
  writeFileSync(
    join(place, 'package.json'),
    `${JSON.stringify({ ...kept, optionalDependencies }, null, 2)}\n`,
  );
  const recorded = join(work, 'native.json');
  writeFileSync(recorded, JSON.stringify(native));
  const build = [join(place, 'scripts/build.js'), '--only', '--native', recorded];
  execFileSync(process.execPath, build, { stdio: ['ignore', 'ignore', 'inherit'] });
  rmSync(join(place, 'node_modules'));
  pack(place);
}

function pack(place) {
  const words = ['pack', '--ignore-scripts', '--silent', '--pack-destination', output];
  process.stdout.write(execFileSync('npm', words, { cwd: place, encoding: 'utf8' }));
}

function fail(message) {
  throw new Error(message);
}
