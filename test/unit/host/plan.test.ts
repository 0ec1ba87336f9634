// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how hosts write what they fill in, and profiles what they name
import { expect, test } from 'vitest';
import { fillIn } from '../../../src/host/fill-in.ts';
import { planServer } from '../../../src/host/plan.ts';
import { profileName } from '../../../src/host/planned.ts';
import type { HostServer } from '../../../src/host/servers.ts';
import { whyUnsealed } from '../../../src/host/unsealed.ts';

const GITHUB = 'ghp_0123456789abcdefghijABCDEFGHIJ012345';
const RANDOM = '9f8e7d6c5b4a39281706f5e4d3c2b1a09f8e7d6c';
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

test('a secret of the arguments of a known server is sealed, in its place there', () => {
  const plan = local('npx', [
    '-y',
    'figma-developer-mcp',
    '--figma-api-key=figd_0123456789abcdefghij',
    '--stdio',
  ]);
  expect(plan).toMatchObject({
    words: ['npx', '-y', 'figma-developer-mcp', '--figma-api-key=${credential:FIGMA_API_KEY}', '--stdio'],
    hosts: ['api.figma.com'],
  });
});

test('secrets of the arguments are named there; the server holds them where one is a URL, and reaches the hosts that are known', () => {
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
    hosts: ['mcp.stripe.com'],
  });
  expect(plan.kind === 'profile' && whyUnsealed(plan)).toMatch(/^URL is a URL/);
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
  [{ command: 'npx', args: ['x'], env: { T: '${workspaceFolder}/t' } }, /fills in T/],
  [{ command: 'npx', args: ['x'], env: { T: '${env:A}${env:B}' } }, /fills in T/],
  [{ command: 'npx', args: ['x'], env: { T: '{file:~/t}' } }, /fills in T/],
  [{ command: 'npx', args: ['x'], env: { T: '${input:gone}' } }, /fills in T/],
  [{ command: 'npx', args: ['x', '${workspaceFolder}/a'] }, /fills in a part/],
  [{ command: 'npx', args: ['x', '${credential:OTHER}'] }, /name a credential of Warder/],
  [{ command: 'npx', args: ['x'], entry: { envFile: '.env' } }, /"envFile"/],
  [{ command: 'npx', args: ['x', 'y'.repeat(9000)] }, /too long to be looked at/],
  [{ command: 'node', args: ['-e', `steal("${GITHUB}"); more()`] }, /inside of a longer text/],
  [{ command: 'npx', args: ['-y', `@x/${GITHUB}`], env: { [GITHUB]: 'x' } }, /inside|from which none/],
  [{ command: 'npx', args: ['x'], env: { [GITHUB]: 'x' } }, /from which none can be taken/],
  [{ command: 'npx', args: ['x'], name: GITHUB }, /its name looks like a secret/],
  [{ command: 'uvx', args: ['mcp-proxy', 'https://x.dev/sse'] }, /a bridge/],
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

test.each([
  [{ command: 'node', args: ['server.js'] }, /"server.js" is a relative path/],
  [{ command: './server', args: [] }, /"\.\/server" is a relative path/],
  [{ command: 'npx', args: ['x', '.'] }, /"\." is a relative path/],
  [{ command: 'node', args: ['server.js'], cwd: './a' }, /".\/a" is a relative path/],
])('W-HOST-44 a path of a user’s file begins nowhere: %j', (server, why) => {
  expect(planServer({ ...none, ...server })).toEqual({ kind: 'left', why: expect.stringMatching(why) });
  expect(planServer({ ...none, ...server }, { scope: 'project', inputs: new Map() })).toMatchObject({
    kind: 'profile',
  });
});

test('W-HOST-44 a server of a project of Claude Code begins in the folder of that project', () => {
  const path = ['projects', '/home/ada/shop', 'mcpServers', 'x'];
  expect(planServer({ ...none, path, command: 'node', args: ['server.js'] })).toMatchObject({
    kind: 'profile',
    cwd: '/home/ada/shop',
  });
  expect(planServer({ ...none, path, command: 'npx', args: ['x'] })).toMatchObject({ cwd: undefined });
});

test('W-HOST-25 a value that is a secret in one place is taken out of all', () => {
  const plan = local('node', ['/x/server.js', '--auth=hunter2-hunter2', 'x hunter2-hunter2 y'], {
    API_TOKEN: 'Bearer hunter2-hunter2',
    HEADER: 'X-Key: hunter2-hunter2',
    KEY: 'credential',
    OTHER: 'fine',
  });
  expect(plan).toMatchObject({
    words: ['node', '/x/server.js', '--auth=${credential:AUTH}', 'x ${credential:AUTH} y'],
    env: { OTHER: 'fine' },
  });
});

test('what a host fills in is asked for: a secret becomes a credential, another value stays a value', () => {
  const inputs = new Map([
    ['pw', { id: 'pw', description: 'd', isPassword: true, options: undefined, initial: undefined }],
    ['dir', { id: 'dir', description: '', isPassword: false, options: undefined, initial: '/x' }],
  ]);
  const server = {
    ...none,
    command: 'npx',
    args: ['-y', 'pkg', '--data=${input:dir}', '--x', '${input:pw}', '--token', '{env:T}'],
    env: { API_KEY: 'clear-secret', URL: 'https://${env:HOST}/x', PAT: '$PAT', LEVEL: '${LEVEL:-info}' },
  };
  const plan = planServer(server, { scope: 'user', inputs });
  if (plan.kind !== 'profile') throw new Error(JSON.stringify(plan));
  expect(plan.words).toEqual([
    ...[
      'npx',
      '-y',
      'pkg',
      '--data=${input:dir}',
      '--x',
      '${credential:X}',
      '--token',
      '${credential:TOKEN}',
    ],
  ]);
  expect(plan.wanted.map(({ reference, isSecret, into }) => [reference.text, isSecret, into.kind])).toEqual([
    ['${env:HOST}', false, 'variable'],
    ['$PAT', true, 'variable'],
    ['${LEVEL:-info}', false, 'variable'],
    ['${input:dir}', false, 'words'],
    ['${input:pw}', true, 'argument'],
    ['{env:T}', true, 'argument'],
  ]);
  const filled = fillIn(plan, ({ name }) => `$& of ${name}`);
  if (filled.kind !== 'profile') throw new Error('it is no profile');
  expect(filled.wanted).toEqual([]);
  expect(filled.words[3]).toBe('--data=$& of dir');
  expect(filled.env).toEqual({ URL: 'https://$& of HOST/x', LEVEL: '$& of LEVEL' });
  expect(filled.credentials.map(({ variable, value }) => [variable, value])).toEqual([
    ['API_KEY', 'clear-secret'],
    ['PAT', '$& of PAT'],
    ['X', '$& of pw'],
    ['TOKEN', '$& of T'],
  ]);
  expect(planServer(server, { scope: 'project', inputs })).toEqual({
    kind: 'left',
    why: expect.stringContaining("a project's file"),
  });
});

/** What a plan becomes with values for what the host fills in. */
function filledPlan(server: Partial<HostServer>, values: Record<string, string>) {
  const plan = planServer({ ...none, ...server });
  if (plan.kind === 'left') throw new Error(plan.why);
  return fillIn(plan, ({ name }) => values[name] ?? '');
}

test.each([GITHUB, RANDOM])(
  'W-HOST-42 a value that looks like a secret is one, whatever it was asked as: %s',
  (secret) => {
    const command = 'node';
    const hidden = filledPlan(
      { command, args: ['/x.js'], env: { A: '${env:A}', B: 'x ${env:A}' } },
      { A: secret },
    );
    expect(hidden).toMatchObject({
      kind: 'profile',
      env: {},
      credentials: [{ variable: 'A' }, { variable: 'B' }],
    });
    // Where a profile would have it in clear, the server stays.
    for (const open of [
      { command, args: ['/x.js', '--data', '${env:A}'] },
      { command, args: ['/x.js', '--data=${env:A}'] },
      { kind: 'remote', url: 'https://a.example/mcp', headers: { 'X-Team': '${env:A}' } } as const,
    ]) {
      const plan = filledPlan(open, { A: secret });
      expect(plan).toEqual({ kind: 'left', why: expect.stringContaining('would be in clear') });
      expect(JSON.stringify(plan)).not.toContain(secret);
    }
  },
);

test('W-HOST-42 a value that is asked for as a secret is one in every other place', () => {
  const env = { API_TOKEN: '${env:A}', LABEL: '${env:A}' };
  expect(filledPlan({ command: 'node', args: ['/x.js'], env }, { A: 'hunter2' })).toMatchObject({
    env: {},
    credentials: [{ variable: 'API_TOKEN' }, { variable: 'LABEL' }],
  });
  const args = ['/x.js', '--label', '${env:A}'];
  expect(filledPlan({ command: 'node', args, env }, { A: 'hunter2' })).toMatchObject({ kind: 'left' });
});

test.each([
  ['npx', ['--package=other', '@modelcontextprotocol/server-github']],
  ['npx', ['-y', '--package', 'other', '@modelcontextprotocol/server-github']],
  ['npx', ['-p', 'other', '@modelcontextprotocol/server-github']],
  ['npm', ['exec', '--package=other', '--', '@modelcontextprotocol/server-github']],
  ['uvx', ['--from', 'other', 'elevenlabs-mcp']],
  ['uvx', ['--from=git+https://x.example/y', 'elevenlabs-mcp']],
])('a package is known by its own name, not by that of its program: %s %j', (command, args) => {
  expect(local(command, args, { API_TOKEN: 'abc' })).toMatchObject({ kind: 'profile', hosts: [] });
});

test('W-HOST-25 an entry that would keep a secret in a member of which no profile knows stays', () => {
  const entries = [
    { auth: { CLIENT_ID: 'abc', CLIENT_SECRET: 'hunter2' } },
    { settings: [{ name: 'x', nested: { apiKey: 'hunter2' } }] },
    { note: `it was ${GITHUB}` },
  ];
  for (const entry of entries)
    for (const server of [
      { command: 'node', args: ['/x.js'] },
      { kind: 'remote', url: 'https://a.example/mcp' } as const,
    ]) {
      const plan = planServer({ ...none, ...server, entry });
      expect(plan).toEqual({ kind: 'left', why: expect.stringContaining('of its entry has a secret') });
      expect(JSON.stringify(plan)).not.toMatch(/hunter2|ghp_/);
    }
  // What is moved, or goes with the move, is none; neither are ids of a gallery.
  const env = { API_TOKEN: 'hunter2' };
  const gallery = 'https://api.example.com/v0/servers/4d1bd3a1-7b2c-4f7e-9d0a-0123456789ab';
  const entry = {
    command: 'node',
    args: ['/x.js'],
    env,
    bearer_token: 'hunter2',
    gallery,
    id: '4d1bd3a1-7b2c',
  };
  expect(planServer({ ...none, command: 'node', args: ['/x.js'], env, entry })).toMatchObject({
    kind: 'profile',
  });
});

test('names of Object.prototype are names like any other', () => {
  const server = { ...none, name: '__proto__', command: 'npx', args: ['-y', 'constructor'] };
  const env = JSON.parse('{"__proto__": "v", "constructor": "w"}') as Record<string, string>;
  const plan = planServer({ ...server, env });
  expect(plan).toMatchObject({ kind: 'profile', name: 'proto', hosts: [], knows: {} });
  expect(plan.kind === 'profile' && Object.keys(plan.env)).toEqual(['__proto__', 'constructor']);
});

test('W-HOST-25 long values are not searched for what could take hours', () => {
  const odd = [
    'a-',
    'eyJaaaaaaaa',
    'a:',
    '${',
    '${a',
    '{env:',
    'https://',
    '/',
    'Ab1',
    ' ',
    'a.',
    'a_',
    '.a',
  ].map((text) => text.repeat(200_000 / text.length));
  for (const text of odd) {
    const server = { ...none, command: 'npx', args: ['-y', 'pkg'] };
    // Too long to tell: it is taken for a secret.
    expect(planServer({ ...server, env: { X: text, API_KEY: `${text}x` } })).toMatchObject({
      kind: expect.stringMatching(/profile|left/),
    });
    const remote = { ...none, kind: 'remote' as const, url: 'https://mcp.example.com/mcp' };
    for (const long of [
      { ...server, name: text },
      { ...server, command: text },
      { ...server, args: ['-y', text] },
      { ...server, cwd: text },
      { ...server, env: { [text]: 'x' } },
      { ...remote, headers: { Authorization: `Bearer ${text}` } },
      { ...remote, headers: { [text]: 'x' } },
      { ...remote, url: `https://mcp.example.com/?${text}` },
    ])
      expect(planServer(long)).toMatchObject({ kind: 'left' });
  }
});

/** A known server with headers of its own in a variable. */
const notion = (value: string, env: Record<string, string> = {}) =>
  local('npx', ['-y', '@notionhq/notion-mcp-server'], { OPENAPI_MCP_HEADERS: value, ...env });
const facts = (plan: ReturnType<typeof planServer>) => {
  if (plan.kind !== 'profile') throw new Error('it is no profile');
  const { env, credentials, hosts } = plan;
  return {
    env,
    credentials: credentials.map(({ variable, value }) => [variable, value]),
    hosts,
    why: whyUnsealed(plan),
  };
};

test.each([
  [
    `{"Authorization": "Bearer ${GITHUB}", "Notion-Version": "2022-06-28"}`,
    '{"Authorization": "Bearer ${credential:AUTHORIZATION}", "Notion-Version": "2022-06-28"}',
    [['AUTHORIZATION', GITHUB]],
  ],
  [
    `{"a":{"X-Api-Key":"${RANDOM}"},"b":[{"X-Api-Key":"other-key-1"},{"token":"${RANDOM}"}]}`,
    '{"a":{"X-Api-Key":"${credential:X_API_KEY}"},"b":[{"X-Api-Key":"${credential:X_API_KEY_2}"},{"token":"${credential:X_API_KEY}"}]}',
    [
      ['X_API_KEY', RANDOM],
      ['X_API_KEY_2', 'other-key-1'],
    ],
  ],
  [
    `Authorization: Bearer ${GITHUB}\nX-Team: red`,
    'Authorization: Bearer ${credential:AUTHORIZATION}\nX-Team: red',
    [['AUTHORIZATION', GITHUB]],
  ],
])(
  'W-HOST-49 of a known server the secrets inside of a text are sealed, and the text stays: %s',
  (value, text, credentials) => {
    const sealed = {
      env: { OPENAPI_MCP_HEADERS: text },
      credentials,
      hosts: ['api.notion.com'],
      why: undefined,
    };
    expect(facts(notion(value))).toEqual(sealed);
  },
);

test.each([
  // A name and password in base64, escapes of JSON, a short password, a connection string.
  ['{"Authorization":"Basic bWU6aHVudGVyMi1odW50ZXIy"}', /OPENAPI_MCP_HEADERS is a text that it takes apart/],
  ['{"Authorization":"Bearer abc\\u0064efghijklmnop"}', /takes apart/],
  ['{"password":"p4"}', /takes apart/],
  [`https://me:${RANDOM}@api.notion.com/`, /OPENAPI_MCP_HEADERS is a URL/],
])(
  'W-HOST-49 what cannot be sealed inside of a text goes to the server whole, and why is said: %s',
  (value, why) => {
    expect(facts(notion(value))).toEqual({
      env: {},
      credentials: [['OPENAPI_MCP_HEADERS', value]],
      hosts: ['api.notion.com'],
      why: expect.stringMatching(why),
    });
  },
);

test('W-HOST-49 a text of a server that is not known stays whole; so does a credential of the same name', () => {
  const value = `{"Authorization":"Bearer ${GITHUB}"}`;
  expect(facts(local('npx', ['x'], { HEADERS: value }))).toMatchObject({
    credentials: [['HEADERS', value]],
    hosts: [],
  });
  expect(facts(notion(value, { AUTHORIZATION: 'another-secret' }))).toMatchObject({
    env: { OPENAPI_MCP_HEADERS: '{"Authorization":"Bearer ${credential:AUTHORIZATION_2}"}' },
    credentials: [
      ['AUTHORIZATION_2', GITHUB],
      ['AUTHORIZATION', 'another-secret'],
    ],
  });
});

test('W-HOST-49 what the host fills in inside of a text is sealed there', () => {
  const server = {
    command: 'npx',
    args: ['-y', '@notionhq/notion-mcp-server'],
    env: { OPENAPI_MCP_HEADERS: '{"Authorization":"Bearer ${env:NOTION}"}' },
  };
  const filled = filledPlan(server, { NOTION: GITHUB });
  if (filled.kind === 'left') throw new Error(filled.why);
  expect(facts(filled)).toMatchObject({
    env: { OPENAPI_MCP_HEADERS: '{"Authorization":"Bearer ${credential:AUTHORIZATION}"}' },
    credentials: [['AUTHORIZATION', GITHUB]],
  });
});
