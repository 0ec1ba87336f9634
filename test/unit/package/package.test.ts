import { describe, expect, test } from 'vitest';
import { diffLocks, installScripts, parseNpmLock } from '../../../src/package/lock.ts';
import { formatSpec, isExact, parseNpx, parseSpec } from '../../../src/package/spec.ts';
import { diffListings } from '../../../src/package/tree.ts';

describe('a package spec', () => {
  test.each([
    ['npm:server', { name: 'server', version: undefined }],
    ['npm:server@1.2.3', { name: 'server', version: '1.2.3' }],
    ['npm:@scope/server@^1', { name: '@scope/server', version: '^1' }],
    ['npm:@scope/server', { name: '@scope/server', version: undefined }],
  ])('%s is parsed and formatted again', (text, spec) => {
    expect(parseSpec(text)).toEqual(spec);
    expect(formatSpec(spec)).toBe(text);
  });

  test.each([
    'server@1.2.3',
    'pypi:server@1.2.3',
    'npm:',
    'npm:Upper@1.0.0',
    'npm:../../etc@1.0.0',
    'npm:a/b@1.0.0',
    'npm:server@git+https://example.com/x.git',
    'npm:server@file:../x',
    'npm:--registry@1.0.0 x;y',
  ])('%s is refused', (text) => {
    expect(() => parseSpec(text)).toThrow(expect.objectContaining({ code: 'package-spec' }));
  });

  test.each([
    ['1.2.3', true],
    ['2026.8.31', true],
    ['1.2.3-rc.1+b', true],
    ['^1.2.3', false],
    ['1.2', false],
    ['latest', false],
    [undefined, false],
  ])('%s is exact: %s', (version, exact) => {
    expect(isExact(version)).toBe(exact);
  });
});

describe('an npx line', () => {
  test.each([
    ['npx -y @scope/server@1.2 /notes', { name: '@scope/server', version: '1.2' }, undefined, ['/notes']],
    ['npx --yes server "a b" --flag', { name: 'server', version: undefined }, undefined, ['a b', '--flag']],
    ['npx -y -p @scope/many -- one --x', { name: '@scope/many', version: undefined }, 'one', ['--x']],
    ["npm exec --package=many@2 -- one 'it''s'", { name: 'many', version: '2' }, 'one', ['its']],
    ['npx server a\\ b ""', { name: 'server', version: undefined }, undefined, ['a b', '']],
  ])('%s', (line, spec, bin, args) => {
    expect(parseNpx(line)).toEqual({ spec, bin, args });
  });

  test.each([
    'uvx server',
    'npx',
    'npx -y',
    'npx --call "rm -rf /"',
    'npx server $(id)',
    'npx server; id',
    'npx "server',
  ])('W-PKG-5 %s is refused: no shell reads it', (line) => {
    expect(() => parseNpx(line)).toThrow(expect.objectContaining({ code: 'package-spec' }));
  });
});

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
    expect(installScripts(parsed, { os: 'linux', cpu: 'x64' })).toEqual(['d', 'e']);
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
    expect(installScripts(now)).toEqual(['@c/d']);
    expect(diffLocks(before, now)).toEqual({
      added: ['@c/d@3.0.0'],
      removed: ['b@1.0.0'],
      moved: [{ name: 'a', from: '1.0.0', to: '1.1.0' }],
      scripts: ['@c/d'],
    });
  });
});

test('two listings are compared by path', () => {
  const before = 'd .\nf aa - a%20b\nf bb - c\n';
  expect(diffListings(before, before)).toBeUndefined();
  expect(diffListings(before, 'd .\nf ab - a%20b\nl c d\n')).toEqual({
    changed: ['a b'],
    added: ['d'],
    removed: ['c'],
  });
});
