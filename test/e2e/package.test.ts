// Real packages of the registry: from the line of a README to a pinned server that answers in a sandbox without a
// network, and what happens if its files are changed. The tests of this file share a home and an npm cache.
import { execFileSync } from 'node:child_process';
import { appendFileSync, chmodSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Home, SAID } from '../fixtures/home.ts';

/** The npm settings in the environment of this machine, for instance a proxy and its certificates. */
const npm = Object.fromEntries(
  Object.entries(process.env).flatMap(([name, value]) =>
    value !== undefined && /^(npm_config_(?!cache)|https?_proxy$|no_proxy$|NODE_EXTRA_CA_CERTS$)/i.test(name)
      ? [[name, value]]
      : [],
  ),
);

/** A server as its README starts it, one of its tools, and a pattern of the answer, which may be an error of the tool. */
interface Server {
  readonly line: string;
  /** Folders that it may read. */
  readonly read?: readonly string[];
  readonly tool: string;
  readonly arguments: object;
  readonly answer: RegExp;
}

const notes = 'notes';

const servers: { readonly [profile: string]: Server } = {
  everything: {
    line: 'npx -y @modelcontextprotocol/server-everything@2026.8.31',
    tool: 'echo',
    arguments: { message: 'hello' },
    answer: /^Echo: hello$/,
  },
  files: {
    line: `npx -y @modelcontextprotocol/server-filesystem@2026.8.31 ~/${notes}`,
    read: [`~/${notes}`],
    tool: 'read_text_file',
    arguments: { path: `~/${notes}/today.txt` },
    answer: /^buy milk$/,
  },
  memory: {
    line: 'npx -y @modelcontextprotocol/server-memory@2026.7.4',
    tool: 'read_graph',
    arguments: {},
    answer: /"entities": \[\]/,
  },
  thinking: {
    line: 'npx -y @modelcontextprotocol/server-sequential-thinking@2026.8.31',
    tool: 'sequentialthinking',
    arguments: { thought: 'so', nextThoughtNeeded: false, thoughtNumber: 1, totalThoughts: 1 },
    answer: /"thoughtNumber": 1/,
  },
  context7: {
    line: 'npx -y @upstash/context7-mcp@4.1.1',
    tool: 'resolve-library-id',
    arguments: { query: 'hooks', libraryName: 'react' },
    answer: /fetch failed|[Ee]rror|[Ff]ailed/,
  },
  chart: {
    line: 'npx -y @antv/mcp-server-chart@0.9.10',
    tool: 'generate_pie_chart',
    arguments: { data: [{ category: 'one', value: 1 }] },
    answer: /EAI_AGAIN|ENOTFOUND|[Ff]ailed/,
  },
  playwright: {
    line: 'npx @playwright/mcp@0.0.83',
    tool: 'browser_navigate',
    arguments: { url: 'about:blank' },
    answer: /about:blank/,
  },
  chrome: {
    line: 'npx -y chrome-devtools-mcp@1.11.0',
    tool: 'list_pages',
    arguments: {},
    answer: /about:blank/,
  },
  accesslint: {
    line: 'npx -y @accesslint/mcp@0.11.1',
    tool: 'list_rules',
    arguments: {},
    answer: /alt/,
  },
};

let home: Home;

/** Words with the home folder in place of `~`. */
const said = (text: string): string => text.replaceAll('~', home.dir);

beforeAll(async () => {
  home = new Home({ env: npm });
  home.env.npm_config_cache = join(home.dir, 'npm');
  mkdirSync(join(home.dir, notes));
  writeFileSync(join(home.dir, notes, 'today.txt'), 'buy milk');
  const names = Object.keys(servers);
  // Two at a time, because npm mostly waits for the network.
  const add = async (): Promise<void> => {
    for (let name = names.shift(); name !== undefined; name = names.shift()) {
      const { line = '', read = [] } = servers[name] ?? {};
      const options = read.flatMap((folder) => ['--read', said(folder)]);
      await home.done(['add', name, '--allow', '*', ...options, '--from-npx', said(line)]);
    }
  };
  await Promise.all([add(), add()]);
}, 240_000);

afterAll(async () => {
  // What still runs there may remove what is about to be changed.
  await home.warder(['stop']);
  await home.quiet();
  // The trees are read-only, unless the user is root.
  execFileSync('chmod', ['-R', 'u+w', home.dir]);
  await home[Symbol.asyncDispose]();
});

const profileOf = (name: string): string => join(home.places.profiles, `${name}.yaml`);

/** Starts a profile's server, lists its tools, calls one, and returns its answer. */
async function answer(name: string): Promise<string> {
  const { tool, arguments: args } = servers[name] as Server;
  await using host = home.run(name);
  const opened = await host.initialize();
  expect(opened.error).toBeUndefined();
  const { result } = await host.request('tools/list');
  expect(result.tools.map((each: { name: string }) => each.name)).toContain(tool);
  const told = await host.call(tool, JSON.parse(said(JSON.stringify(args))));
  const [session] = (await home.facts('status')).sessions;
  expect(session).toMatchObject({ profile: name, sandbox: 'on', calls: 1 });
  expect(session.layers).toEqual(expect.arrayContaining(['files', 'network', 'system-calls']));
  return told;
}

test.each(Object.entries(servers))(
  'W-PKG-1 %s runs pinned, in the sandbox, with node alone, and answers',
  async (name, { line, answer: expected }) => {
    const [spec] = /@?[a-z0-9-]+(\/[a-z0-9-]+)?@\d[0-9.]*/.exec(line) ?? [];
    expect(readFileSync(profileOf(name), 'utf8')).toContain(`npm:${spec}`);
    expect(await answer(name)).toMatch(expected);
    const opened = home.audit('session.open').at(-1);
    expect(opened?.command.slice(0, 2)).toEqual([
      process.execPath,
      expect.stringContaining(home.places.state),
    ]);
    expect(opened?.sandbox.off).toBe(false);
  },
);

test('W-PKG-3 a package whose file was changed does not run: exit code 77, the file is named, and a record is written', async () => {
  const [file] = globSync(
    join(
      home.places.state,
      'packages/*/tree/node_modules/@modelcontextprotocol/server-everything/dist/index.js',
    ),
  );
  if (file === undefined) throw new Error('the tree is not where it was');
  chmodSync(file, 0o644);
  appendFileSync(file, '\n// one more line\n');
  chmodSync(file, 0o444);

  const run = await home.warder(['run', 'everything'], SAID);
  expect(run).toMatchObject({ code: 77, stdout: '' });
  expect(run.stderr).toMatch(/^warder: error: .*server-everything\/dist\/index\.js/m);
  expect(run.stderr).toMatch(/^warder: hint: /m);
  expect(home.audit('trust.change').filter(({ what }) => what === 'package')).toMatchObject([
    {
      profile: 'everything',
      what: 'package',
      package: 'npm:@modelcontextprotocol/server-everything@2026.8.31',
      outcome: 'refused',
      detail: expect.stringContaining('dist/index.js'),
    },
  ]);
  const verified = await home.warder(['package', 'verify', '--json']);
  expect(verified.code).toBe(77);
  const bad = JSON.parse(verified.stdout).filter(({ ok }: { ok: boolean }) => !ok);
  expect(bad).toMatchObject([{ package: expect.stringContaining('server-everything') }]);
  // The other packages are unchanged, and run.
  expect(await answer('thinking')).toMatch(/thoughtNumber/);

  // Installed again from the same hashes, it runs again.
  await home.done(['package', 'lock', 'everything', '--again']);
  await home.done(['package', 'verify', 'everything']);
  expect(await answer('everything')).toBe('Echo: hello');
  await home.done(['audit', 'verify']);
});

test('W-PKG-18 a server has its code cache read-only in a sandbox, and none without one', async () => {
  const profile = readFileSync(profileOf('thinking'), 'utf8');
  writeFileSync(profileOf('bare'), `${profile.replace(/^sandbox:\n(?: .*\n)*/m, '')}sandbox:\n  off: true\n`);
  await home.done(['package', 'lock', 'bare']);
  const seen = async (name: string): Promise<{ cache: string | undefined; mount: string | undefined }> => {
    await using host = home.run(name);
    await host.initialize();
    await host.request('tools/list');
    await host.call('sequentialthinking', servers.thinking?.arguments ?? {});
    const [server] = globSync('/proc/[0-9]*/cmdline').filter((file) => {
      const [program = '', script = ''] = read(file).split('\0');
      return program === process.execPath && script.startsWith(home.dir);
    });
    const of = dirname(server ?? '');
    const cache = /(?:^|\0)NODE_COMPILE_CACHE=([^\0]*)/.exec(read(join(of, 'environ')))?.[1];
    const mount = read(join(of, 'mountinfo'))
      .split('\n')
      .map((line) => line.split(' '))
      .find(([, , , , place]) => place === cache)?.[5];
    return { cache, mount };
  };
  const { cache, mount } = await seen('thinking');
  expect(cache).toMatch(/^.*server-sequential-thinking@[^/]*\/code\/[0-9a-f]{12}\/tree$/);
  expect(mount).toMatch(/^ro\b/);
  expect(await seen('bare')).toEqual({ cache: undefined, mount: undefined });

  // What is changed in it is refused as the package's own files are.
  const [file = ''] = globSync(join(cache ?? '', '*/*'));
  chmodSync(file, 0o644);
  appendFileSync(file, 'more');
  const run = await home.warder(['run', 'thinking'], SAID);
  expect(run).toMatchObject({ code: 77, stdout: '' });
  expect(run.stderr).toMatch(/of its code cache/);
  expect(home.audit('trust.change').at(-1)).toMatchObject({ what: 'package', outcome: 'refused' });
  await home.done(['package', 'lock', 'thinking']);
  expect(await answer('thinking')).toMatch(/thoughtNumber/);
});

/** A file of a process; empty where it has gone or is another user's. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

test('W-TRUST-22 an update is shown before it is installed, and a dry run changes nothing', async () => {
  const before = readFileSync(profileOf('memory'), 'utf8');
  const update = ['package', 'update', 'memory', '--to', '2026.8.31'];
  const shown = JSON.parse(await home.done([...update, '--dry-run', '--json']));
  expect(shown).toMatchObject({ from: '2026.7.4', to: '2026.8.31', updated: false });
  expect(await home.done([...update, '--dry-run'])).toContain('2026.7.4 -> 2026.8.31');
  expect(readFileSync(profileOf('memory'), 'utf8')).toBe(before);
  expect(await answer('memory')).toMatch(/entities/);

  await home.done([...update, '--yes']);
  expect(readFileSync(profileOf('memory'), 'utf8')).toContain('server-memory@2026.8.31');
  // Another package is held back until the user has seen what it lists.
  {
    await using host = home.run('memory');
    await host.initialize();
    expect((await host.request('tools/list')).result.tools).toEqual([]);
  }
  expect(await home.done(['trust', 'accept', 'memory', '--yes'])).toContain('2026.8.31');
  expect(await answer('memory')).toMatch(/entities/);
});

test('sweep removes the packages that no profile uses, and no others', async () => {
  const listed = async (): Promise<string[]> =>
    (await home.facts('package', 'list')).map((row: { package: string }) => row.package).sort();
  const all = await listed();
  await home.done(['remove', 'chart', '--yes']);
  const { removed } = await home.facts('package', 'sweep', '--yes');
  expect(removed.join(' ')).toContain('mcp-server-chart');
  const gone = ['npm:@antv/mcp-server-chart@0.9.10', 'npm:@modelcontextprotocol/server-memory@2026.7.4'];
  expect(await listed()).toEqual(all.filter((name) => !gone.includes(name)));
  expect((await home.warder(['package', 'verify'])).code).toBe(0);
});
