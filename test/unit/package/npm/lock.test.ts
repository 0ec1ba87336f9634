import { describe, expect, test } from 'vitest';
import { diffLocks } from '../../../../src/package/lock.ts';
import { npmInstallScripts, parseNpmLock } from '../../../../src/package/npm/lock.ts';

describe("npm's lock", () => {
  const lock = (packages: object) => JSON.stringify({ lockfileVersion: 3, packages });

  test('W-PKG-2 a dependency without an integrity hash is refused', () => {
    const text = lock({
      '': {},
      'node_modules/a': { version: '1.0.0', resolved: 'git+ssh://git@example.com/a.git' },
    });
    expect(() => parseNpmLock(text)).toThrow(expect.objectContaining({ code: 'package-integrity' }));
  });

  test('W-PKG-2 a bundled dependency has the hash of the archive that it comes in', () => {
    const bundled = { version: '1.0.0', inBundle: true };
    const packages = {
      '': {},
      'node_modules/a': { version: '1.0.0', integrity: 'x' },
      'node_modules/a/node_modules/b': bundled,
      'node_modules/a/node_modules/@s/c/node_modules/d': bundled,
      'node_modules/a/node_modules/@s/c': bundled,
    };
    expect(Object.keys(parseNpmLock(lock(packages)).packages)).toHaveLength(5);
    for (const bad of [
      { ...packages, 'node_modules/a': { version: '1.0.0' } },
      { ...packages, 'node_modules/e': bundled },
      { ...packages, 'node_modules/a/node_modules/b': { version: '1.0.0' } },
    ]) {
      expect(() => parseNpmLock(lock(bad))).toThrow(expect.objectContaining({ code: 'package-integrity' }));
    }
  });

  test('optional packages that the registry does not have are left out, and others stay', () => {
    const parsed = parseNpmLock(
      lock({
        '': {},
        'node_modules/a': {
          version: '1.0.0',
          integrity: 'x',
          optionalDependencies: { gone: '1', absent: '1', b: '1', c: '1' },
        },
        'node_modules/a/node_modules/b': { version: '1.0.0', integrity: 'x', optional: true },
        'node_modules/c': { version: '1.0.0', integrity: 'x', optional: true },
        'node_modules/gone': { optional: true },
      }),
    );
    expect(parsed.packages['node_modules/a']?.optionalDependencies).toEqual({ b: '1', c: '1' });
    expect(parsed.packages).not.toHaveProperty('node_modules/gone');
  });

  test('the install scripts of optional packages for other platforms do not count', () => {
    const entry = { version: '1.0.0', integrity: 'x', hasInstallScript: true, optional: true };
    const parsed = parseNpmLock(
      lock({
        '': {},
        'node_modules/a': { ...entry, os: ['darwin'] },
        'node_modules/b': { ...entry, os: ['!linux'] },
        'node_modules/c': { ...entry, cpu: ['arm64'] },
        'node_modules/d': { ...entry, os: ['linux'], cpu: ['x64', 'arm64'] },
        'node_modules/e': { ...entry, optional: false, os: ['darwin'] },
      }),
    );
    expect(npmInstallScripts(parsed, { os: 'linux', cpu: 'x64' })).toEqual(['d', 'e']);
  });

  test('two locks are compared by package and version, and new install scripts are listed', () => {
    const before = parseNpmLock(
      lock({
        '': {},
        'node_modules/a': { version: '1.0.0', integrity: 'x' },
        'node_modules/b': { version: '1.0.0', integrity: 'x' },
      }),
    );
    const now = parseNpmLock(
      lock({
        '': {},
        'node_modules/a': { version: '1.1.0', integrity: 'y' },
        'node_modules/a/node_modules/@c/d': { version: '3.0.0', integrity: 'z', hasInstallScript: true },
      }),
    );
    expect(npmInstallScripts(now)).toEqual(['@c/d']);
    expect(diffLocks({ npm: before }, { npm: now })).toEqual({
      added: ['@c/d@3.0.0'],
      removed: ['b@1.0.0'],
      moved: [{ name: 'a', from: '1.0.0', to: '1.1.0' }],
      scripts: ['@c/d'],
    });
  });
});
