// Measures Warder against the same server run directly, in turns, and writes BENCHMARKS.md. `--quick` takes a tenth of
// the samples and only prints them; `--gate` measures only the gate, `isolation` (and the names of attacks, or all) only
// what one session can do to another, `decision` only a decision, `remote` only remote servers, `launch` only what the
// launch command's shell costs. Needs a built tree: `npm run bench` builds first.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { echoServer } from '../test/fixtures/echo.ts';
import { measureAudit } from './bench/audit.js';
import { Client, environment, timed } from './bench/client.js';
import { decisionPart, measureDecision, withDecision } from './bench/decision.js';
import { measureGate, peerCommand, prepareEgress, Upstream } from './bench/egress.js';
import { isolationPart, measureIsolation } from './bench/isolation.js';
import { launchPart } from './bench/launch.js';
import { measureRefresh } from './bench/refresh.js';
import { measureRemote, REMOTE, remotePart } from './bench/remote.js';
import { duration, mebibytes, median, quantile, rate, table } from './bench/table.js';

const root = join(import.meta.dirname, '..');
const quick = process.argv.includes('--quick');
const gateOnly = process.argv.includes('--gate');
const isolationOnly = process.argv.includes('isolation');
const decisionOnly = process.argv.includes('decision');
const launchOnly = process.argv.includes('launch');
const remoteOnly = process.argv.includes('remote');
const times = (many) => (quick ? Math.max(3, Math.round(many / 10)) : many);
const log = (text) => process.stderr.write(`bench: ${text}\n`);

const home = mkdtempSync(join(tmpdir(), 'warder-bench-'));
const env = environment({ WARDER_HOME: home });
const warder = [process.execPath, join(root, 'bin/warder.js')];
const secret = 'bench-credential-0123456789';

/** The servers: a trivial one, to which Warder adds most, and a real one. */
const servers = {
  echo: {
    title: 'echo in C',
    argv: [echoServer()],
    call: '{"name":"echo","arguments":{"text":"hello"}}',
    large: (bytes) => `{"name":"echo","arguments":{"bytes":${bytes}}}`,
    flood: 50_000,
  },
  everything: {
    title: 'server-everything',
    argv: [
      process.execPath,
      join(root, 'node_modules/@modelcontextprotocol/server-everything/dist/index.js'),
      'stdio',
    ],
    call: '{"name":"echo","arguments":{"message":"hello"}}',
    // It has no tool with a large result and small arguments, so the text is sent both ways.
    large: (bytes) => `{"name":"echo","arguments":{"message":"${'x'.repeat(bytes)}"}}`,
    flood: 10_000,
  },
};

function prepare() {
  const profiles = join(home, 'config/profiles');
  mkdirSync(profiles, { recursive: true, mode: 0o700 });
  writeFileSync(join(home, 'config/warder.yaml'), 'consent: {first-use: accept}\n', { mode: 0o600 });
  for (const [name, { argv }] of Object.entries(servers)) {
    const [command, ...args] = argv;
    const profile = {
      server: { command, args },
      credentials: { TOKEN: { from: { command: ['/bin/echo', secret], ttl: '1h' }, deliver: 'env' } },
      policy: { default: 'allow' },
    };
    const write = (as, sandbox) =>
      writeFileSync(join(profiles, `${as}.yaml`), JSON.stringify({ ...profile, ...sandbox }), {
        mode: 0o600,
      });
    write(name, { sandbox: { off: true } });
    write(`${name}-sandboxed`, {});
  }
}

const run = (name) => [...warder, 'run', name];
const facts = () =>
  JSON.parse(execFileSync(warder[0], [warder[1], 'status', '--json'], { env, encoding: 'utf8' }));

function resident(pid) {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(kib[1]) * 1024;
}

/** Milliseconds to the `initialize` answer: direct, through Warder, and a Node that does nothing. */
async function measureStart({ argv }, name) {
  const taken = { direct: [], warder: [], node: [] };
  for (let round = 0; round < times(60); round++) {
    for (const [how, command] of [
      ['direct', argv],
      ['warder', run(name)],
    ]) {
      const { client, ms } = await Client.start(command, env);
      await client.close();
      taken[how].push(ms);
    }
    taken.node.push(await timed([process.execPath, '-e', '0'], env));
  }
  return { direct: median(taken.direct), warder: median(taken.warder), node: median(taken.node) };
}

/** Milliseconds to the `initialize` answer through Warder, without and with the sandbox. */
async function measureSandbox(name) {
  const taken = { off: [], on: [] };
  for (let round = 0; round < times(60); round++) {
    for (const [how, profile] of [
      ['off', name],
      ['on', `${name}-sandboxed`],
    ]) {
      const { client, ms } = await Client.start(run(profile), env);
      await client.close();
      taken[how].push(ms);
    }
  }
  return { off: median(taken.off), on: median(taken.on) };
}

/** The package of the last figures: an exact version, so that npx can answer from its cache. */
const pinned = '@modelcontextprotocol/server-everything@2026.8.31';

/** Milliseconds to the `initialize` answer of a package: by `npx -y` with a warm cache, and pinned by Warder. */
async function measurePackage() {
  // npm needs the machine's own settings to reach its registry. The measured commands get them too, except the one that
  // slows Node down.
  const { NODE_EXTRA_CA_CERTS: _slow, ...own } = process.env;
  const registry = { ...process.env, ...env };
  execFileSync(warder[0], [warder[1], 'add', 'pinned', '--package', `npm:${pinned}`], {
    env: registry,
    stdio: 'ignore',
  });
  const npx = ['npx', '-y', pinned, 'stdio'];
  execFileSync('npx', ['-y', '-p', pinned, 'node', '-e', '0'], { env: registry, stdio: 'ignore' });
  const taken = { npx: [], pinned: [] };
  for (let round = 0; round < times(20); round++) {
    for (const [how, command, surroundings] of [
      ['npx', npx, { ...own, npm_config_prefer_offline: 'true' }],
      ['pinned', run('pinned'), env],
    ]) {
      const { client, ms } = await Client.start(command, surroundings);
      await client.close();
      taken[how].push(ms);
    }
  }
  return { npx: median(taken.npx), pinned: median(taken.pinned) };
}

/** An open session: calls one at a time, a flood, large results; direct and through Warder in turns. */
async function measureCalls(server, name) {
  const both = [
    ['direct', (await Client.start(server.argv, env)).client],
    ['warder', (await Client.start(run(name), env)).client],
  ];
  for (const [, client] of both) {
    await client.settle();
    await client.flood(server.call, times(2_000), 32);
  }
  const interleave = async (rounds, measure) => {
    const taken = { direct: [], warder: [] };
    for (let round = 0; round < rounds; round++) {
      for (const [how, client] of both) taken[how].push(await measure(client));
    }
    return taken;
  };
  const single = await interleave(times(10_000), (client) => client.call(server.call));
  const flood = await interleave(times(10), (client) => client.flood(server.call, server.flood, 32));
  const one = await interleave(times(50), (client) => client.call(server.large(1e6)));
  const ten = await interleave(times(30), (client) => client.call(server.large(10e6)));
  for (const [, client] of both) await client.close();
  const each = (taken, of) => ({ direct: of(taken.direct), warder: of(taken.warder) });
  return {
    p50: each(single, median),
    p99: each(single, (values) => quantile(values, 0.99)),
    flood: each(flood, median),
    one: each(one, median),
    ten: each(ten, median),
  };
}

/** Bytes: the daemon with 0, 1, 10 and 50 sessions of one idle server each, and one launcher. */
async function measureMemory(name) {
  execFileSync(warder[0], [warder[1], 'stop'], { env, stdio: 'ignore' });
  execFileSync(warder[0], [warder[1], 'daemon', 'start'], { env, stdio: 'ignore' });
  const { pid } = facts().daemon;
  await sleep(1000);
  const daemon = { 0: resident(pid) };
  const sessions = [];
  let launcher = 0;
  for (const count of [1, 10, 50]) {
    while (sessions.length < count) {
      const { client } = await Client.start(run(name), env);
      sessions.push(client);
      await client.settle();
      await client.call(servers[name].call);
      launcher = resident(client.pid);
    }
    await sleep(1000);
    daemon[count] = resident(pid);
  }
  await Promise.all(sessions.map((client) => client.close()));
  return { daemon, launcher };
}

/** The gate, and starts with a network, in a separate home. */
async function measureEgress() {
  const base = join(home, 'egress');
  mkdirSync(base, { mode: 0o700 });
  await using upstream = await Upstream.start(base);
  prepareEgress(join(base, 'config'), upstream, servers.echo.argv);
  const own = environment({ WARDER_HOME: base });
  const runWarder = (...words) =>
    execFileSync(warder[0], [warder[1], ...words], { env: own, encoding: 'utf8' });
  runWarder('daemon', 'start');
  try {
    const { pid } = JSON.parse(runWarder('status', '--json')).daemon;
    const amounts = { requests: times(4000), bytes: quick ? 5e7 : 3e8, downloads: times(15) };
    const inPeer = peerCommand(base, upstream);
    const gate = await measureGate(run, own, pid, upstream, inPeer, amounts);
    const start = { netless: [], networked: [], sealed: [], peer: [] };
    for (let round = 0; round < times(30); round++) {
      for (const profile of Object.keys(start)) {
        const command = profile === 'peer' ? [...inPeer, ...servers.echo.argv] : run(profile);
        const { client, ms } = await Client.start(command, own);
        await client.close();
        start[profile].push(ms);
        // The next spare network is created meanwhile.
        await sleep(600);
      }
    }
    return {
      ...gate,
      start: Object.fromEntries(Object.entries(start).map(([how, all]) => [how, median(all)])),
    };
  } finally {
    runWarder('stop');
  }
}

const GATE = '## Gate';

function gatePart({ p50, p99, node, curl, peak, start }) {
  const megabytes = (bytes) => `${Math.round(bytes / 1e6)} MB/s`;
  const share = (of, how) => `${Math.round((of[how] / of.direct) * 100)} %`;
  const ways = ['direct', 'passed', 'opened', 'peerPassed', 'peerOpened'];
  const row = (title, of, show) => [title, ...ways.map((way) => show(of[way]))];
  const shares = (of) => ['share of direct', '', ...ways.slice(1).map((way) => share(of, way))];
  return `${GATE}

A client in the sandbox and the same outside, in turns, to the same HTTPS host on loopback. *Passed*: unopened, TLS from end to
end; *opened*: with a sealed credential put in, and every byte of the answer searched. To reach: 1 ms added at p50 when opened,
80 % of direct for a download that is passed and 50 % for one that is opened. Client, daemon and host share two cores.
Beside it \`@anthropic-ai/sandbox-runtime\` with the same client and hosts, its proxy asked for by the client; it searches no
answer.

${table([
  ['', 'direct', 'passed', 'opened', 'sandbox-runtime, passed', 'sandbox-runtime, opened'],
  row('small request on a warm connection, p50', p50, duration),
  row('the same, p99', p99, duration),
  row("download, Node's https", node, megabytes),
  shares(node),
  row('download, curl', curl, megabytes),
  shares(curl),
  [
    'peak memory of the daemon meanwhile (idle first)',
    mebibytes(peak.idle),
    mebibytes(peak.passed),
    mebibytes(peak.opened),
    '',
    '',
  ],
])}

${table([
  ['cold start to the `initialize` answer, echo in C, in the sandbox', 'median'],
  ['without a network', duration(start.netless)],
  ['with one that was made in advance', duration(start.networked)],
  ['the same, and a sealed credential', duration(start.sealed)],
  ['in sandbox-runtime', duration(start.peer)],
])}
`;
}

function compare(title, { direct, warder }, show) {
  const apart = show === rate ? '' : show(warder - direct);
  return [title, show(direct), show(warder), apart, `${(warder / direct).toFixed(2)} ×`];
}

function verdict(title, value, limit, show) {
  return [title, show(value), `at most ${show(limit)}`, value <= limit ? 'met' : '**not met**'];
}

function report(figures) {
  const { echo, everything, memory, sandbox, packages, egress, isolation, decision, audit, remote } = figures;
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
    cwd: root,
    encoding: 'utf8',
  }).trim();
  const part = ({ title }, { start, calls }) =>
    [
      `## ${title[0].toUpperCase()}${title.slice(1)}\n`,
      table([
        ['', 'direct', 'through Warder', 'added', 'ratio'],
        compare('cold start to the `initialize` answer', start, duration),
        compare('`tools/call`, one in flight, p50', calls.p50, duration),
        compare('`tools/call`, one in flight, p99', calls.p99, duration),
        compare('calls a second, 32 in flight', calls.flood, rate),
        compare('1 MB result', calls.one, duration),
        compare('10 MB result', calls.ten, duration),
      ]),
    ].join('\n');
  const session = (of) => (of.daemon[50] - of.daemon[1]) / 49;
  const limits = [
    verdict('cold start added, echo', echo.start.warder - echo.start.direct, echo.start.node + 3, duration),
    verdict('p50 added, echo', echo.calls.p50.warder - echo.calls.p50.direct, 0.11, duration),
    verdict(
      '10 MB result, echo, times direct',
      echo.calls.ten.warder / echo.calls.ten.direct,
      4,
      (x) => `${x.toFixed(2)} ×`,
    ),
    verdict(
      '10 MB result, server-everything, times direct',
      everything.calls.ten.warder / everything.calls.ten.direct,
      1.3,
      (x) => `${x.toFixed(2)} ×`,
    ),
    verdict('sandbox added to a cold start, echo', sandbox.on - sandbox.off, 6, duration),
    verdict(
      'pinned package, times `npx -y`',
      packages.pinned / packages.npx,
      0.5,
      (x) => `${x.toFixed(2)} ×`,
    ),
    verdict('a decision, p50', decision.whole.p50, 0.05, duration),
    verdict('audit record', audit.write, 0.005, duration),
    verdict('daemon memory a further session', session(memory.echo), 2e6, mebibytes),
    verdict('daemon memory, fresh', memory.echo.daemon[0], 75e6, mebibytes),
  ];
  return `# Benchmarks

Written by \`npm run bench\`. Each server is run directly and through Warder in turns (direct, Warder, direct, Warder, …) by
one lean client that writes bytes and counts newlines; figures are medians. Each profile has one credential, so redaction
is part of every figure, and so is the audit log with its default settings.

Taken ${new Date().toISOString().slice(0, 10)} at ${commit} on ${cpus()[0].model.trim()}, ${cpus().length} cores,
${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}. A Node that does nothing (\`node -e 0\`) takes
${duration(echo.start.node)} here.

## Targets

${table([['', 'measured', 'target', ''], ...limits])}

${part(servers.echo, echo)}

${part(servers.everything, everything)}

An answer of server-everything as long as that takes a request as long: its \`echo\` is the only tool with a result of any size.

## Sandbox and packages

Without the sandbox but where it is named: the figures above are those of profiles with \`sandbox: {off: true}\`.

${table([
  ['cold start to the `initialize` answer', 'median'],
  ['echo in C through Warder, sandbox off', duration(sandbox.off)],
  ['echo in C through Warder, in the sandbox', duration(sandbox.on)],
  [`\`npx -y ${pinned}\`, warm cache`, duration(packages.npx)],
  ['the same, pinned, verified, in the sandbox', duration(packages.pinned)],
])}

## Memory

${table([
  ['', 'no session', '1', '10', '50', 'a further session'],
  ...Object.entries(memory).map(([name, of]) => [
    `daemon, ${servers[name].title}`,
    ...[0, 1, 10, 50].map((count) => mebibytes(of.daemon[count])),
    mebibytes(session(of)),
  ]),
])}

Resident memory. Each session also has its launcher: ${mebibytes(memory.echo.launcher)} resident, most of it Node's own and shared.

${gatePart(egress)}
${isolationPart(isolation)}
${decisionPart(decision)}
## Audit

${table([
  ['one record', 'median'],
  ['hash, link, one `write`', duration(audit.write)],
  ['with `durability: fsync`', duration(audit.fsync)],
])}

${remote}`;
}

/** What one session can do to another, in a separate home. */
function isolationFigures() {
  const after = process.argv.indexOf('isolation') + 1;
  const rows = after > 0 && process.argv.length > after ? process.argv.slice(after) : undefined;
  return measureIsolation(join(home, 'isolation'), warder, servers.echo.argv[0], quick ? 1000 : 4000, rows);
}

/** Measures decisions again, and keeps the other figures. */
async function updateDecision() {
  const figures = await measureDecision(times(50_000));
  process.stdout.write(decisionPart(figures));
  const file = join(root, 'BENCHMARKS.md');
  if (!quick) writeFileSync(file, withDecision(readFileSync(file, 'utf8'), figures));
}

/** Measures the gate again, and keeps the other figures. */
async function updateGate() {
  log('gate');
  const part = gatePart(await measureEgress());
  process.stdout.write(part);
  if (quick) return;
  const file = join(root, 'BENCHMARKS.md');
  const text = readFileSync(file, 'utf8');
  const next = text.includes('## Decision') ? text.indexOf('## Decision') : text.indexOf('## Audit');
  const at = text.includes(GATE) ? text.indexOf(GATE) : next;
  writeFileSync(file, `${text.slice(0, at)}${part}\n${text.slice(next)}`);
}

/** Remote servers, beside what else there is. */
async function remoteFigures() {
  return remotePart(await measureRemote(run, times), await measureRefresh(run, times(50)));
}

/** Measures remote servers again, and keeps the other figures. */
async function updateRemote() {
  const part = await remoteFigures();
  process.stdout.write(part);
  if (quick) return;
  const file = join(root, 'BENCHMARKS.md');
  const text = readFileSync(file, 'utf8');
  // It is the last part.
  const kept = text.includes(REMOTE) ? text.slice(0, text.indexOf(REMOTE)) : `${text}\n`;
  writeFileSync(file, kept + part);
}

async function measureAll() {
  const figures = { memory: {} };
  for (const [name, server] of Object.entries(servers)) {
    execFileSync(warder[0], [warder[1], 'daemon', 'start'], { env, stdio: 'ignore' });
    log(`${server.title}: cold start`);
    const start = await measureStart(server, name);
    log(`${server.title}: calls`);
    const calls = await measureCalls(server, name);
    figures[name] = { start, calls };
    log(`${server.title}: memory`);
    figures.memory[name] = await measureMemory(name);
  }
  execFileSync(warder[0], [warder[1], 'daemon', 'start'], { env, stdio: 'ignore' });
  log('sandbox: cold start');
  figures.sandbox = await measureSandbox('echo');
  log('package: cold start, beside npx');
  figures.packages = await measurePackage();
  log('gate');
  figures.egress = await measureEgress();
  log('isolation');
  figures.isolation = await isolationFigures();
  log('decision');
  figures.decision = await measureDecision(times(50_000));
  log('remote servers');
  figures.remote = await remoteFigures();
  log('audit');
  figures.audit = await measureAudit(join(home, 'audit'), times(50_000));
  const text = report(figures);
  process.stdout.write(text);
  if (!quick) writeFileSync(join(root, 'BENCHMARKS.md'), text);
}

try {
  prepare();
  if (gateOnly) await updateGate();
  else if (decisionOnly) await updateDecision();
  else if (launchOnly) process.stdout.write(launchPart(home, times(1000)));
  else if (remoteOnly) await updateRemote();
  else if (isolationOnly) process.stdout.write(isolationPart(await isolationFigures()));
  else await measureAll();
} finally {
  execFileSync(warder[0], [warder[1], 'stop'], { env, stdio: 'ignore' });
  rmSync(home, { recursive: true, force: true });
}
