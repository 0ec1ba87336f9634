import { describe, expect, test } from 'vitest';
import { parseNpx, parseUvx } from '../../../src/package/readme-line.ts';
import { formatSpec } from '../../../src/package/spec.ts';

describe('an npx line', () => {
  test.each([
    ['npx -y @scope/server@1.2 /notes', { name: '@scope/server', version: '1.2' }, undefined, ['/notes']],
    ['npx --yes server "a b" --flag', { name: 'server', version: undefined }, undefined, ['a b', '--flag']],
    ['npx -y -p @scope/many -- one --x', { name: '@scope/many', version: undefined }, 'one', ['--x']],
    ["npm exec --package=many@2 -- one 'it''s'", { name: 'many', version: '2' }, 'one', ['its']],
    ['npx server a\\ b ""', { name: 'server', version: undefined }, undefined, ['a b', '']],
  ])('%s', (line, spec, bin, args) => {
    expect(parseNpx(line)).toEqual({ spec: { registry: 'npm', extras: [], ...spec }, bin, args });
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

describe('a uvx line', () => {
  test.each([
    ['uvx mcp-server-fetch --ignore-robots-txt', 'pypi:mcp-server-fetch', undefined, ['--ignore-robots-txt']],
    [
      'uvx mcp-server-git@2026.1.2 --repository "a b"',
      'pypi:mcp-server-git==2026.1.2',
      undefined,
      ['--repository', 'a b'],
    ],
    ["uvx --from 'mcp[cli]==1.2' mcp run x.py", 'pypi:mcp[cli]==1.2', 'mcp', ['run', 'x.py']],
    ['uv tool run -q --from=many>=1 two', 'pypi:many>=1', 'two', []],
    ['uvx --isolated -- server -- --x', 'pypi:server', undefined, ['--', '--x']],
  ])('%s', (line, spec, bin, args) => {
    const parsed = parseUvx(line.includes('>') ? line.split(' ') : line);
    expect({ ...parsed, spec: formatSpec(parsed.spec) }).toEqual({ spec, bin, args });
  });

  test('names the Python that it asks for', () => {
    expect(parseUvx('uvx --python 3.12 server').python).toBe('3.12');
    expect(parseUvx('uvx -p 3.13 server').python).toBe('3.13');
  });

  test.each([
    'npx server',
    'uv run server',
    'uvx',
    'uvx --from server',
    'uvx --from git+https://example.com/x.git server',
    'uvx --with other server',
    'uvx --index-url http://example.com/simple server',
    'uvx --extra-index-url http://example.com/simple server',
    'uvx ./server',
    'uvx https://example.com/server.whl',
    'uvx server $(id)',
    'uvx server; id',
    'uvx "server',
  ])('W-PKG-5 %s is refused: no shell reads it, and nothing of it is lost', (line) => {
    expect(() => parseUvx(line)).toThrow(expect.objectContaining({ code: 'package-spec' }));
  });
});
