// Where each host's files are, on the three systems, and what the variables of a user change.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readDocument } from '../../../src/host/document.ts';
import { pathsOf, type Surroundings } from '../../../src/host/host-paths.ts';
import { serversOf } from '../../../src/host/servers.ts';
import { hosts } from '../../../src/host/table.ts';

const LINUX: Surroundings = { platform: 'linux', home: '/home/ada', env: {}, project: '/p' };
const MAC: Surroundings = { ...LINUX, platform: 'darwin', home: '/Users/ada' };
const WINDOWS: Surroundings = {
  platform: 'win32',
  home: 'C:\\Users\\ada',
  env: { APPDATA: 'C:\\Users\\ada\\AppData\\Roaming', LOCALAPPDATA: 'D:\\Local\\' },
  project: 'C:\\p',
};

function user(id: string, surroundings: Surroundings): string[] {
  const [file] = hosts[id]?.files ?? [];
  if (file === undefined) throw new Error(id);
  return pathsOf(file, surroundings);
}

test.each(Object.keys(hosts))('%s has a place on each system, and a fixture with servers', (id) => {
  for (const surroundings of [LINUX, MAC, WINDOWS]) {
    const paths = user(id, surroundings);
    expect(paths.length).toBeGreaterThan(0);
    for (const path of paths) expect(path).toMatch(/^(?:\/|[A-Z]:[\\/])/);
  }
  const [file] = hosts[id]?.files ?? [];
  if (file === undefined) throw new Error(id);
  const fixture = join(import.meta.dirname, '../../fixtures/hosts', `${id}.${file.format}`);
  expect(existsSync(fixture)).toBe(true);
  expect(serversOf(readDocument(readFileSync(fixture, 'utf8'), file.format), file).length).toBeGreaterThan(0);
});

describe('paths', () => {
  test('Claude Desktop, with the Store package of Windows', () => {
    expect(user('claude-desktop', LINUX)).toEqual(['/home/ada/.config/Claude/claude_desktop_config.json']);
    expect(user('claude-desktop', MAC)).toEqual([
      '/Users/ada/Library/Application Support/Claude/claude_desktop_config.json',
    ]);
    expect(user('claude-desktop', WINDOWS)).toEqual([
      'C:\\Users\\ada\\AppData\\Roaming/Claude/claude_desktop_config.json',
      'D:\\Local/Packages/Claude_*/LocalCache/Roaming/Claude/claude_desktop_config.json',
    ]);
    expect(user('claude-desktop', { ...WINDOWS, env: {} })[1]).toBe(
      'C:\\Users\\ada/AppData/Local/Packages/Claude_*/LocalCache/Roaming/Claude/claude_desktop_config.json',
    );
  });

  test.each([
    ['claude-code', 'CLAUDE_CONFIG_DIR', '/d/.claude.json', '/home/ada/.claude.json'],
    ['codex', 'CODEX_HOME', '/d/config.toml', '/home/ada/.codex/config.toml'],
    ['goose', 'XDG_CONFIG_HOME', '/d/goose/config.yaml', '/home/ada/.config/goose/config.yaml'],
    ['zed', 'XDG_CONFIG_HOME', '/d/zed/settings.json', '/home/ada/.config/zed/settings.json'],
    ['vscode', 'XDG_CONFIG_HOME', '/d/Code/User/mcp.json', '/home/ada/.config/Code/User/mcp.json'],
  ])('%s: %s, if it is absolute', (id, variable, moved, usual) => {
    expect(user(id, { ...LINUX, env: { [variable]: '/d/' } })[0]).toBe(moved);
    for (const value of ['d', './d', ''])
      expect(user(id, { ...LINUX, env: { [variable]: value } })[0]).toBe(usual);
  });
});

describe('W-HOST-21 broken files', () => {
  test.each([
    ['json', '{\n  "a": 1,\n  "b" 2\n}', /is not valid JSON: see line 3/],
    ['json', '{\n  "a": "open\n}', /see line 2/],
    ['json', '{}\n{}', /see line 2/],
    ['json', `${'['.repeat(50_000)}${']'.repeat(50_000)}`, /nested too deeply/],
    ['yaml', 'a: 1\nb: [1\nc: 2\n', /is not valid YAML: see line \d/],
    ['yaml', 'a: 1\n\tb: 2\n', /see line 2/],
    ['yaml', 'a: *nobody\n', /is not valid YAML|alias/],
    [
      'yaml',
      `a: &a [x]\n${Array.from({ length: 9 }, (_, i) => `${'bcdefghij'[i]}: &${'bcdefghij'[i]} [${`*${'abcdefghi'[i]},`.repeat(9)}]`).join('\n')}\n`,
      /alias/,
    ],
    ['yaml', 'a: 1\n---\nb: 2\n', /is not valid YAML: see line/],
    ['toml', 'a = 1\nb = \n', /is not valid TOML: see line 2/],
    ['toml', '[a]\nx = 1\n[a]\n', /is not valid TOML/],
    ['toml', 'a = """open\n', /is not valid TOML/],
  ] as const)('%s %#: the reason says which line', (format, text, message) => {
    expect(() => readDocument(text, format)).toThrow(message);
    expect(() => readDocument(text, format)).toThrow(expect.objectContaining({ name: 'Error' }));
  });

  test.each(['', '\n', '\uFEFF'])('nothing in it: %j', (text) => {
    for (const format of ['json', 'yaml', 'toml'] as const)
      expect(readDocument(text, format).value).toBeUndefined();
  });

  test('null, a list, a text: no servers are in it', () => {
    const file = hosts.cursor?.files[0];
    if (file === undefined) throw new Error('cursor');
    for (const text of ['null', '[1]', '"x"', '7', '{"mcpServers": null}', '{"mcpServers": [1]}'])
      expect(serversOf(readDocument(text, 'json'), file)).toEqual([]);
  });
});
