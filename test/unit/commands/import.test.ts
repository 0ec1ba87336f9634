// `warder import`: what it says of the next step, and that nothing is begun that could not be finished.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { importCommand } from '../../../src/commands/import.ts';
import type { Result } from '../../../src/wire/control.ts';
import { FakeCli } from '../../fixtures/fake-cli.ts';

const TOKEN = 'ghp_16C7e42F292c6912E7710c838347Ae178B4a';
let home: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'warder-import-'));
  vi.stubEnv('HOME', home);
  mkdirSync(join(home, '.cursor'));
  const servers = {
    github: {
      command: 'npx',
      args: ['-y', '@modelcontextprotocol/server-github'],
      env: { GITHUB_PERSONAL_ACCESS_TOKEN: TOKEN },
    },
    box: { command: 'docker', args: ['run', 'some/image'] },
  };
  writeFileSync(join(home, '.cursor/mcp.json'), JSON.stringify({ mcpServers: servers }), { mode: 0o600 });
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true });
});

function store(kind: Result<'store.state'>['kind']): { 'store.state': () => Result<'store.state'> } {
  return {
    'store.state': () => ({
      kind,
      chosen: { state: kind === null ? 'unset' : 'locked' },
      keychain: { state: 'unavailable' },
      key: 'passphrase',
    }),
  };
}

test('what is shown ends with the next step: init first, where no store was chosen', async () => {
  using cli = new FakeCli();
  await cli.run(importCommand, ['import', 'cursor']);
  expect(cli.output).toContain('secret GITHUB_PERSONAL_ACCESS_TOKEN (its name)');
  const end = '1 of 2 servers can go through Warder, and the secrets into its store; next:';
  expect(cli.out.slice(-3)).toEqual([`\n${end}`, '  warder init', '  warder import --apply']);
  mkdirSync(cli.places.config, { recursive: true, mode: 0o700 });
  writeFileSync(join(cli.places.config, 'warder.yaml'), 'store: vault\n', { mode: 0o600 });
  await cli.run(importCommand, ['import', 'cursor']);
  expect(cli.out.slice(-2)).toEqual([`\n${end}`, '  warder import --apply']);
  expect(cli.output).not.toContain(TOKEN);
});

test.each([{ typed: [] }, {}])(
  'nothing is asked, installed or started while there is no store: %j',
  async (how) => {
    using cli = new FakeCli();
    await expect(
      cli.run(importCommand, ['import', 'cursor', '--apply', '--yes'], { ...how, answers: store(null) }),
    ).rejects.toMatchObject({ code: 'store-unset', hint: expect.stringContaining('"warder init" first') });
    expect(cli.requests.map(({ verb }) => verb)).toEqual(['store.state']);
  },
);

test('a locked vault is not asked for its passphrase where nobody is: nothing is begun', async () => {
  using cli = new FakeCli();
  await expect(
    cli.run(importCommand, ['import', 'cursor', '--apply', '--yes'], { answers: store('vault') }),
  ).rejects.toMatchObject({ code: 'vault-locked' });
  expect(cli.requests).toHaveLength(1);
});

test('a vault that is locked is opened before anything is asked or installed', async () => {
  using cli = new FakeCli();
  const answers = { ...store('vault'), 'vault.unlock': () => ({}) };
  await expect(
    cli.run(importCommand, ['import', 'cursor', '--apply'], { typed: ['passphrase', 'n'], answers }),
  ).rejects.toMatchObject({ code: 'refused', message: 'nothing was changed' });
  expect(cli.requests.at(-1)).toEqual({ verb: 'vault.unlock', params: { passphrase: 'passphrase' } });
  expect(cli.questions).toEqual([
    "the vault's passphrase: ",
    'start each of these once in a sandbox, and move it behind Warder?',
  ]);
});

test('W-HOST-25 of a URL with a secret all else is shown, wherever it stands', async () => {
  using cli = new FakeCli();
  const servers = {
    pg: { command: 'npx', args: ['-y', 'pg-server', 'postgres://me:hunter2@db.example.com/shop'] },
    bot: { command: 'npx', args: ['-y', 'bot'], env: { HOOK: `https://hooks.example.com/in?key=${TOKEN}` } },
  };
  writeFileSync(join(home, '.cursor/mcp.json'), JSON.stringify({ mcpServers: servers }));
  await cli.run(importCommand, ['import', 'cursor']);
  expect(cli.output).toContain(
    'secret URL (it looks like a password in a URL): postgres://me:…@db.example.com/shop',
  );
  expect(cli.output).toMatch(/secret HOOK \(.*\): https:\/\/hooks\.example\.com\/in\?key=…/);
  await cli.run(importCommand, ['import', 'cursor'], { json: true });
  expect(cli.values).toMatchObject([
    [{ secrets: [{ url: 'postgres://me:…@db.example.com/shop' }] }, { secrets: [{ variable: 'HOOK' }] }],
  ]);
  expect(cli.output).not.toMatch(/hunter2|ghp_/);
});
