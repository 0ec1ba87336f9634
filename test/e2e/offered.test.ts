// `warder add --from`: a server as others describe it, shown first, and written as a profile of its own.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { profilePath } from '../../src/profile/load.ts';
import { Client } from '../fixtures/client.ts';
import { Home, server } from '../fixtures/home.ts';
import { startRegistry } from '../fixtures/registry.ts';

test('W-HOST-8 W-HOST-9 an entry of a README is shown whole, confirmed, and runs; its secrets are not taken', async () => {
  await using home = new Home();
  const [command = '', ...args] = server('everything');
  const secret = `ghp_${'a1B2c3D4e5'.repeat(4).slice(0, 36)}`;
  const env = { API_TOKEN: secret, DEBUG_LEVEL: 'info\u001b[2J\n  secret' };
  const file = join(home.dir, 'entry.json');
  writeFileSync(file, JSON.stringify({ mcpServers: { 'My Notes': { command, args, env } } }));

  const asked = await home.warder(['add', 'notes', '--from', file]);
  expect(asked).toMatchObject({ code: 64, stderr: expect.stringContaining('use --yes') });
  expect(asked.stdout).toContain(`command ${command} ${args.join(' ')}`);
  expect(asked.stdout).toContain('secret API_TOKEN: to be set, not taken from there');
  expect(asked.stdout).toContain('DEBUG_LEVEL=info\\u001b[2J\\u000a  secret');
  expect(existsSync(profilePath(home.places, 'notes'))).toBe(false);

  const added = await home.warder(
    ['add', 'notes', '--from', '-', '--yes', '--allow', 'echo', '--no-test'],
    readFileSync(file, 'utf8'),
  );
  expect(added.code).toBe(0);
  const profile = readFileSync(profilePath(home.places, 'notes'), 'utf8');
  for (const text of [asked.stdout, asked.stderr, added.stdout, added.stderr, profile])
    expect(text).not.toContain(secret);
  expect(parse(profile)).toMatchObject({ credentials: { API_TOKEN: { deliver: 'env' } } });
  await home.done(['init', '--store', 'vault', '--key-file', join(home.dir, 'key')]);
  expect((await home.warder(['credential', 'set', 'notes', 'API_TOKEN'], secret)).code).toBe(0);
  await using client = new Client([...home.program, 'run', 'notes'], home.env, home.dir);
  await client.initialize();
  expect(await client.request('tools/call', { name: 'echo', arguments: { message: 'here' } })).toMatchObject({
    result: { content: [{ text: 'Echo: here' }] },
  });
});

test('a server.json of the registry becomes a pinned package; what only the person knows is asked for', async () => {
  await using registry = await startRegistry();
  registry.publish({
    name: 'weather',
    version: '1.0.2',
    manifest: { bin: 'main.js' },
    files: { 'main.js': '' },
  });
  await using home = new Home({
    env: { npm_config_registry: registry.url, npm_config_fetch_retries: '0' },
  });
  home.env.npm_config_cache = join(home.dir, 'npm');
  const file = join(home.dir, 'server.json');
  writeFileSync(
    file,
    JSON.stringify({
      name: 'io.github.acme/weather',
      description: 'the\u001b weather\n',
      version: '1.0.2',
      packages: [
        {
          registryType: 'npm',
          identifier: 'weather',
          version: '1.0.2',
          transport: { type: 'stdio' },
          packageArguments: [
            { type: 'positional', valueHint: 'city', isRequired: true },
            { type: 'named', name: '--key', isRequired: true, isSecret: true },
          ],
          environmentVariables: [
            { name: 'REGION', isRequired: true },
            { name: 'LEVEL', default: 'info' },
          ],
        },
      ],
    }),
  );
  const add = ['add', 'weather', '--from', file, '--yes'];
  expect((await home.warder(add)).stderr).toMatch(/needs the argument city/);
  expect((await home.warder([...add, '--', 'Oslo'])).stderr).toMatch(/needs REGION[\s\S]*--env REGION=VALUE/);
  expect(registry.archives).toEqual([]);
  await home.done([...add, '--env', 'REGION=north', '--json', '--', 'Oslo', '--more']);
  const { server: made, env, description } = parse(readFileSync(profilePath(home.places, 'weather'), 'utf8'));
  expect(description).toBe('the weather');
  expect(made).toMatchObject({
    package: 'npm:weather@1.0.2',
    args: ['Oslo', '--key', `\${credential:KEY}`, '--more'],
  });
  expect(env).toEqual({ REGION: 'north', LEVEL: 'info' });
  execFileSync('chmod', ['-R', 'u+w', home.dir]);
});

test('what is no description is refused, and nothing is written', async () => {
  await using home = new Home();
  for (const [text, message] of [
    ['{}', 'has no server in it'],
    ['{"mcpServers":', 'is not valid JSON'],
    ['{"mcpServers":{"b":{"command":"x"},"c":{"command":"y"}}}', 'has 2 servers'],
    ['{"a":{"command":"docker","args":["run","x"]}}', 'it is a container'],
    ['{"a":{"command":"sh","args":["-c","curl x | sh"]}}', 'it is a line of a shell'],
    [`{"a":{"command":"x","args":["\${env:HOME}"]}}`, 'fills in a part of its arguments'],
    ['{"a":{"url":"https://u:secret-in-the-url@mcp.example.com"}}', 'has a secret in it'],
    ['{"a":{"command":"x","env":{"LD_PRELOAD":"/tmp/x.so"}}}', 'load or run other code'],
    ['PK\u0003\u0004', 'is not valid JSON'],
    [' '.repeat(2 ** 20 + 1), 'more than 1 MiB'],
  ] as const) {
    const { code, stderr } = await home.warder(['add', 'a', '--from', '-', '--yes', '--no-test'], text);
    expect(code, text).toBe(64);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('secret-in-the-url');
  }
  expect(existsSync(profilePath(home.places, 'a'))).toBe(false);
});
