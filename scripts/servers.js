// Runs servers of the npm registry through Warder, each at the first try; see scripts/servers. Values of credentials are made
// up: the servers are started, list their tools, and those that need no account do some work.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { isDeepStrictEqual } from 'node:util';

const root = join(import.meta.dirname, '..');
const warderScript = join(root, 'bin/warder.js');
const folder = mkdtempSync(join(tmpdir(), 'warder-servers-'));
const env = { ...process.env, WARDER_HOME: join(folder, 'warder') };
const notes = join(folder, 'notes');
const database = join(folder, 'database');
const PORT = await freePort();
const PASSWORD = 'made-up-password-0123456789';
/** Seconds for one command, and for one answer of a server. */
const TIMEOUT = 300;

const api = (variable, host, value) => ({
  options: ['--credential', variable, '--host', host],
  values: { [variable]: value },
});
const hex = (length) => '0123456789abcdef'.repeat(8).slice(0, length);
const browser = ['--headless', '--no-sandbox', '--executable-path', '/usr/bin/chromium'].join(' ');
const page = 'data:text/html,<title>tab</title><h1>It works</h1>';

/**
 * The servers: the line of their README, options of `warder add`, values of credentials, and a call that does some work with
 * what its result contains.
 */
const SERVERS = [
  {
    name: 'everything',
    line: 'npx -y @modelcontextprotocol/server-everything',
    call: ['echo', { message: 'hello' }, /hello/],
  },
  {
    name: 'sequential-thinking',
    line: 'npx -y @modelcontextprotocol/server-sequential-thinking',
    call: [
      'sequentialthinking',
      { thought: 'one', thoughtNumber: 1, totalThoughts: 1, nextThoughtNeeded: false },
      /thoughtHistoryLength/,
    ],
  },
  {
    name: 'github',
    line: 'npx -y @modelcontextprotocol/server-github',
    ...api('GITHUB_PERSONAL_ACCESS_TOKEN', 'api.github.com', `ghp_${hex(36)}`),
  },
  {
    name: 'notion',
    line: 'npx -y @notionhq/notion-mcp-server',
    ...api('NOTION_TOKEN', 'api.notion.com', `ntn_${hex(46)}`),
  },
  {
    name: 'sentry',
    line: 'npx -y @sentry/mcp-server',
    ...api('SENTRY_ACCESS_TOKEN', 'sentry.io', `sntryu_${hex(64)}`),
  },
  {
    name: 'context7',
    line: 'npx -y @upstash/context7-mcp --api-key',
    words: [`\${credential:CONTEXT7_API_KEY}`],
    options: ['--host', 'context7.com'],
    values: { CONTEXT7_API_KEY: `ctx7sk-${hex(32)}` },
  },
  {
    name: 'figma-developer',
    line: 'npx -y figma-developer-mcp --stdio',
    words: [`--figma-api-key=\${credential:FIGMA_API_KEY}`],
    options: ['--host', 'api.figma.com'],
    values: { FIGMA_API_KEY: `figd_${hex(40)}` },
  },
  {
    name: 'brave-search',
    line: 'npx -y @brave/brave-search-mcp-server --transport stdio',
    ...api('BRAVE_API_KEY', 'api.search.brave.com', `BSA${hex(28)}`),
  },
  {
    name: 'tavily',
    line: 'npx -y tavily-mcp',
    ...api('TAVILY_API_KEY', 'api.tavily.com', `tvly-dev-${hex(32)}`),
  },
  {
    name: 'gitlab',
    line: 'npx -y @zereight/mcp-gitlab',
    ...api('GITLAB_PERSONAL_ACCESS_TOKEN', 'gitlab.com', `glpat-${hex(20)}`),
  },
  {
    // Its other tools ask supabase.com for a schema when they are listed, which is not reached here.
    name: 'supabase',
    line: 'npx -y @supabase/mcp-server-supabase --features=account,database,debugging,development,functions,branching',
    ...api('SUPABASE_ACCESS_TOKEN', 'api.supabase.com', `sbp_${hex(40)}`),
  },
  {
    name: 'filesystem',
    line: `npx -y @modelcontextprotocol/server-filesystem ${notes}`,
    options: ['--read', notes],
    call: ['list_directory', { path: notes }, /today\.md/],
  },
  {
    name: 'memory',
    line: 'npx -y @modelcontextprotocol/server-memory',
    options: [
      '--env',
      `MEMORY_FILE_PATH=${join(folder, 'memory/memory.jsonl')}`,
      '--write',
      join(folder, 'memory'),
    ],
    call: [
      'create_entities',
      { entities: [{ name: 'Warder', entityType: 'program', observations: ['keeps keys'] }] },
      /keeps keys/,
    ],
  },
  {
    name: 'obsidian',
    line: `npx -y @bitbonsai/mcpvault ${notes}`,
    options: ['--read', notes],
    call: ['read_note', { path: 'today.md' }, /buy milk/],
  },
  { name: 'desktop-commander', line: 'npx -y @wonderwhy-er/desktop-commander' },
  {
    name: 'firecrawl',
    line: 'npx -y firecrawl-mcp',
    ...api('FIRECRAWL_API_KEY', 'api.firecrawl.dev', `fc-${hex(32)}`),
  },
  {
    name: 'mongodb',
    line: 'npx -y mongodb-mcp-server',
    options: ['--credential', 'MDB_MCP_CONNECTION_STRING', '--deliver', 'env', '--host', 'localhost:27017'],
    values: { MDB_MCP_CONNECTION_STRING: `mongodb://reader:${PASSWORD}@localhost:27017/shop` },
  },
  {
    name: 'postgres',
    line: 'npx -y @modelcontextprotocol/server-postgres',
    words: [`\${credential:DATABASE_URL}`],
    options: ['--deliver', 'arg', '--host', `localhost:${PORT}`],
    values: { DATABASE_URL: `postgresql://reader:${PASSWORD}@localhost:${PORT}/postgres` },
    call: ['query', { sql: 'select 6 * 7 as answer' }, /42/],
  },
  {
    name: 'playwright',
    line: `npx -y @playwright/mcp ${browser}`,
    call: ['browser_navigate', { url: page }, /tab|It works/],
  },
  { name: 'kubernetes', line: 'npx -y mcp-server-kubernetes' },
  {
    name: 'slack',
    line: 'npx -y @modelcontextprotocol/server-slack',
    ...api('SLACK_BOT_TOKEN', 'slack.com', `xoxb-${'0123456789'.repeat(2)}-${hex(24)}`),
    more: ['--env', 'SLACK_TEAM_ID=T01234567'],
  },
  {
    name: 'puppeteer',
    line: 'npx -y @modelcontextprotocol/server-puppeteer',
    options: [
      ...['--env', 'PUPPETEER_EXECUTABLE_PATH=/usr/bin/chromium', '--env', 'ALLOW_DANGEROUS=true'],
      ...['--env', 'PUPPETEER_LAUNCH_OPTIONS={"headless":true,"args":["--no-sandbox"]}'],
    ],
    call: ['puppeteer_navigate', { url: page }, /Navigated/],
  },
];

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
async function session(command, args, environment, cwd, call) {
  const child = spawn(command, args, { env: environment, cwd, stdio: ['pipe', 'pipe', 'ignore'] });
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
    const late = AbortSignal.timeout(TIMEOUT * 1000);
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
    return { tools, called: result.isError !== true && expected.test(text), text };
  } finally {
    child.stdin.end();
    const kill = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(kill);
  }
}

/** The same program without Warder, as a host would start it. */
function direct({ command, cwd }, { values = {}, options = [], more = [] }) {
  const words = [...options, ...more];
  const literals = words.flatMap((word, at) =>
    words[at - 1] === '--env' ? [word.split(/=(.*)/s).slice(0, 2)] : [],
  );
  const [program, ...rest] = command.map((arg) =>
    arg.replace(/\$\{credential:(\w+)\}/g, (_, name) => values[name]),
  );
  const environment = { PATH: process.env.PATH, HOME: folder, ...Object.fromEntries(literals), ...values };
  return session(program, rest, environment, cwd);
}

/** Whether two lists of tools are the same. Some servers write facts about the machine into descriptions. */
function comparison(through, without) {
  if (isDeepStrictEqual(through, without)) return 'yes';
  const plain = (tools) =>
    JSON.stringify(tools, (key, value) => (key === 'description' && typeof value === 'string' ? '' : value));
  return plain(through) === plain(without) ? 'yes, but for descriptions of the machine' : 'no';
}

async function tryServer(server) {
  const { name, line, words = [], options = [], more = [], values = {}, call } = server;
  const row = { name, package: '', add: '', test: '', tools: '', same: '', call: '', remark: '' };
  const began = performance.now();
  const added = await warder([
    'add',
    name,
    '--allow',
    '*',
    ...options,
    ...more,
    '--from-npx',
    line,
    ...(words.length > 0 ? ['--', ...words] : []),
  ]);
  row.add = added.code === 0 ? `${((performance.now() - began) / 1000).toFixed(0)} s` : `exit ${added.code}`;
  row.package = /npm:(\S+@\d[^\s,]*)/.exec(added.stdout)?.[1] ?? '';
  if (added.code !== 0) return { ...row, remark: added.stderr.trim().split('\n').at(-2) ?? '' };
  for (const [variable, value] of Object.entries(values)) {
    await warder(['credential', 'set', name, variable], value);
  }
  const tested = await warder(['test', name, '--json', '--timeout', '120']);
  const report = tested.stdout === '' ? { ok: false, error: tested.stderr } : JSON.parse(tested.stdout);
  row.test = report.ok ? 'ok' : `failed: ${report.error}`;
  const refused = [...new Set((report.refused ?? []).map(({ what }) => what))];
  if (refused.length > 0) row.remark = `refused: ${refused.join(', ')}`;
  if (!report.ok) return row;
  try {
    const through = await session(process.execPath, [warderScript, 'run', name], env, folder, call);
    const [finding] = JSON.parse((await warder(['check', name, '--json'])).stdout);
    const without = await direct(finding.holds, server);
    row.tools = String(through.tools.length);
    row.same = comparison(through.tools, without.tools);
    if (call !== undefined)
      row.call = through.called ? `\`${call[0]}\`` : `failed: ${through.text}`.slice(0, 300);
  } catch (error) {
    row.same = `failed: ${error.message}`;
  }
  return row;
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
  return row.test === 'ok' && row.same.startsWith('yes') && !row.call.startsWith('failed');
}

function table(rows) {
  const passed = rows.filter(hasPassed);
  const date = new Date().toISOString().slice(0, 10);
  return [
    `${passed.length} of ${rows.length} at the first try, on ${date} (Node ${process.versions.node}, Linux, ${process.getuid?.() === 0 ? 'as root' : 'as an ordinary user'}).`,
    '',
    '| server | package | add | test | tools | as without Warder | a call | |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows.map(
      (row) =>
        `| ${row.name} | \`${row.package}\` | ${row.add} | ${row.test} | ${row.tools} | ${row.same} | ${row.call} | ${row.remark} |`,
    ),
  ].join('\n');
}

const wanted = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const rows = [];
let stopPostgres = () => {};
try {
  for (const each of [notes, join(folder, 'memory')]) mkdirSync(each);
  const config = join(env.WARDER_HOME, 'config');
  mkdirSync(config, { recursive: true, mode: 0o700 });
  writeFileSync(join(config, 'warder.yaml'), 'consent: {first-use: accept}\n', { mode: 0o600 });
  writeFileSync(join(notes, 'today.md'), 'buy milk\n');
  const key = join(folder, 'key');
  writeFileSync(key, Buffer.from(hex(64), 'hex'), { mode: 0o600 });
  const made = await warder(['init', '--store', 'vault', '--key-file', key]);
  if (made.code !== 0) throw new Error(made.stderr);
  stopPostgres = startPostgres();
  for (const server of SERVERS.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
    const row = await tryServer(server);
    rows.push(row);
    process.stdout.write(`${Object.values(row).join('  ')}\n`);
  }
} finally {
  stopPostgres();
  await warder(['stop']);
  rmSync(folder, { recursive: true, force: true });
}
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
