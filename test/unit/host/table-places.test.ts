import { expect, test } from 'vitest';
import { pathsOf } from '../../../src/host/host-paths.ts';
import { hosts } from '../../../src/host/table.ts';

const surroundings = {
  platform: 'linux',
  home: '/home/anna',
  env: { XDG_CONFIG_HOME: '/home/anna/settings', CLAUDE_CONFIG_DIR: 'relative' },
  project: '/home/anna/shop',
};

/** The paths of a host, of all its files. */
function paths(id: string): string[] {
  return (hosts[id]?.files ?? []).flatMap((file) => pathsOf(file, surroundings));
}

test('OpenCode is looked for in every place from which it reads and joins its servers', () => {
  expect(paths('opencode')).toEqual([
    ...['opencode.json', 'opencode.jsonc', 'config.json'].map(
      (name) => `/home/anna/settings/opencode/${name}`,
    ),
    ...['opencode.json', 'opencode.jsonc', 'config.json'].map(
      (name) => `/home/anna/.config/opencode/${name}`,
    ),
    ...['opencode.json', 'opencode.jsonc'].map((name) => `/home/anna/.opencode/${name}`),
    ...['opencode.json', 'opencode.jsonc'].map((name) => `/home/anna/shop/${name}`),
    ...['opencode.json', 'opencode.jsonc'].map((name) => `/home/anna/shop/.opencode/${name}`),
  ]);
});

test('Copilot CLI has a file of its own in a project; a variable that is no absolute path names none', () => {
  expect(paths('copilot-cli')).toEqual([
    '/home/anna/.copilot/mcp-config.json',
    '/home/anna/shop/.github/mcp.json',
  ]);
  expect(paths('claude-code')).toEqual(['/home/anna/.claude.json', '/home/anna/shop/.mcp.json']);
});

test("each host's own command names a server, or lists all of them", () => {
  for (const { check } of Object.values(hosts)) {
    if (check === undefined) continue;
    expect(check.command.includes('{name}') || check.command.at(-1) === 'list').toBe(true);
  }
});
