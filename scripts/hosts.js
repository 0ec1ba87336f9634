// Runs real hosts behind Warder; see scripts/hosts. Each has a clean home with its own configuration: a server that needs
// nothing, one whose token Warder can seal, and one that gets its token. All secrets are made up.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { readDocument } from '../src/host/document.ts';
import { serversOf } from '../src/host/servers.ts';
import { hosts } from '../src/host/table.ts';
import { Home, watchFor } from './host/home.js';
import { tryManaged } from './host/managed.js';
import { startModel } from './host/model.js';
import { PROGRAMS } from './host/programs.js';

const root = join(import.meta.dirname, '..');
const tokenServer = join(import.meta.dirname, 'host/token-server.js');
const GITHUB = `ghp_${'0123456789abcdef'.repeat(3).slice(0, 36)}`;
const SERVICE = `sk-live-${'0123456789abcdef'.repeat(2)}`;

const SERVERS = {
  everything: { command: 'npx', args: ['-y', '@modelcontextprotocol/server-everything'] },
  github: {
    command: 'npx',
    args: ['-y', '@modelcontextprotocol/server-github'],
    env: { GITHUB_PERSONAL_ACCESS_TOKEN: GITHUB },
  },
  service: { command: 'node', args: [tokenServer], env: { SERVICE_API_KEY: SERVICE } },
};
const CALLS = [
  ['echo', { message: 'hello' }],
  ['token_digest', {}],
];

const args = process.argv.slice(2);
const wanted = args.filter((word) => !word.startsWith('--'));
const unknown = [
  ...wanted.filter((id) => PROGRAMS[id] === undefined),
  ...args.filter((word) => word.startsWith('--') && !['--keep', '--readme'].includes(word)),
];
if (unknown.length > 0) {
  process.stderr.write(
    `usage: scripts/hosts [--keep] [--readme] [HOST…]\n  there is no ${unknown.join(' ')}; hosts are ${Object.keys(PROGRAMS).join(' ')}\n`,
  );
  process.exit(64);
}

const keep = args.includes('--keep');
const folder = mkdtempSync(join(tmpdir(), 'warder-hosts-'));
const cache = keep
  ? join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'warder-hosts')
  : join(folder, 'cache');

/** Removes a folder, with what Warder has made read-only in it: the packages of servers. */
function remove(dir) {
  execFileSync('chmod', ['-R', 'u+w', dir]);
  rmSync(dir, { recursive: true, force: true });
}

/** What is going on, on standard error. */
function say(id, text) {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${id}: ${text}\n`);
}

/** Installs a host into the cache, or a newer version of it. Returns its version. */
function install(id, { package: name }) {
  const prefix = join(cache, id);
  mkdirSync(prefix, { recursive: true });
  const flags = ['--no-audit', '--no-fund', '--loglevel=error', '--cache', join(cache, 'npm')];
  execFileSync('npm', ['install', '--prefix', prefix, ...flags, `${name}@latest`], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return JSON.parse(readFileSync(join(prefix, 'node_modules', name, 'package.json'), 'utf8')).version;
}

/** What a configuration says beside its servers. */
function beside(text, file) {
  const document = readDocument(text, file.format);
  const value = structuredClone(document.value);
  for (const { path } of serversOf(document, file).toReversed()) {
    const parent = path.slice(0, -1).reduce((at, key) => at?.[key], value);
    if (Array.isArray(parent)) parent.splice(path.at(-1), 1);
    else delete parent[path.at(-1)];
  }
  return value;
}

/** Whether a file came back: byte for byte, or its servers alone, where the host has written it in between. */
function restored({ how }, { before, host, after }, file) {
  if (how === 'whole') return before === after ? 'byte for byte' : 'no: other bytes';
  const servers = (text) => serversOf(readDocument(text, file.format), file).map(({ entry }) => entry);
  if (!isDeepStrictEqual(servers(before), servers(after))) return 'no: other servers';
  if (!isDeepStrictEqual(beside(host, file), beside(after, file))) return 'no: what the host wrote is lost';
  const [was, is] = [beside(before, file), beside(after, file)];
  const changed = [...new Set([...Object.keys(was), ...Object.keys(is)])].filter(
    (key) => !isDeepStrictEqual(was[key], is[key]),
  );
  return `servers as they were; since then the host wrote ${changed.map((key) => `\`${key}\``).join(', ') || 'the file anew'}`;
}

/** Imports a host's servers, and judges what its file is afterwards. Returns the profiles. */
async function importServers({ id, home, path, file, before, row }) {
  const key = join(home.dir, 'key');
  writeFileSync(key, Buffer.from('0123456789abcdef'.repeat(4), 'hex'), { mode: 0o600 });
  await home.warder(['init', '--store', 'vault', '--key-file', key]);
  const imported = await home.facts('import', id, '--apply', '--yes');
  const written = readFileSync(path, 'utf8');
  const failures = imported.filter(({ profile }) => profile === undefined).map(({ error }) => error);
  const profiles = imported.flatMap(({ profile }) => profile ?? []);
  if (failures.length > 0) row.imported = `failed: ${failures.join('; ')}`;
  else if ([GITHUB, SERVICE].some((secret) => written.includes(secret)))
    row.imported = 'failed: a secret is left';
  else if (!isDeepStrictEqual(beside(before, file), beside(written, file)))
    row.imported = 'failed: other members were changed';
  else row.imported = `${profiles.length} servers, no secret left`;
  return profiles;
}

/** Runs the host through the rewritten entries, and compares that with the turn before. */
async function throughWarder({ program, run, home, without, row }) {
  await using person = home.person();
  using watch = watchFor(GITHUB, 'server-github');
  const through = await program.turn(run);
  const { seen, holders } = watch.found;
  const [one, two] = [without, through].map(({ tools }) =>
    tools.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  );
  row.tools = isDeepStrictEqual(one, two) ? `${two.length}, the same` : `no: ${difference(one, two)}`;
  const records = await home.facts('audit', 'list');
  const isLogged = ([tool]) => records.some((record) => record.tool === tool && record.decision === 'allow');
  if (!isDeepStrictEqual(without.results, through.results))
    row.call = `no: ${JSON.stringify(through.results).slice(0, 300)}`;
  else if (through.results.length < CALLS.length) row.call = 'no: a call is missing';
  else if (!CALLS.every(isLogged)) row.call = 'no: not in the log';
  else row.call = `the same, ${person.answered.size} questions`;
  if (!seen) row.sealed = 'no: not seen to run';
  else row.sealed = holders.size === 0 ? 'yes' : `no: ${[...holders].join(', ')}`;
}

/** Tries one host. Returns its row of the table. */
async function tryHost(id, model) {
  const program = PROGRAMS[id];
  const [file] = hosts[id].files;
  const row = {
    host: hosts[id].title,
    version: '',
    imported: '',
    tools: '',
    call: '',
    sealed: '',
    undo: '',
    check: '',
    managed: '',
  };
  say(id, `installing ${program.package} …`);
  row.version = install(id, program);
  const home = new Home(id, folder, cache);
  current = home;
  const path = join(home.dir, program.file);
  const run = {
    program: join(cache, id, 'node_modules/.bin', program.bin),
    home: home.dir,
    project: home.project,
    env: home.env,
    model,
    calls: CALLS,
    servers: Object.keys(SERVERS),
  };
  try {
    mkdirSync(dirname(path), { recursive: true });
    const text = program.configuration({ servers: SERVERS, model, project: home.project });
    writeFileSync(path, text, { mode: 0o600 });

    say(id, 'a turn without Warder …');
    const without = await program.turn(run);
    const before = readFileSync(path, 'utf8');

    say(id, 'warder import …');
    const profiles = await importServers({ id, home, path, file, before, row });
    say(id, 'a turn through Warder …');
    await throughWarder({ program, run, home, without, row });

    say(id, 'warder connect, and what the host says of it …');
    const [connected] = await home.facts('connect', 'everything', '--host', id, '--as', 'probe');
    row.check = connected.says?.state ?? '–';
    await home.warder(['undo', connected.undo, '--yes']);
    if (program.managed !== undefined) {
      say(id, 'its managed settings …');
      row.managed = await tryManaged({ id, program, run, home, path, server: SERVERS.service, profiles });
    } else row.managed = '–';

    const host = readFileSync(path, 'utf8');
    const [undone] = await home.facts('undo', '--yes');
    row.undo = restored(undone, { before, host, after: readFileSync(path, 'utf8') }, file);
  } catch (error) {
    row.undo ||= `failed: ${error.message}`;
  } finally {
    const left = await home.end();
    if (left.length > 0) say(id, `left behind, and ended: ${left.join(', ')}`);
    remove(home.dir);
  }
  return row;
}

function difference(one, two) {
  const [a, b] = [one, two].map((tools) => tools.map(({ name }) => name));
  const missing = a.filter((name) => !b.includes(name));
  const added = b.filter((name) => !a.includes(name));
  const other = two.filter(
    (tool) =>
      a.includes(tool.name) &&
      !isDeepStrictEqual(
        tool,
        one.find(({ name }) => name === tool.name),
      ),
  );
  return `missing ${missing.join(' ') || 'none'}, new ${added.join(' ') || 'none'}, other ${other.map(({ name }) => name).join(' ') || 'none'}`;
}

function hasPassed(row) {
  return Object.values(row).every((cell) => cell !== '' && !/^(?:no:|failed)/.test(cell));
}

function table(rows) {
  const date = new Date().toISOString().slice(0, 10);
  const cell = (text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
  return [
    `${rows.filter(hasPassed).length} of ${rows.length}, on ${date} (Node ${process.versions.node}, Linux, ${process.getuid?.() === 0 ? 'as root' : 'as an ordinary user'}).`,
    '',
    '| host | version | import | tools through Warder | calls | token sealed | undo | its own check | its managed settings |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows.map((row) => `| ${Object.values(row).map(cell).join(' | ')} |`),
  ].join('\n');
}

const rows = [];
/** The home in use, for a signal. */
let current;
for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, async () => {
    await current?.end();
    remove(folder);
    process.exit(130);
  });
try {
  await using model = await startModel();
  for (const id of Object.keys(PROGRAMS).filter((id) => wanted.length === 0 || wanted.includes(id))) {
    const row = await tryHost(id, model);
    rows.push(row);
    process.stdout.write(`${Object.values(row).join('  ')}\n`);
  }
} finally {
  remove(folder);
}
const text = table(rows);
process.stdout.write(`\n${text}\n`);
if (args.includes('--readme')) {
  const readme = join(root, 'README.md');
  const marked = /(<!-- hosts -->\n)[\s\S]*?(\n<!-- \/hosts -->)/;
  const whole = readFileSync(readme, 'utf8');
  if (!marked.test(whole)) throw new Error('README.md has no place for the table');
  writeFileSync(
    readme,
    whole.replace(marked, (_, start, end) => `${start}${text}${end}`),
  );
}
process.exitCode = rows.every(hasPassed) ? 0 : 1;
