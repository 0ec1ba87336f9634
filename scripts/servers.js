// Runs servers of the npm registry through Warder as a new user has them: the entry of each README in a host's file, with a
// made-up secret, `warder import`, and a host's session through the profile that it wrote; see scripts/servers. Their APIs
// are answered here (servers-api.js), which sees where the secret arrives behind the gate.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { isDeepStrictEqual } from 'node:util';
import { parse, stringify } from 'yaml';
import { placeOf, startApi } from './servers-api.js';
import { listServers } from './servers-list.js';

const root = join(import.meta.dirname, '..');
const warderScript = join(root, 'bin/warder.js');
const folder = mkdtempSync(join(tmpdir(), 'warder-servers-'));
const env = { ...process.env, HOME: folder, WARDER_HOME: join(folder, 'warder') };
const config = join(env.WARDER_HOME, 'config');
const notes = join(folder, 'notes');
const database = join(folder, 'database');
const PORT = await freePort();
const PASSWORD = 'made-up-password-0123456789';
/** Seconds for one command, and for one answer of a server. Without Warder its API is not there: some try for ever. */
const TIMEOUT = 300;
const DIRECT_TIMEOUT = 60;

/** A port of the loopback that nobody uses. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}

/** Runs `warder` to its end. */
function warder(args, input = '') {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [warderScript, ...args], {
      env,
      cwd: folder,
      timeout: TIMEOUT * 1000,
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (text) => (stdout += text));
    child.stderr.on('data', (text) => (stderr += text));
    child.on('close', (code) => resolve({ code, stdout, stderr }));
    child.stdin.end(input);
  });
}

/** A host for one session: lists the tools, and makes a call. */
async function session(command, args, environment, { call, seconds = TIMEOUT } = {}) {
  const child = spawn(command, args, { env: environment, cwd: folder, stdio: ['pipe', 'pipe', 'ignore'] });
  const waiting = new Map();
  const ended = new Promise((resolve) => child.on('close', resolve));
  child.stdin.on('error', () => {});
  createInterface({ input: child.stdout }).on('line', (line) => {
    try {
      const message = JSON.parse(line);
      waiting.get(message.id)?.(message);
    } catch {
      // A direct start may print what is no message.
    }
  });
  let ids = 0;
  const request = async (method, params) => {
    const id = ++ids;
    const answer = new Promise((resolve) => waiting.set(id, resolve));
    child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
    const late = AbortSignal.timeout(seconds * 1000);
    const given = await Promise.race([
      answer,
      ended.then(() => ({ error: { message: 'the server ended' } })),
      new Promise((resolve) =>
        late.addEventListener('abort', () => resolve({ error: { message: 'no answer' } })),
      ),
    ]);
    if (given.error !== undefined) throw new Error(given.error.message);
    return given.result;
  };
  try {
    await request('initialize', {
      protocolVersion: '2025-06-18',
      capabilities: {},
      clientInfo: { name: 'servers', version: '1' },
    });
    child.stdin.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n');
    const tools = [];
    let cursor;
    do {
      const page = await request('tools/list', cursor === undefined ? {} : { cursor });
      tools.push(...page.tools);
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    if (call === undefined) return { tools };
    const [name, given, expected] = call;
    const result = await request('tools/call', { name, arguments: given });
    const text = JSON.stringify(result);
    return { tools, called: result.isError !== true && expected?.test(text), text };
  } finally {
    child.stdin.end();
    const kill = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(kill);
  }
}

/** The same program without Warder, as a host would start it. */
function direct(program, { args }, { entry }) {
  // The arguments that the profile has are the entry's, with secrets taken out, and what Warder has added.
  const own = entry.args.slice(entry.args.findIndex((word) => !word.startsWith('-')) + 1);
  const [command, ...rest] = [...program.slice(0, program.length - (args?.length ?? 0)), ...own];
  return session(
    command,
    rest,
    { PATH: process.env.PATH, HOME: folder, ...entry.env },
    {
      seconds: DIRECT_TIMEOUT,
    },
  );
}

/** Whether two lists of tools are the same. Some servers write facts about the machine into descriptions. */
function comparison(through, without) {
  if (isDeepStrictEqual(through, without)) return 'yes';
  const plain = (tools) =>
    JSON.stringify(tools, (key, value) => (key === 'description' && typeof value === 'string' ? '' : value));
  return plain(through) === plain(without) ? 'yes, but for descriptions of the machine' : 'no';
}

/** The secrets of an entry: the values of credentials, by what the profile says of them. */
function secretsOf(profile, { args, env: variables = {} }) {
  const written = Object.keys(profile.credentials ?? {});
  const own = args.slice(args.findIndex((word) => !word.startsWith('-')) + 1);
  const taken = own.flatMap((word, index) => {
    const stands = profile.server.args?.[index] ?? '';
    const at = stands.indexOf(`$${'{'}credential:`);
    if (at < 0) return [];
    return [word.slice(at, word.length - (stands.length - stands.indexOf('}', at) - 1))];
  });
  return [...written.flatMap((name) => variables[name] ?? []), ...taken];
}

/** The variables whose text has a credential inside of it. */
function insideOf({ env: variables = {} }) {
  return Object.keys(variables)
    .filter((name) => String(variables[name]).includes(`$${'{'}credential:`))
    .map((name) => `, inside \`${name}\``)
    .join('');
}

async function tryServer(server, api) {
  const { name, entry, call } = server;
  const row = { name, package: '', import: '', tools: '', same: '', secret: '', call: '', remark: '' };
  const requests = api.serve(server);
  mkdirSync(join(folder, '.cursor'), { recursive: true });
  const file = join(folder, '.cursor/mcp.json');
  writeFileSync(file, JSON.stringify({ mcpServers: { [name]: entry } }, null, 2), { mode: 0o600 });
  const began = performance.now();
  const imported = await warder(['import', 'cursor', '--apply', '--yes', '--json']);
  row.import = `${((performance.now() - began) / 1000).toFixed(0)} s`;
  if (imported.code !== 0) {
    const [result] = imported.stdout === '' ? [] : JSON.parse(imported.stdout);
    return { ...row, import: 'left as it is', remark: result?.error ?? imported.stderr.trim() };
  }
  const path = join(config, 'profiles', `${name}.yaml`);
  const profile = parse(readFileSync(path, 'utf8'));
  row.package = profile.server.package.replace(/^\w+:/, '');
  const secrets = server.secrets ?? secretsOf(profile, entry);
  const [credential] = Object.values(profile.credentials ?? {});
  row.secret =
    credential === undefined
      ? ''
      : credential.deliver === 'sealed'
        ? `sealed, \`${credential.as ?? 'header'}\`, ${credential.hosts.join(', ')}${insideOf(profile)}`
        : `${credential.deliver}: not HTTP`;
  // A person would answer "allow".
  writeFileSync(path, stringify({ ...profile, policy: { default: 'allow' } }), { mode: 0o600 });
  try {
    const seen = requests().length;
    const through = await session(process.execPath, [warderScript, 'run', name], env, { call });
    row.tools = String(through.tools.length);
    if (call !== undefined) row.call = callOf(server, through, requests().slice(seen), secrets);
    const [finding] = JSON.parse((await warder(['check', name, '--json'])).stdout);
    const without = await direct(finding.holds.command, profile.server, server).catch(() => undefined);
    // Some ask their API for their tools, which is not reached without Warder here.
    row.same =
      without === undefined ? 'does not start without its API' : comparison(through.tools, without.tools);
  } catch (error) {
    row.same = `failed: ${error.message}`;
  }
  const log = await warder(['audit', 'list', '--json', '--event', 'egress.connect']);
  const refused = JSON.parse(log.stdout || '[]').filter(
    (record) => record.profile === name && record.outcome === 'refused',
  );
  const misplaced = refused.find(({ reason }) => /is not put in/.test(reason ?? ''));
  if (misplaced !== undefined) row.call = `failed: ${misplaced.reason}`;
  const hosts = [...new Set(refused.map(({ host }) => host))];
  if (hosts.length > 0) row.remark = `refused: ${hosts.join(', ')}`;
  return row;
}

/** How a call ended: with the result that is expected, or with a request to the API that carries each secret. */
function callOf({ call, api }, { called, text }, requests, secrets) {
  const [tool] = call;
  if (api === undefined) return called ? `\`${tool}\`` : `failed: ${text}`.slice(0, 300);
  const places = secrets.map((secret) => {
    const found = requests.find((request) => placeOf(request, secret) !== undefined);
    return found === undefined ? undefined : placeOf(found, secret);
  });
  if (places.length === 0 || places.includes(undefined)) return `failed: ${text}`.slice(0, 300);
  return `\`${tool}\`: the API got ${secrets.length === 1 ? 'it' : 'them'}`;
}

/** Starts a PostgreSQL of Debian's with a user of its own. Returns how to stop it. */
function startPostgres() {
  const version = readdirSync('/usr/lib/postgresql').sort().at(-1) ?? '';
  const bin = join('/usr/lib/postgresql', version, 'bin');
  mkdirSync(database);
  writeFileSync(join(database, 'password'), PASSWORD);
  const isRoot = process.getuid?.() === 0;
  // It does not run as root.
  if (isRoot) execFileSync('chown', ['-R', 'nobody', database]);
  chmodSync(folder, 0o711);
  const run = (program, args) =>
    execFileSync(
      isRoot ? 'setpriv' : join(bin, program),
      isRoot ? ['--reuid', 'nobody', '--clear-groups', join(bin, program), ...args] : args,
      { stdio: 'ignore', env: { PATH: process.env.PATH, HOME: database }, cwd: database },
    );
  const data = join(database, 'data');
  run('initdb', [
    '-D',
    data,
    '-A',
    'scram-sha-256',
    '-U',
    'reader',
    `--pwfile=${join(database, 'password')}`,
  ]);
  run('pg_ctl', [
    '-D',
    data,
    '-o',
    `-p ${PORT} -k ${database} -h 127.0.0.1`,
    '-l',
    join(database, 'log'),
    '-w',
    'start',
  ]);
  return () => run('pg_ctl', ['-D', data, '-m', 'fast', 'stop']);
}

function hasPassed(row) {
  return !/^failed|^left|^no$/.test(
    [row.import, row.same, row.call].find((cell) => /^failed|^left|^no$/.test(cell)) ?? '',
  );
}

function table(rows) {
  const passed = rows.filter(hasPassed);
  const date = new Date().toISOString().slice(0, 10);
  return [
    `${passed.length} of ${rows.length}, on ${date} (Node ${process.versions.node}, Linux, ${process.getuid?.() === 0 ? 'as root' : 'as an ordinary user'}).`,
    '',
    '| server | package | import | tools | as without Warder | its secret | a call | |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows.map(
      (row) =>
        `| ${row.name} | \`${row.package}\` | ${row.import} | ${row.tools} | ${row.same} | ${row.secret} | ${row.call} | ${row.remark} |`,
    ),
  ].join('\n');
}

/** The value of an option of this script. */
function option(name) {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
}

// `--rows FILE` keeps what was run, so that a run that was cut short goes on.
const kept = option('--rows');
const rows = kept !== undefined && existsSync(kept) ? JSON.parse(readFileSync(kept, 'utf8')) : [];
const wanted = process.argv.slice(2).filter((word) => !word.startsWith('--') && word !== kept);
const servers = listServers({ notes, port: PORT, password: PASSWORD }).filter(
  ({ name }) =>
    (wanted.length === 0 || wanted.includes(name)) &&
    !rows.some((row) => row.name === name && hasPassed(row)),
);
let stopPostgres = () => {};
await using api = await startApi(servers);
try {
  mkdirSync(notes);
  writeFileSync(join(notes, 'today.md'), 'buy milk');
  mkdirSync(config, { recursive: true, mode: 0o700 });
  const ca = join(folder, 'api.pem');
  writeFileSync(ca, api.authority);
  const settings = { consent: { 'first-use': 'accept' }, egress: { ...api.settings, ca } };
  writeFileSync(join(config, 'warder.yaml'), stringify(settings), { mode: 0o600 });
  const made = await warder(['init', '--store', 'vault', '--key-file', join(folder, 'key')]);
  if (made.code !== 0) throw new Error(made.stderr);
  if (servers.some(({ name }) => name === 'postgres')) stopPostgres = startPostgres();
  for (const server of servers) {
    const row = await tryServer(server, api);
    rows.splice(0, rows.length, ...rows.filter(({ name }) => name !== row.name), row);
    if (kept !== undefined) writeFileSync(kept, JSON.stringify(rows, null, 2));
    process.stdout.write(`${Object.values(row).join('  ')}\n`);
  }
} finally {
  stopPostgres();
  await warder(['stop']);
  rmSync(folder, { recursive: true, force: true });
}
const order = listServers({ notes, port: PORT, password: PASSWORD }).map(({ name }) => name);
rows.sort((one, other) => order.indexOf(one.name) - order.indexOf(other.name));
const text = table(rows);
process.stdout.write(`\n${text}\n`);
if (process.argv.includes('--readme')) {
  const file = join(root, 'README.md');
  const readme = readFileSync(file, 'utf8');
  const marked = /(<!-- servers -->\n)[\s\S]*?(\n<!-- \/servers -->)/;
  if (!marked.test(readme)) throw new Error('README.md has no place for the table');
  writeFileSync(
    file,
    readme.replace(marked, (_, before, after) => `${before}${text}${after}`),
  );
}
process.exitCode = rows.every(hasPassed) ? 0 : 1;
