// The packages of a release, made by its script, and installed by npm as a user does it: Warder, and the launcher of this platform
// beside it. Only with SLOW=1, as before a release: what an installation does with such packages is in place.test.ts.
import { execFileSync } from 'node:child_process';
import { globSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { findCompiler } from '../../../scripts/native/compile.js';
import { Client } from '../../fixtures/client.ts';
import { Home, server } from '../../fixtures/home.ts';
import { hasNative } from '../../fixtures/launchers.ts';
import { npm } from '../../fixtures/npm.ts';

const root = join(import.meta.dirname, '../../..');
const here = `${process.platform}-${process.arch}`;
/** A platform whose launcher is compiled here, and runs a session by an emulator. */
const elsewhere =
  here === 'linux-x64' && findCompiler(['aarch64-linux-gnu-gcc']) && findCompiler(['qemu-aarch64-static'])
    ? 'linux-arm64'
    : undefined;

test.runIf(hasNative && process.env.SLOW === '1')(
  'a release has the launcher of each platform in a package of its own, whose digest Warder records; with it installed hosts start that',
  { timeout: 300_000 },
  async () => {
    const dir = realpathSync(mkdtempSync(join(tmpdir(), 'warder-release-')));
    try {
      const targets = [here, ...(elsewhere === undefined ? [] : [elsewhere])];
      const env = { ...process.env, npm_config_cache: join(dir, 'cache') };
      const script = join(root, 'scripts/native/pack.js');
      execFileSync(process.execPath, [script, dir, ...targets], { env, stdio: 'pipe' });
      const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
      const bare = join(dir, 'bare');
      const prefix = join(dir, 'prefix');
      mkdirSync(bare);
      const install = (name: string): string => {
        const options = ['--prefix', prefix, '--ignore-scripts', '--prefer-offline'];
        npm(['install', '-g', ...options, join(dir, `${name}-${version}.tgz`)], dir, bare);
        return join(prefix, 'lib/node_modules', name);
      };

      const warder = install('warder');
      const manifest = JSON.parse(readFileSync(join(warder, 'package.json'), 'utf8'));
      expect(manifest.optionalDependencies).toMatchObject(
        Object.fromEntries(targets.map((target) => [`warder-${target}`, version])),
      );
      expect(manifest).not.toHaveProperty('scripts');
      expect(globSync('dist/native-*', { cwd: warder })).toEqual([]);
      const path = `${dirname(process.execPath)}:/usr/bin:/bin`;
      await using home = new Home({ program: [join(prefix, 'bin/warder')], env: { PATH: path } });
      const launch = join(home.dir, '.local/share/warder/bin/warder');
      await home.done(['init', '--store', 'vault', '--key-file', join(home.dir, 'key')]);
      // The package of this platform was not installed: the script is the launch command.
      expect(readFileSync(launch, 'utf8')).toMatch(/^#!\/bin\/sh/);

      const platform = install(`warder-${here}`);
      await home.done(['init']);
      expect(readFileSync(launch).equals(readFileSync(join(platform, 'warder')))).toBe(true);
      await home.done(['add', 'small', '--no-test', '--allow', 'echo', '--', ...server('everything')]);
      await home.done(['daemon', 'start']);
      await using client = new Client([launch, 'run', 'small'], home.env, home.dir);
      await client.initialize();
      const call = { name: 'echo', arguments: { message: 'here' } };
      const { result } = await client.request('tools/call', call);
      expect(result).toMatchObject({ content: [{ text: 'Echo: here' }] });
      expect(readFileSync(`/proc/${client.pid}/comm`, 'utf8')).toBe('warder\n');
      if (elsewhere !== undefined) expect(() => install(`warder-${elsewhere}`)).toThrow(/EBADPLATFORM/);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  },
);
