// `warder allow`: what it opens is said and asked, and the rest of the profile stays as it is.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { allowCommand } from '../../../src/commands/allow.ts';
import { FakeCli } from '../../fixtures/fake-cli.ts';

const TEXT = `# mine
server:
  command: cat   # the server
sandbox:
  network: [api.test]   # hosts
`;

function open(text = TEXT): FakeCli {
  const cli = new FakeCli();
  cli.writeProfile('demo', {});
  writeFileSync(join(cli.places.profiles, 'demo.yaml'), text, { mode: 0o600 });
  return cli;
}

const profile = (cli: FakeCli): string => readFileSync(join(cli.places.profiles, 'demo.yaml'), 'utf8');
const allow = (cli: FakeCli, words: readonly string[], input: object = {}): Promise<void> =>
  cli.run(allowCommand, ['allow', 'demo', ...words], input);

test('it asks, with what would be opened, and keeps comments', async () => {
  using cli = open();
  await allow(cli, ['Supabase.com.'], { typed: ['y'] });
  expect(cli.questions).toEqual(['"demo" may reach supabase.com, ports 80 and 443. Allow that?']);
  expect(profile(cli)).toBe(TEXT.replace('[api.test]', '[api.test, supabase.com]'));
  expect(cli.out).toEqual([
    '"demo" may reach supabase.com, ports 80 and 443: it applies to the next session',
    'to undo it: warder allow demo supabase.com --undo',
  ]);
  await allow(cli, ['supabase.com', '--undo']);
  expect(profile(cli)).toBe(TEXT);
});

test.each([
  ['*.b.test', 'every name below b.test, ports 80 and 443'],
  ['db.test:5432', 'db.test, port 5432'],
  ['10.0.0.5/32', '10.0.0.5/32, if a listed name resolves to it'],
  ['localhost:5432', 'localhost, port 5432 of this machine'],
  ['127.0.0.1:9222', '127.0.0.1, port 9222 of this machine'],
])('%s opens %s', async (entry, opens) => {
  using cli = open();
  await allow(cli, [entry, '--yes'], { json: true });
  expect(cli.values).toEqual([
    { name: 'demo', entry, file: join(cli.places.profiles, 'demo.yaml'), opens, changed: true },
  ]);
  await allow(cli, [entry, '--yes'], { json: true });
  expect(cli.values.at(-1)).toMatchObject({ changed: false });
  await allow(cli, [entry, '--undo'], { json: true });
  expect(profile(cli)).toBe(TEXT);
});

test.each([
  'server: {command: cat}\n',
  'server:\n  command: cat',
  '{"server": {"command": "cat"}}\n',
  'server: {command: cat}\nsandbox:\n  memory: 1GiB   # much\n',
  'server: {command: cat}\nsandbox: {network: []}\n',
  'sandbox: {}\nserver: {command: cat}\n',
])('undone, %j is as before, byte for byte', async (text) => {
  using cli = open(text);
  await allow(cli, ['b.test', '--yes']);
  expect(profile(cli)).not.toBe(text);
  await allow(cli, ['b.test', '--undo']);
  expect(profile(cli)).toBe(text);
});

test('what is allowed already is not added again', async () => {
  using cli = open(TEXT.replace('[api.test]', '["*.b.test", 127.0.0.1:80]'));
  const before = profile(cli);
  for (const entry of ['a.b.test', 'a.b.test:443', 'localhost:80']) await allow(cli, [entry]);
  expect(cli.out.every((line) => line.endsWith(' already'))).toBe(true);
  await allow(cli, ['a.b.test', '--undo']);
  expect(cli.out.at(-1)).toBe('"demo" does not list a.b.test: another entry of "demo" allows it');
  expect(profile(cli)).toBe(before);
});

test('a wildcard below which strangers have names is said aloud', async () => {
  using cli = open();
  await allow(cli, ['*.github.io'], { typed: ['n'] }).catch(() => {});
  expect(cli.err.join('\n')).toContain('github.io');
});

test('without a terminal or a yes nothing is changed', async () => {
  using cli = open();
  await expect(allow(cli, ['b.test'])).rejects.toMatchObject({ code: 'usage', hint: 'use --yes' });
  await expect(allow(cli, ['b.test'], { typed: ['n'] })).rejects.toMatchObject({ code: 'refused' });
  expect(profile(cli)).toBe(TEXT);
});

test.each([
  ['10.0.0.5:80', /is an address/],
  ['127.0.0.1', /give the port of the program/],
  ['https://b.test/x', /is a URL/],
  ['me:secret@b.test', /more than a host/],
  ['0.0.0.0/0', /wider than/],
  ['b.test:99999', /is not a host/],
  ['b.test:53', /is the DNS port/],
  ['*.com', /is a wildcard for all of a top-level domain/],
  ['*.com:8443', /is a wildcard for all of a top-level domain/],
  ['my_host.test', /must be a host/],
  ['*', /must be a host|is not a host/],
  ['[::1]:80', /is an address|must be|is not a host/],
])('%s is refused', async (entry, message) => {
  using cli = open();
  await expect(allow(cli, [entry, '--yes'])).rejects.toThrow(message);
  await expect(allow(cli, [entry, '--yes'])).rejects.toMatchObject({ code: 'usage' });
  expect(profile(cli)).toBe(TEXT);
});

test.each([
  ['sandbox: {off: true}\nserver: {command: cat}\n', /reaches whatever you reach/],
  ['server: {url: "https://mcp.test/"}\n', /is remote/],
])('a profile without a gate is refused: %j', async (text, message) => {
  using cli = open(text);
  await expect(allow(cli, ['b.test', '--yes'])).rejects.toThrow(message);
  expect(profile(cli)).toBe(text);
});
