// `npm pack`, which compiles the native launcher where there is a compiler, then `npm install -g` of that tarball into a prefix of its own, with an empty home, as on a bare machine: no
// development package is there, and no install script of any package is run. npm takes the packages from its cache or the
// registry.
import {
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { Client } from '../fixtures/client.ts';
import { Home, server } from '../fixtures/home.ts';
import { hasNative } from '../fixtures/launchers.ts';
import { npm } from '../fixtures/npm.ts';

const root = join(import.meta.dirname, '../..');
const MAX_TARBALL = 2 * 2 ** 20;

test('W-HOST-7 the tarball of `npm pack` installs on a bare machine, nothing is compiled, and it runs a server', {
  timeout: 180_000,
}, async () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'warder-pack-')));
  try {
    // A clone of its own: packing removes the builds that others use.
    const clone = join(folder, 'clone');
    for (const name of [
      'bin',
      'profiles',
      'scripts',
      'src',
      'package.json',
      'tsconfig.json',
      'README.md',
      'SECURITY.md',
      'CHANGELOG.md',
      'LICENSE',
    ])
      cpSync(join(root, name), join(clone, name), { recursive: true });
    // What a clone has beside that.
    mkdirSync(join(clone, 'test'));
    for (const name of ['test/some.test.ts', '.env', 'bin/left.tmp', 'profiles/notes.tmp'])
      writeFileSync(join(clone, name), '');
    symlinkSync(join(root, 'node_modules'), join(clone, 'node_modules'));
    const bare = join(folder, 'home');
    mkdirSync(bare);
    const [packed] = JSON.parse(npm(['pack', '--json', '--pack-destination', folder], clone, bare));
    const names: string[] = packed.files.map(({ path }: { path: string }) => path);
    expect(names.map((name) => name.split('/')[0])).toEqual(
      expect.arrayContaining(['bin', 'dist', 'profiles']),
    );
    expect(
      names.filter((name) => !/^(?:bin|dist|profiles)\/[^/]+$|^[A-Z]+(?:\.md)?$|^package\.json$/.test(name)),
    ).toEqual([]);
    expect(names.filter((name) => /\.map$|\.tsx?$|\.test\.|\.tmp$|\.lock$/.test(name))).toEqual([]);
    // One build alone.
    const builds = names.flatMap((name) => /-([A-Z2-7]{8})\.c?js$/.exec(name)?.[1] ?? []);
    expect(new Set(builds).size).toBe(1);

    const prefix = join(folder, 'prefix');
    const tarball = join(folder, packed.filename);
    expect(statSync(tarball).size).toBeLessThan(MAX_TARBALL);
    npm(['install', '-g', '--prefix', prefix, '--ignore-scripts', '--prefer-offline', tarball], folder, bare);
    const installed = join(prefix, 'lib/node_modules/warder');
    const packages = readdirSync(join(installed, 'node_modules'));
    for (const development of ['typescript', 'esbuild', 'vitest', '@biomejs'])
      expect(packages).not.toContain(development);
    for (const name of globSync('{bin,dist,profiles}/*', { cwd: installed })) {
      const text = readFileSync(join(installed, name), 'utf8');
      expect(text, name).not.toContain(root);
      expect(text, name).not.toContain(clone);
      expect(text, name).not.toContain('sourceMappingURL');
    }

    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    // The shell of somebody who has this Node and no other.
    const path = `${dirname(process.execPath)}:/usr/bin:/bin`;
    await using home = new Home({ program: [join(prefix, 'bin/warder')], env: { PATH: path } });
    expect((await home.done(['--version'])).trim()).toBe(version);
    const made = await home.done(['init', '--store', 'vault', '--key-file', join(home.dir, 'key')]);
    const launch = join(home.dir, '.local/share/warder/bin/warder');
    expect(made).toContain(`hosts start servers with ${launch}`);
    const script = readFileSync(hasNative ? `${launch}.sh` : launch, 'utf8');
    expect(script).toContain(`\nprogram='${installed}/bin/warder.js'\n`);
    const [native] = globSync('dist/native-*', { cwd: installed });
    expect(native !== undefined).toBe(hasNative);
    if (native !== undefined)
      expect(readFileSync(launch).equals(readFileSync(join(installed, native)))).toBe(true);
    const added = JSON.parse(
      await home.done([
        'add',
        'small',
        '--no-test',
        '--allow',
        'echo',
        '--json',
        '--',
        ...server('everything'),
      ]),
    );
    expect(added.host).toEqual({ command: launch, args: ['run', 'small'] });
    await home.done(['daemon', 'start']);
    await using client = new Client([launch, 'run', 'small'], home.env, home.dir);
    await client.initialize();
    expect(
      await client.request('tools/call', { name: 'echo', arguments: { message: 'here' } }),
    ).toMatchObject({ result: { content: [{ type: 'text', text: 'Echo: here' }] } });
    if (hasNative) expect(readFileSync(`/proc/${client.pid}/comm`, 'utf8')).toBe('warder\n');
    // The compiled parts, which no install script has made.
    const { stdout } = await home.warder(['doctor', '--json']);
    const checks: { name: string; state: string }[] = JSON.parse(stdout).checks;
    expect(checks.find(({ name }) => name === 'peer')).toMatchObject({ state: 'ok' });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
