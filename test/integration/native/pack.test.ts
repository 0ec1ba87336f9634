// The packages of a release, made and unpacked as npm does it: Warder, and the launcher of this platform beside it. Only with
// SLOW=1, as before a release: what an installation does with such packages is in place.test.ts.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hasNative } from '../../fixtures/launchers.ts';

const root = join(import.meta.dirname, '../../..');
const here = `${process.platform}-${process.arch}`;

test.runIf(hasNative && process.env.SLOW === '1')(
  'a release has the launcher in a package of its own, whose digest Warder records, and `init` puts it in its place',
  { timeout: 120_000 },
  () => {
    const dir = realpathSync(mkdtempSync(join(tmpdir(), 'warder-release-')));
    try {
      const script = join(root, 'scripts/native/pack.js');
      const env = { ...process.env, npm_config_cache: join(dir, 'cache') };
      execFileSync(process.execPath, [script, dir, here], { env, stdio: 'pipe' });
      const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
      const modules = join(dir, 'lib/node_modules');
      const install = (name: string): string => {
        const place = join(modules, name);
        mkdirSync(place, { recursive: true });
        const tarball = join(dir, `${name}-${version}.tgz`);
        execFileSync('tar', ['-xzf', tarball, '-C', place, '--strip-components=1', '--no-same-owner']);
        return place;
      };
      const warder = install('warder');
      const manifest = JSON.parse(readFileSync(join(warder, 'package.json'), 'utf8'));
      expect(manifest.optionalDependencies).toMatchObject({ [`warder-${here}`]: version });
      expect(manifest).not.toHaveProperty('scripts');
      symlinkSync(join(root, 'node_modules'), join(warder, 'node_modules'));
      const home = join(dir, 'home');
      mkdirSync(home);
      const run = (...words: string[]): string =>
        execFileSync(process.execPath, [join(warder, 'bin/warder.js'), ...words], {
          env: { HOME: home, PATH: '/usr/bin:/bin' },
          encoding: 'utf8',
        });
      const launch = join(home, '.local/share/warder/bin/warder');
      run('init', '--store', 'vault', '--key-file', join(dir, 'key'));
      // The package of this platform was not installed: the script is the launch command.
      expect(readFileSync(launch, 'utf8')).toMatch(/^#!\/bin\/sh/);
      const platform = install(`warder-${here}`);
      run('init');
      expect(readFileSync(launch).equals(readFileSync(join(platform, 'warder')))).toBe(true);
      expect(execFileSync(launch, ['--version'], { encoding: 'utf8', env: { HOME: home } }).trim()).toBe(
        version,
      );
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  },
);
