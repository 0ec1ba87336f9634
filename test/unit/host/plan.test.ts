// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how hosts write what they fill in, and profiles what they name
import { expect, test } from 'vitest';
import { planServer, profileName } from '../../../src/host/plan.ts';
import type { HostServer } from '../../../src/host/servers.ts';

const none: HostServer = {
  name: 'My Server',
  path: [],
  kind: 'local',
  command: '',
  args: [],
  env: {},
  url: '',
  headers: {},
  cwd: undefined,
  enabled: true,
  entry: {},
};
const local = (command: string, args: readonly string[], env: Record<string, string> = {}) =>
  planServer({ ...none, command, args, env });

test('an npx line is pinned, its secrets become credentials, sealed for the hosts that are known', () => {
  const plan = local('npx', ['-y', '@modelcontextprotocol/server-github'], {
    GITHUB_TOKEN: 'abc',
    LOG_LEVEL: 'info',
  });
  expect(plan).toMatchObject({
    kind: 'profile',
    name: 'my-server',
    start: 'npx',
    words: ['npx', '-y', '@modelcontextprotocol/server-github'],
    env: { LOG_LEVEL: 'info' },
    credentials: [{ variable: 'GITHUB_TOKEN', value: 'abc' }],
    hosts: ['api.github.com'],
  });
});

test.each([
  ['cmd', ['/c', 'npx', '-y', 'pkg', 'a'], 'npx', ['npx', '-y', 'pkg', 'a']],
  ['C:\\Program Files\\nodejs\\npx.cmd', ['-y', 'pkg'], 'npx', ['npx', '-y', 'pkg']],
  ['bunx', ['pkg'], 'npx', ['npx', 'pkg']],
  ['bun', ['x', 'pkg'], 'npx', ['npx', 'pkg']],
  ['pnpm', ['dlx', 'pkg'], 'npx', ['npx', 'pkg']],
  ['npm', ['exec', 'pkg'], 'npx', ['npx', 'pkg']],
  ['/usr/bin/env', ['npx', 'pkg'], 'npx', ['npx', 'pkg']],
  ['uvx', ['mcp-server-fetch'], 'uvx', ['uvx', 'mcp-server-fetch']],
  ['uv', ['tool', 'run', 'mcp-server-git'], 'uvx', ['uvx', 'mcp-server-git']],
  ['node', ['/x/server.js'], 'command', ['node', '/x/server.js']],
  [
    'uv',
    ['--directory', '/x', 'run', 'server.py'],
    'command',
    ['uv', '--directory', '/x', 'run', 'server.py'],
  ],
])('how a server is started: %s %j', (command, args, start, words) => {
  expect(local(command, args)).toMatchObject({ kind: 'profile', start, words });
});

test('secrets of the arguments are named there, and the server holds them', () => {
  const plan = local(
    'cmd',
    [
      '/c',
      'npx',
      '-y',
      '@stripe/mcp',
      '--api-key=sk_live_0123456789abcdef',
      '--header',
      'Authorization: Bearer abc',
      'postgres://u:p@h/d',
    ],
    { API_KEY: 'other' },
  );
  expect(plan).toMatchObject({
    words: [
      'npx',
      '-y',
      '@stripe/mcp',
      '--api-key=${credential:API_KEY_2}',
      '--header',
      'Authorization: ${credential:AUTHORIZATION}',
      '${credential:URL}',
    ],
    hosts: [],
  });
  expect(plan.kind === 'profile' && plan.credentials.map(({ variable, value }) => [variable, value])).toEqual(
    [
      ['API_KEY', 'other'],
      ['API_KEY_2', 'sk_live_0123456789abcdef'],
      ['AUTHORIZATION', 'Bearer abc'],
      ['URL', 'postgres://u:p@h/d'],
    ],
  );
});

test.each([
  [{ command: 'docker', args: ['run', '-i', '--rm', 'x'] }, /container/],
  [{ command: 'bash', args: ['-lc', 'npx x'] }, /line of a shell/],
  [{ command: 'npx', args: ['x'], env: { T: '${env:T}' } }, /fills in T/],
  [{ command: 'npx', args: ['x'], env: { T: '$T' } }, /fills in T/],
  [{ command: 'npx', args: ['x', '${workspaceFolder}/a'] }, /fills in a part/],
  [
    { kind: 'remote' as const, url: 'https://mcp.x.dev/mcp', headers: { Authorization: 'Bearer t' } },
    /warder add my-server https:\/\/mcp\.x\.dev\/mcp --bearer/,
  ],
  [{ kind: 'remote' as const, url: 'https://mcp.x.dev/mcp?api_key=abc' }, /warder add my-server URL"/],
  [{ command: 'npx', args: ['-y', 'mcp-remote', 'https://x.dev/mcp'] }, /remote.*https:\/\/x\.dev\/mcp/],
  [{ kind: 'other' as const }, /part of the host/],
])('what stays, and why: %j', (server, why) => {
  expect(planServer({ ...none, ...server })).toEqual({ kind: 'left', why: expect.stringMatching(why) });
});

test.each([
  ['GitHub', 'git-hub'],
  ['my_server.v2', 'my-server-v2'],
  ['Ünïcode ', 'u-ni-code'],
  ['日本', 'server'],
  ['-x-', 'x'],
  ['x'.repeat(100), 'x'.repeat(63)],
])('the name of a profile: %s', (name, expected) => {
  expect(profileName(name)).toBe(expected);
});
