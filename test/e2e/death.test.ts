// Each process is killed with SIGKILL during a call: within 5 s nothing is left of the session, the log verifies, and the
// next run works. The server `stubborn` ignores the end of its input and SIGTERM, and starts others that do too.
import { expect, test } from 'vitest';
import { Client } from '../fixtures/client.ts';
import { Home } from '../fixtures/home.ts';
import { hasNative } from '../fixtures/launchers.ts';
import { SandboxProcesses } from '../fixtures/sandbox-processes.ts';
import { fixtureServer } from '../fixtures/server.ts';

/** A host that is a process of its own, so that it can be killed: it starts the command and passes bytes on. */
const host = `
  const [command, ...args] = process.argv.slice(1);
  const child = require('node:child_process').spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  process.stdin.pipe(child.stdin);
  child.stdout.pipe(process.stdout);
`;

/** Without a sandbox the processes are found by their marker; a sandbox ends with its first process. */
const modes = ['sandboxed', 'without a sandbox'] as const;
type Mode = (typeof modes)[number];
const sessions = modes.flatMap((mode) =>
  (['stubborn', 'slow'] as const).map((profile) => [profile, mode] as const),
);

/** The servers that are hard to end are ended with the native launcher, the others with the one in Node. */
async function home(mode: Mode, profile: string): Promise<Home> {
  const made = await new Home().by(hasNative && profile === 'stubborn' ? 'native' : 'node');
  const rest = {
    policy: { default: 'allow' },
    ...(mode === 'without a sandbox' && { sandbox: { off: true } }),
  };
  made.profile('stubborn', { server: fixtureServer('stubborn'), ...rest });
  made.profile('slow', { server: fixtureServer('slow'), ...rest });
  return made;
}

/** The sandboxes of the sessions, which have to be gone afterwards; none in the mode without. */
async function sandboxes(warder: Home, mode: Mode): Promise<DisposableStack & { gone(): Promise<void> }> {
  const { sessions } = await warder.facts('status');
  const stack = new DisposableStack();
  const found: SandboxProcesses[] =
    mode === 'without a sandbox'
      ? []
      : sessions.map(({ server }: OpenSession) => new SandboxProcesses(server.pid));
  for (const sandbox of found) stack.use(sandbox);
  return Object.assign(stack, {
    gone: async () => {
      await Promise.all(found.map((sandbox) => sandbox.gone()));
    },
  });
}

/** A session as `status` shows it. */
interface OpenSession {
  readonly server: { readonly pid: number };
}

/** Opens a session with a call that is not answered yet, or with a server that ignores SIGTERM. */
async function begin(warder: Home, client: Client, profile: string): Promise<void> {
  await client.initialize();
  if (profile === 'stubborn') expect(JSON.parse(await client.call('pids'))).toHaveLength(4);
  else client.ask('tools/call', { name: 'slow', arguments: { ms: 60_000 } });
  await recorded(warder, 1);
}

/** Waits until `calls` calls are recorded. */
async function recorded(warder: Home, calls: number): Promise<void> {
  await expect.poll(() => warder.audit('tool.call')).toHaveLength(calls);
}

/** Checks that the log verifies and that a new run works. */
async function recovered(warder: Home): Promise<void> {
  await using again = warder.run('slow');
  await again.initialize();
  expect(await again.call('slow', { ms: 1, say: 'again' })).toBe('again');
  await warder.done(['audit', 'verify']);
}

test.each(
  (['host', 'launcher'] as const).flatMap((killed) =>
    sessions.map((session) => [killed, ...session] as const),
  ),
)('W-PROC-7 the %s is killed: %s, %s', async (killed, profile, mode) => {
  await using warder = await home(mode, profile);
  const command = warder.host(profile);
  await using client = new Client(
    killed === 'host' ? [process.execPath, '-e', host, ...command] : command,
    warder.env,
    warder.dir,
  );
  await begin(warder, client, profile);
  using left = await sandboxes(warder, mode);
  client.kill();
  await left.gone();
  await warder.quiet([await daemon(warder)]);
  await recovered(warder);
});

test.each(sessions)('W-PROC-7 the daemon is killed: %s, %s', async (profile, mode) => {
  await using warder = await home(mode, profile);
  await using client = warder.run(profile);
  await begin(warder, client, profile);
  using left = await sandboxes(warder, mode);
  process.kill(await daemon(warder), 'SIGKILL');
  await left.gone();
  await warder.quiet();
  const { code } = await client.ended;
  expect(code).not.toBe(0);
  expect(client.stderr).toMatch(/warder: error: /);
  await recovered(warder);
});

test.each([
  ...modes.map((mode) => [mode, 'server'] as const),
  ['sandboxed', 'first process in the sandbox'] as const,
  ['sandboxed', 'process that keeps the sandbox'] as const,
])('W-PROC-7 each open request gets an error when the server is killed: %s, %s', async (mode, victim) => {
  await using warder = await home(mode, 'slow');
  await using client = warder.run('slow');
  await begin(warder, client, 'slow');
  const open = [
    client.ask('tools/call', { name: 'slow', arguments: { ms: 60_000 } }),
    client.ask('tools/call', { name: 'slow', arguments: { ms: 60_000 } }),
  ];
  await recorded(warder, 3);
  const [session] = (await warder.facts('status')).sessions;
  using left = await sandboxes(warder, mode);
  process.kill(victimOf(session, victim, mode), 'SIGKILL');
  for (const { answer } of open) expect((await answer).error?.message).toMatch(/server/);
  const { code } = await client.ended;
  expect(code).toBe(128 + 9);
  await left.gone();
  await warder.quiet([await daemon(warder)]);
  expect(warder.audit('tool.result').map(({ outcome }) => outcome)).toEqual(['lost', 'lost', 'lost']);
  expect(warder.audit('session.close')).toMatchObject([
    // bubblewrap exits as the server did; a signal becomes 128 plus its number.
    victim === 'process that keeps the sandbox' || mode === 'without a sandbox'
      ? { code: null, signal: 'SIGKILL', calls: 3 }
      : { code: 128 + 9, signal: null, calls: 3 },
  ]);
  await recovered(warder);
});

test.each(modes)('W-PROC-7 the daemon and two launchers are killed at once: %s', async (mode) => {
  await using warder = await home(mode, 'stubborn');
  await using slow = warder.run('slow');
  await begin(warder, slow, 'slow');
  await using stubborn = warder.run('stubborn');
  await stubborn.initialize();
  expect(JSON.parse(await stubborn.call('pids'))).toHaveLength(4);
  using left = await sandboxes(warder, mode);
  process.kill(await daemon(warder), 'SIGKILL');
  slow.kill();
  stubborn.kill();
  // A sandbox ends with the daemon. Servers without a sandbox are ended by the next daemon.
  await left.gone();
  await recovered(warder);
  await warder.quiet([await daemon(warder)]);
});

/** The pid to kill. The first process in the sandbox is the sandbox's own, the second is the server. */
function victimOf({ server: { pid } }: OpenSession, victim: string, mode: Mode): number {
  if (mode === 'without a sandbox' || victim === 'process that keeps the sandbox') return pid;
  using sandbox = new SandboxProcesses(pid);
  const [first, second] = sandbox.inside().sort((a, b) => a - b);
  const found = victim === 'server' ? second : first;
  if (found === undefined) throw new Error('the sandbox is empty');
  return found;
}

async function daemon(warder: Home): Promise<number> {
  const pid = await warder.daemon();
  if (pid === undefined) throw new Error('no daemon is running');
  return pid;
}
