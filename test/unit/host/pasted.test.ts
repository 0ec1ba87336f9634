import { expect, test } from 'vitest';
import { TextProblem } from '../../../src/host/document.ts';
import { pastedServers, readPasted } from '../../../src/host/pasted.ts';

const read = (text: string) => pastedServers(readPasted(text));
const entry = { command: 'npx', args: ['-y', '@scope/server@1.2.3'] };

test('a server is found in each form that READMEs have', () => {
  const one = JSON.stringify(entry);
  for (const text of [
    `{"mcpServers":{"notes":${one}}}`,
    `{"servers":{"notes":${one}}}`,
    `{"context_servers":{"notes":${one}}}`,
    `{"mcp":{"servers":{"notes":${one}}}}`,
    `{"notes":${one}}`,
    `"notes": ${one},`,
    `\n// for your settings\n{"mcpServers": {"notes": ${one},},}`,
  ])
    expect(read(text).map(({ server }) => [server.name, server.command, server.args])).toEqual([
      ['notes', 'npx', entry.args],
    ]);
  expect(read(one).map(({ server }) => server.name)).toEqual(['']);
  expect(read('{"url":"https://mcp.example.com/mcp"}')).toMatchObject([
    { server: { kind: 'remote', url: 'https://mcp.example.com/mcp' } },
  ]);
});

test('what is none is none, and what is broken or says two things is refused', () => {
  for (const text of ['{}', '[]', '3', '{"mcpServers":{}}', '{"mcpServers":[]}', '{"a":{"b":1}}'])
    expect(read(text), text).toEqual([]);
  for (const text of [
    '',
    '{',
    'npx -y server',
    '{"mcpServers":{"a":{"command":"x","command":"y"}}}',
    '['.repeat(100_000),
  ])
    expect(() => read(text), text.slice(0, 40)).toThrow(TextProblem);
});

test('W-HOST-9 what a host would fill in, or a reader, is a secret by its name or its input, and is never filled in', () => {
  process.env.WARDER_TEST_VALUE = 'of-this-machine';
  try {
    const found = read(
      JSON.stringify({
        servers: {
          notes: {
            ...entry,
            env: {
              API_TOKEN: '',
              GITHUB_PAT: '<YOUR_TOKEN>',
              ACCESS: `\${input:access}`,
              OTHER: `\${env:WARDER_TEST_VALUE}`,
              TEAM: 'your-team-id',
              LEVEL: 'info',
              PLAIN: '$WARDER_TEST_VALUE',
            },
          },
        },
        inputs: [{ id: 'access', type: 'promptString', password: true }, null, 3],
      }),
    );
    expect(found).toMatchObject([
      {
        secrets: ['API_TOKEN', 'GITHUB_PAT', 'ACCESS'],
        missing: [{ name: 'OTHER' }, { name: 'TEAM' }, { name: 'PLAIN' }],
      },
    ]);
    expect(found[0]?.server.env).toEqual({ LEVEL: 'info' });
    expect(JSON.stringify(found[0]?.server.env)).not.toContain('of-this-machine');
  } finally {
    delete process.env.WARDER_TEST_VALUE;
  }
});

test.each([
  ['Bearer ntn_****', 'Bearer stand-in-1'],
  ['Bearer YOUR_TOKEN', 'Bearer stand-in-1'],
  ['Bearer <token>', 'Bearer stand-in-1'],
  [`Bearer \${input:token}`, 'Bearer stand-in-1'],
  ['ntn_0aB3cD5eF7gH9iJ1kL2mN4oP6qR8sT', 'stand-in-1'],
])('W-HOST-51 %s in headers of JSON is a secret in its place, whatever stands for it', (value, expected) => {
  const text = JSON.stringify({ Authorization: value, 'X-Version': '2' });
  const [found] = read(JSON.stringify({ x: { ...entry, env: { OPENAPI_MCP_HEADERS: text } } }));
  expect(found).toMatchObject({ secrets: [], missing: [] });
  expect(JSON.parse(found?.server.env.OPENAPI_MCP_HEADERS ?? '')).toEqual({
    Authorization: expected,
    'X-Version': '2',
  });
});

test('JSON in which something else is open is for the person to give', () => {
  const text = JSON.stringify({ Authorization: 'Bearer x', 'X-Team': 'your-team' });
  expect(read(JSON.stringify({ x: { ...entry, env: { HEADERS: text } } }))).toMatchObject([
    { missing: [{ name: 'HEADERS' }], server: { env: {} } },
  ]);
});

test('a header that the host fills in is a secret', () => {
  expect(
    read(
      `{"x":{"type":"http","url":"https://mcp.example.com/mcp","headers":{"Authorization":"Bearer \${input:k}","X-Team":"a"}}}`,
    ),
  ).toMatchObject([{ secrets: ['Authorization'], server: { headers: { 'X-Team': 'a' } } }]);
});
