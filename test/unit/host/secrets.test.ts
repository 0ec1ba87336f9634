// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how hosts write what they fill in
import { expect, test } from 'vitest';
import { isReference, isSecretName, secretsOf } from '../../../src/host/secrets.ts';
import type { HostServer } from '../../../src/host/servers.ts';

const none: HostServer = {
  name: 'x',
  path: [],
  kind: 'local',
  command: 'npx',
  args: [],
  env: {},
  url: '',
  headers: {},
  cwd: undefined,
  enabled: true,
  entry: {},
};
const found = (server: Partial<HostServer>): string[] =>
  secretsOf({ ...none, ...server }).map(({ where, name, value }) => `${where} ${name} ${value}`);

test.each([
  [{ GITHUB_PERSONAL_ACCESS_TOKEN: 'x' }, ['variable GITHUB_PERSONAL_ACCESS_TOKEN x']],
  [
    { exaApiKey: 'abc', 'X-Auth-Token': 'abc', DB_PASSWORD: 'p', OPENAI_API_KEY2: 'k' },
    [
      'variable exaApiKey abc',
      'variable X-Auth-Token abc',
      'variable DB_PASSWORD p',
      'variable OPENAI_API_KEY2 k',
    ],
  ],
  [
    { NOTES: 'ghp_0123456789abcdefghijABCDEFGHIJ012345' },
    ['variable NOTES ghp_0123456789abcdefghijABCDEFGHIJ012345'],
  ],
  [{ ID: 'c2FmZXR5LWZpcnN0Q9x8Zk3mPq7' }, ['variable ID c2FmZXR5LWZpcnN0Q9x8Zk3mPq7']],
  [{ DATABASE_URL: 'postgres://me:hunter2@db/x' }, ['variable DATABASE_URL postgres://me:hunter2@db/x']],
  [
    {
      DATABASE_URL: 'postgres://db/x',
      LOG_LEVEL: 'debug',
      API_KEY: '',
      TOKEN: '${env:TOKEN}',
      PAT: '$PAT',
      KEY: '${input:key}',
      SECRET: '{env:S}',
    },
    [],
  ],
  [
    {
      SSH_AUTH_SOCK: '/run/ssh',
      PUBLIC_KEY: 'abc',
      USE_TOKEN: 'true',
      KEY: '/home/ada/key.pem',
      PRIMARY_KEY: 'id',
    },
    [],
  ],
  [
    {
      PATH: '/usr/local/bin:/usr/bin',
      URL: 'https://api.example.com/v1/very-long-path-of-words',
      NAME: '@modelcontextprotocol/server-filesystem',
      V: '2026.8.31-beta.12345678901',
    },
    [],
  ],
])('W-HOST-25 secrets among variables: %j', (env, expected) => {
  expect(found({ env })).toEqual(expected);
});

test.each([
  [
    ['-y', 'mcp-remote', 'https://x/mcp', '--header', 'Authorization: Bearer abc'],
    ['argument Authorization Bearer abc'],
  ],
  [['-H', 'X-Api-Key:abc'], ['argument X-Api-Key abc']],
  [['--header=Authorization: Bearer ${T}'], []],
  [
    ['--api-key=abc', '--token', 't0', '--port', '80'],
    ['argument --api-key abc', 'argument --token t0'],
  ],
  [['--access-token', '--verbose'], []],
  [['postgresql://u:secret@localhost/db'], ['argument 1 postgresql://u:secret@localhost/db']],
  [['run', '-e', 'GITHUB_TOKEN=ghp_x', '-e', 'OTHER'], ['argument GITHUB_TOKEN ghp_x']],
  [['-y', '@modelcontextprotocol/server-filesystem@2026.8.31', '/home/ada/src/0123456789abcdef'], []],
])('W-HOST-25 secrets among arguments: %j', (args, expected) => {
  expect(found({ args })).toEqual(expected);
});

test('where in an argument the secret is', () => {
  const [secret] = secretsOf({ ...none, args: ['--header=Authorization: Bearer abc'] });
  expect(secret?.argument).toEqual({ index: 0, start: 24, end: 34 });
});

test('secrets of remote servers', () => {
  expect(
    found({
      url: 'https://mcp.example.com/sk-ant-api03-0123456789abcdefABCDEF0123456789/sse?api_key=k1&region=eu',
      headers: { Authorization: 'Bearer t', 'X-Region': 'eu' },
    }),
  ).toEqual([
    'header Authorization Bearer t',
    'url path sk-ant-api03-0123456789abcdefABCDEF0123456789',
    'url api_key k1',
  ]);
});

test('references of all hosts are known', () => {
  for (const text of [
    '${env:X}',
    '${input:key}',
    '$VAR',
    '${VAR}',
    'Bearer ${TOKEN}',
    '{env:X}',
    '{file:~/x}',
    '${X:-}',
  ])
    expect(isReference(text)).toBe(true);
  for (const text of ['a${X}', 'ghp_x', '$', 'Bearer abc', '${X}${Y}z'])
    expect(isReference(text)).toBe(false);
  expect(isSecretName('monkey')).toBe(false);
  // Numbered: the second of two accounts.
  for (const name of ['GITHUB_TOKEN_2', 'token2', 'api-key-10']) expect(isSecretName(name), name).toBe(true);
  for (const name of ['PUBLIC_KEY_2', 'TOKENS_2', 'KEY_2_NAME']) expect(isSecretName(name), name).toBe(false);
});

const RANDOM = '9f8e7d6c5b4a39281706f5e4d3c2b1a09f8e7d6c';

test.each([
  `{"Authorization": "Bearer ${RANDOM}", "Version": "2022-06-28"}`,
  '{"a": [{"apiKey": "hunter2"}]}',
  `["x", "${RANDOM}"]`,
  'Authorization: Bearer hunter2',
  'Accept: text/html\nX-Api-Key: hunter2',
  'Server=tcp:db.example.com,1433;User Id=sa;Password=hunter2;',
  `DefaultEndpointsProtocol=https;AccountName=a;AccountKey=${RANDOM}==`,
  'host=db user=me password=hunter2',
  'team=a,token=hunter2',
  `https://${RANDOM}@git.example.com/x`,
  `https://${RANDOM}:@git.example.com/x`,
  `https://git.example.com/x?${RANDOM}`,
  'https://git.example.com/x?api_key=hunter2',
  'https://git.example.com/x#access_token=hunter2',
  `wss://git.example.com/x#${RANDOM}`,
])('W-HOST-25 a secret inside of a longer text is found: %s', (text) => {
  for (const name of ['CONFIG', 'CONNECTION_STRING', 'DATABASE_URL'])
    expect(found({ env: { [name]: text } })).toEqual([`variable ${name} ${text}`]);
  // No word that is shown has it, and nothing names it by itself.
  for (const args of [[text], ['--config', text], [`--config=${text}`], [`CONFIG=${text}`]]) {
    const [one, ...more] = secretsOf({ ...none, args });
    expect([one?.where, more]).toEqual(['argument', []]);
    expect(`${one?.name} ${one?.why}`).not.toMatch(/hunter2|9f8e7d6c/);
  }
});

test.each([
  '{"model": "sonnet", "depth": 3, "tags": ["a", "b"]}',
  '{broken',
  'title: a page of words',
  'Server=db;Database=shop;User Id=sa',
  'host=db user=me',
  'https://git.example.com/x?page=2#part',
  'https://git@git.example.com/x',
  '{"apiKey": "${env:KEY}"}',
])('W-HOST-25 a longer text without a secret is none: %s', (text) => {
  expect(found({ env: { CONFIG: text }, args: [text, `--config=${text}`] })).toEqual([]);
});
