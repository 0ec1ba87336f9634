import { describe, expect, test } from 'vitest';
import { formatSpec, isExact, lockId, parseSpec, withVersion } from '../../../src/package/spec.ts';

describe('a package of npm', () => {
  test.each([
    ['npm:server', { name: 'server', version: undefined }],
    ['npm:server@1.2.3', { name: 'server', version: '1.2.3' }],
    ['npm:@scope/server@^1', { name: '@scope/server', version: '^1' }],
    ['npm:@scope/server', { name: '@scope/server', version: undefined }],
  ])('%s is parsed and formatted again', (text, spec) => {
    expect(parseSpec(text)).toEqual({ registry: 'npm', extras: [], ...spec });
    expect(formatSpec(parseSpec(text))).toBe(text);
  });

  test.each([
    'server@1.2.3',
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
    expect(isExact({ registry: 'npm', name: 'server', extras: [], version })).toBe(exact);
  });
});

describe('a package of PyPI', () => {
  test.each([
    ['pypi:server', 'server', [], undefined, 'pypi:server'],
    [
      'pypi:Mcp_Server.Fetch==2026.8.31',
      'mcp-server-fetch',
      [],
      '2026.8.31',
      'pypi:mcp-server-fetch==2026.8.31',
    ],
    [
      'pypi:mcp[Cli, ws]==1!2.0rc1.post2',
      'mcp',
      ['cli', 'ws'],
      '1!2.0rc1.post2',
      'pypi:mcp[cli,ws]==1!2.0rc1.post2',
    ],
    ['pypi:server>=1, <2', 'server', [], '>=1,<2', 'pypi:server>=1,<2'],
    ['pypi:server==1.*', 'server', [], '==1.*', 'pypi:server==1.*'],
    ['pypi:server@1.0', 'server', [], '1.0', 'pypi:server==1.0'],
    ['pypi:server@latest', 'server', [], undefined, 'pypi:server'],
    ['pypi:server == 1.0+local.1', 'server', [], '1.0+local.1', 'pypi:server==1.0+local.1'],
  ])('%s is parsed, and formatted in its normal form', (text, name, extras, version, formatted) => {
    const spec = parseSpec(text);
    expect(spec).toEqual({ registry: 'pypi', name, extras, version });
    expect(formatSpec(spec)).toBe(formatted);
    expect(parseSpec(formatted)).toEqual(spec);
  });

  test.each([
    'pypi:',
    'pypi:../../etc==1.0',
    'pypi:-r==1.0',
    'pypi:--index-url=http://example.com',
    'pypi:server @ git+https://example.com/x.git',
    'pypi:server@git+https://example.com/x.git',
    'pypi:https://example.com/x.whl',
    'pypi:./server',
    'pypi:server==1.0; python_version < "3"',
    'pypi:server==1.0 --hash=sha256:00',
    'pypi:server[../x]==1.0',
    'pypi:server\n==1.0',
    'PYPI:server==1.0',
    'conda:server==1.0',
    `pypi:${'a'.repeat(300)}`,
  ])('%j is refused', (text) => {
    expect(() => parseSpec(text)).toThrow(expect.objectContaining({ code: 'package-spec' }));
  });

  test('only a whole version of the normal form is exact', () => {
    const exact = ['1', '1.0', '1!1.0a1', '2026.8.31', '1.0.post1.dev3', '1.0+abc'];
    const others = ['==1.*', '>=1.0', '==1.0-Beta', undefined];
    const isOne = (version: string | undefined) =>
      isExact({ registry: 'pypi', name: 'server', extras: [], version });
    expect(exact.filter(isOne)).toEqual(exact);
    expect(others.filter(isOne)).toEqual([]);
  });

  test('the same package in another version', () => {
    const spec = parseSpec('pypi:mcp[cli]==1.0');
    expect(formatSpec(withVersion(spec, undefined))).toBe('pypi:mcp[cli]');
    expect(formatSpec(withVersion(spec, 'latest'))).toBe('pypi:mcp[cli]');
    expect(formatSpec(withVersion(spec, '2.0'))).toBe('pypi:mcp[cli]==2.0');
    expect(formatSpec(withVersion(spec, '>=2,<3'))).toBe('pypi:mcp[cli]>=2,<3');
    expect(() => withVersion(spec, '2.0; x')).toThrow(expect.objectContaining({ code: 'package-spec' }));
    expect(formatSpec(withVersion(parseSpec('npm:a@1.0.0'), undefined))).toBe('npm:a@latest');
  });

  test('a lock of each registry, name, extra and version has a name of its own', () => {
    const ids = ['npm:a@1.0.0', 'pypi:a==1.0.0', 'pypi:a[b]==1.0.0', 'pypi:a-b==1.0.0', 'npm:@a/b@1.0.0']
      .map(parseSpec)
      .map((spec) => lockId(spec, spec.version ?? ''));
    expect(ids).toEqual(['a@1.0.0', 'pypi+a==1.0.0', 'pypi+a+b==1.0.0', 'pypi+a-b==1.0.0', '@a+b@1.0.0']);
  });
});
