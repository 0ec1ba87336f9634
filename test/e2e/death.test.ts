// SIGKILL of each process in mid-call: within 5 s nothing is left of the session, the log verifies, and the next run
// works. The server is one that heeds neither the end of its input nor SIGTERM, and starts others that do not.
import { expect, test } from 'vitest';
import { Client } from '../fixtures/client.ts';
import { Home } from '../fixtures/home.ts';
import { SandboxProcesses } from '../fixtures/sandbox-processes.ts';
import { fixtureServer } from '../fixtures/server.ts';

/** A host that is a process of its own, so that it can die: it starts the command and passes bytes on. */
const host = `
  const [command, ...args] = process.argv.slice(1);
  const child = require('node:child_process').spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  process.stdin.pipe(child.stdin);
  child.stdout.pipe(process.stdout);
`;

/** Both ways: the tree of processes is ended by what they carry, a sandbox by its first process. */
const ways = ['sandboxed', 'as it is'] as const;
type Way = (typeof ways)[number];
const sessions = ways.flatMap((way) =>
  (['stubborn', 'slow'] as const).map((profile) => [profile, way] as const),
);

function home(way: Way): Home {
  const made = new Home();
  const rest = { policy: { default: 'allow' }, ...(way === 'as it is' && { sandbox: { off: true } }) };
  made.profile('stubborn', { server: fixtureServer('stubborn'), ...rest });
  made.profile('slow', { server: fixtureServer('slow'), ...rest });
  return made;
}

/** What is to be gone: the sandbox of each session, where there is one. */
async function spaces(warder: Home, way: Way): Promise<DisposableStack & { gone(): Promise<void> }> {
  const { sessions } = await warder.facts('status');
  const stack = new DisposableStack();
  const found: SandboxProcesses[] =
    way === 'as it is' ? [] : sessions.map(({ server }: Live) => new SandboxProcesses(server.pid));
  for (const space of found) stack.use(space);
  return Object.assign(stack, {
    gone: async () => {
      await Promise.all(found.map((space) => space.gone()));
    },
  });
}

interface Live {
  readonly server: { readonly pid: number };
}

/** A session with a server that does not want to end, and a call that is not answered yet. */
async function begin(warder: Home, client: Client, profile: string): Promise<void> {
  await client.initialize();
  if (profile === 'stubborn') expect(JSON.parse(await client.call('pids'))).toHaveLength(4);
  else client.ask('tools/call', { name: 'slow', arguments: { ms: 60_000 } });
  await recorded(warder, 1);
}

/** Waits for the records of so many calls. */
async function recorded(warder: Home, calls: number): Promise<void> {
  for (let tries = 0; tries < 200 && warder.audit('tool.call').length < calls; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(warder.audit('tool.call')).toHaveLength(calls);
}

/** The log verifies, and a new run works. */
async function recovered(warder: Home): Promise<void> {
  await using again = warder.run('slow');
  await again.initialize();
  expect(await again.call('slow', { ms: 1, say: 'again' })).toBe('again');
  await warder.done(['audit', 'verify']);
}

test.each(sessions)('W-PROC-7 the host is killed: %s, %s', async (profile, way) => {
  await using warder = home(way);
  await using client = new Client(
    [process.execPath, '-e', host, ...warder.host(profile)],
    warder.env,
    warder.dir,
  );
  await begin(warder, client, profile);
  using left = await spaces(warder, way);
  client.kill();
  await left.gone();
  await warder.quiet([await daemon(warder)]);
  await recovered(warder);
});

test.each(sessions)('W-PROC-7 the launcher is killed: %s, %s', async (profile, way) => {
  await using warder = home(way);
  await using client = warder.run(profile);
  await begin(warder, client, profile);
  using left = await spaces(warder, way);
  client.kill();
  await left.gone();
  await warder.quiet([await daemon(warder)]);
  await recovered(warder);
});

test.each(sessions)('W-PROC-7 the daemon is killed: %s, %s', async (profile, way) => {
  await using warder = home(way);
  await using client = warder.run(profile);
  await begin(warder, client, profile);
  using left = await spaces(warder, way);
  process.kill(await daemon(warder), 'SIGKILL');
  await left.gone();
  await warder.quiet();
  const { code } = await client.ended;
  expect(code).not.toBe(0);
  expect(client.stderr).toMatch(/warder: error: /);
  await recovered(warder);
});

test.each([
  ...ways.map((way) => [way, 'it'] as const),
  ['sandboxed', "the sandbox' first process"] as const,
  ['sandboxed', 'what keeps the sandbox'] as const,
])(
  'W-PROC-7 the server is killed: each open request gets an error that says so: %s, %s',
  async (way, victim) => {
    await using warder = home(way);
    await using client = warder.run('slow');
    await begin(warder, client, 'slow');
    const open = [
      client.ask('tools/call', { name: 'slow', arguments: { ms: 60_000 } }),
      client.ask('tools/call', { name: 'slow', arguments: { ms: 60_000 } }),
    ];
    await recorded(warder, 3);
    const [session] = (await warder.facts('status')).sessions;
    using left = await spaces(warder, way);
    process.kill(victimOf(session, victim, way), 'SIGKILL');
    for (const { answer } of open) expect((await answer).error?.message).toMatch(/server/);
    const { code } = await client.ended;
    expect(code).toBe(128 + 9);
    await left.gone();
    await warder.quiet([await daemon(warder)]);
    expect(warder.audit('tool.result').map(({ outcome }) => outcome)).toEqual(['lost', 'lost', 'lost']);
    expect(warder.audit('session.close')).toMatchObject([
      // bubblewrap ends as the server ended, a signal as 128 and its number.
      victim === 'what keeps the sandbox' || way === 'as it is'
        ? { code: null, signal: 'SIGKILL', calls: 3 }
        : { code: 128 + 9, signal: null, calls: 3 },
    ]);
    await recovered(warder);
  },
);

test.each(ways)('W-PROC-7 all of them are killed at once: %s', async (way) => {
  await using warder = home(way);
  await using slow = warder.run('slow');
  await begin(warder, slow, 'slow');
  await using stubborn = warder.run('stubborn');
  await stubborn.initialize();
  expect(JSON.parse(await stubborn.call('pids'))).toHaveLength(4);
  using left = await spaces(warder, way);
  process.kill(await daemon(warder), 'SIGKILL');
  slow.kill();
  stubborn.kill();
  // A sandbox ends with the daemon. Of other sessions nobody is left to end the servers: the next daemon does.
  await left.gone();
  await recovered(warder);
  await warder.quiet([await daemon(warder)]);
});

/** Whom to kill. The first process inside is the sandbox' own, the second the server. */
function victimOf({ server: { pid } }: Live, victim: string, way: Way): number {
  if (way === 'as it is' || victim === 'what keeps the sandbox') return pid;
  using space = new SandboxProcesses(pid);
  const [first, second] = space.inside().sort((one, other) => one - other);
  const found = victim === 'it' ? second : first;
  if (found === undefined) throw new Error('nothing is in the sandbox');
  return found;
}

async function daemon(warder: Home): Promise<number> {
  const pid = await warder.daemon();
  if (pid === undefined) throw new Error('no daemon runs');
  return pid;
}
