// `warder add` of a package that is known: what is proposed, and what a sandbox needs.
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { knownAccess, makeFolders, proposeKnown } from '../../../../src/commands/add/known-server.ts';
import { type AddArguments, addOptions } from '../../../../src/commands/add/options.ts';
import { knownServer } from '../../../../src/host/known.ts';
import { FakeCli, type Input } from '../../../fixtures/fake-cli.ts';

const GITHUB = ['--from-npx', 'npx -y @modelcontextprotocol/server-github'];

/** The options after the proposal, and what was said. */
async function propose(
  words: readonly string[],
  situation: Input = {},
): Promise<AddArguments & { readonly said: string }> {
  using cli = new FakeCli();
  let after: AddArguments | undefined;
  await cli.run<AddArguments>(
    (context) => ({
      command: 'add <name> [place]',
      builder: addOptions,
      handler: async (args) => {
        after = await proposeKnown(context, args);
      },
    }),
    ['add', 'demo', ...words],
    situation,
  );
  if (after === undefined) throw new Error('the handler did not run');
  return { ...after, said: cli.output };
}

test('W-HOST-30 the usual secret and hosts of a known package are asked about, never taken unsaid', async () => {
  const taken = await propose(GITHUB, { typed: ['y'] });
  expect([taken.credential, taken.host]).toEqual([['GITHUB_PERSONAL_ACCESS_TOKEN'], ['api.github.com']]);
  expect(taken.said).toContain(
    '@modelcontextprotocol/server-github is known: it usually has GITHUB_PERSONAL_ACCESS_TOKEN sealed for api.github.com, and no other host',
  );
  const refused = await propose(GITHUB, { typed: ['n'] });
  expect([refused.credential, refused.host]).toEqual([[], []]);
  const alone = await propose(GITHUB);
  expect([alone.credential, alone.host]).toEqual([[], []]);
  expect(alone.said).toContain('--credential GITHUB_PERSONAL_ACCESS_TOKEN --host api.github.com');
  const yes = await propose([...GITHUB, '--yes']);
  expect([yes.credential, yes.host]).toEqual([['GITHUB_PERSONAL_ACCESS_TOKEN'], ['api.github.com']]);
  expect(yes.said).toContain('is known');
});

test('what is given stays, and only the rest is proposed', async () => {
  const host = await propose([...GITHUB, '--host', 'github.acme.example', '--yes']);
  expect([host.credential, host.host]).toEqual([['GITHUB_PERSONAL_ACCESS_TOKEN'], ['github.acme.example']]);
  const credential = await propose([...GITHUB, '--credential', 'GITHUB_TOKEN', '--yes']);
  expect([credential.credential, credential.host]).toEqual([['GITHUB_TOKEN'], ['api.github.com']]);
  const inArgument = await propose([
    '--from-npx',
    'npx -y figma-developer-mcp --stdio',
    '--yes',
    '--',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: as a person types it
    '--figma-api-key=${credential:KEY}',
  ]);
  expect([inArgument.credential, inArgument.host]).toEqual([[], ['api.figma.com']]);
  const url = ['--env', 'GITLAB_API_URL=https://git.acme.example/api/v4'];
  const gitlab = await propose(['--from-npx', 'npx -y @zereight/mcp-gitlab', ...url, '--yes']);
  expect(gitlab.host).toEqual(['git.acme.example']);
});

test('nothing is asked where all is said, where delivery is said, and of what is not known', async () => {
  for (const words of [
    [...GITHUB, '--credential', 'A', '--host', 'b.example'],
    [...GITHUB, '--credential', 'A', '--deliver', 'env'],
    ['--from-npx', 'npx -y @modelcontextprotocol/server-everything'],
    ['--from-npx', 'npx -y @modelcontextprotocol/server-memory'],
    ['--from-uvx', 'uvx tavily-mcp'],
    ['--', '/bin/cat'],
  ]) {
    const { said } = await propose(words, { typed: [] });
    expect(said).toBe('[]');
  }
});

const nothing = { args: [], env: {}, credentials: [] };

test('W-HOST-31 a server that writes beside its code gets a folder of its own, and never a wide one', () => {
  const home = mkdtempSync(join(tmpdir(), 'warder-known-'));
  onTestFinished(() => rmSync(home, { recursive: true }));
  const memory = knownServer('npm', '@modelcontextprotocol/server-memory');
  const access = knownAccess(memory, 'demo', nothing, home);
  const folder = join(home, '.local/share/mcp-memory');
  expect(access).toMatchObject({
    env: { MEMORY_FILE_PATH: join(folder, 'memory.jsonl') },
    write: [folder],
    notes: [expect.stringContaining('MEMORY_FILE_PATH=')],
  });
  expect(existsSync(folder)).toBe(false);
  makeFolders(access);
  expect(statSync(folder).mode & 0o777).toBe(0o700);

  const own = (file: string) =>
    knownAccess(memory, 'demo', { ...nothing, env: { MEMORY_FILE_PATH: file } }, home);
  expect(own('/srv/notes/memory.jsonl')).toMatchObject({ env: {}, write: ['/srv/notes'], made: [] });
  for (const wide of [
    'memory.jsonl',
    '~/memory.jsonl',
    '/memory.jsonl',
    '/etc/x',
    `${home}/x`,
    '~/a/../x',
    join(home, '../x'),
  ])
    expect([wide, own(wide).write]).toEqual([wide, []]);
  expect(own('~/memory.jsonl').notes.join()).toContain('cannot write there');
});

test('secrets that cannot be sealed are delivered as they are, with the reason', () => {
  const access = knownAccess(
    knownServer('npm', '@benborla29/mcp-server-mysql'),
    'demo',
    { ...nothing, env: { MYSQL_HOST: 'db.acme.example' }, credentials: ['MYSQL_PASS'] },
    '/home/ann',
  );
  expect(access).toMatchObject({ deliver: 'env', as: undefined, reaches: ['db.acme.example:3306'] });
  expect(access.notes.join('\n')).toContain(
    'it gets its secrets as they are: it speaks the protocol of a database',
  );
});

test('a browser runs without a window and where it is found, unless something else is said', () => {
  const home = '/home/ann';
  const playwright = knownServer('npm', '@playwright/mcp');
  const { env, notes, read } = knownAccess(playwright, 'web', nothing, home);
  expect(env).toMatchObject({ PLAYWRIGHT_MCP_HEADLESS: 'true', PLAYWRIGHT_MCP_SANDBOX: 'false' });
  const file = env.PLAYWRIGHT_MCP_EXECUTABLE_PATH;
  // In the sandbox there is what is below /usr anyway.
  if (file !== undefined) expect([file, file.startsWith('/usr/') ? 0 : 1]).toEqual([file, read.length]);
  expect(notes.join('\n')).toContain('warder allow web HOST');
  const args = ['--executable-path', '/usr/bin/other', '--headless'];
  expect(knownAccess(playwright, 'web', { ...nothing, args }, home).env).not.toHaveProperty(
    'PLAYWRIGHT_MCP_EXECUTABLE_PATH',
  );
  const chrome = knownServer('npm', 'chrome-devtools-mcp');
  expect(knownAccess(chrome, 'web', nothing, home).args).toContain('--headless');
  const given = { ...nothing, args: ['--headless=false', '--executablePath=/x'] };
  const added = knownAccess(chrome, 'web', given, home).args;
  expect(added).not.toContain('--headless');
  expect(added.some((word) => word.startsWith('--executablePath='))).toBe(false);
});
