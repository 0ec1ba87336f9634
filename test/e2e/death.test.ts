// SIGKILL of each process in mid-call: within 5 s nothing is left of the session, the log verifies, and the next run
// works. The server is one that heeds neither the end of its input nor SIGTERM, and starts others that do not.
import { expect, test } from 'vitest';
import { Client } from '../fixtures/client.ts';
import { Home } from '../fixtures/home.ts';
import { fixtureServer } from '../fixtures/server.ts';

/** A host that is a process of its own, so that it can die: it starts the command and passes bytes on. */
const host = `
  const [command, ...args] = process.argv.slice(1);
  const child = require('node:child_process').spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  process.stdin.pipe(child.stdin);
  child.stdout.pipe(process.stdout);
`;

function home(): Home {
  const made = new Home();
  made.profile('stubborn', { server: fixtureServer('stubborn'), policy: { default: 'allow' } });
  made.profile('slow', { server: fixtureServer('slow'), policy: { default: 'allow' } });
  return made;
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

test.each(['stubborn', 'slow'])('W-PROC-7 the host is killed: %s', async (profile) => {
  await using warder = home();
  await using client = new Client(
    [process.execPath, '-e', host, ...warder.host(profile)],
    warder.env,
    warder.dir,
  );
  await begin(warder, client, profile);
  client.kill();
  await warder.quiet([await daemon(warder)]);
  await recovered(warder);
});

test.each(['stubborn', 'slow'])('W-PROC-7 the launcher is killed: %s', async (profile) => {
  await using warder = home();
  await using client = warder.run(profile);
  await begin(warder, client, profile);
  client.kill();
  await warder.quiet([await daemon(warder)]);
  await recovered(warder);
});

test.each(['stubborn', 'slow'])('W-PROC-7 the daemon is killed: %s', async (profile) => {
  await using warder = home();
  await using client = warder.run(profile);
  await begin(warder, client, profile);
  process.kill(await daemon(warder), 'SIGKILL');
  await warder.quiet();
  const { code } = await client.ended;
  expect(code).not.toBe(0);
  expect(client.stderr).toMatch(/warder: error: /);
  await recovered(warder);
});

test('W-PROC-7 the server is killed: each open request gets an error that says so', async () => {
  await using warder = home();
  await using client = warder.run('slow');
  await begin(warder, client, 'slow');
  const open = [
    client.ask('tools/call', { name: 'slow', arguments: { ms: 60_000 } }),
    client.ask('tools/call', { name: 'slow', arguments: { ms: 60_000 } }),
  ];
  await recorded(warder, 3);
  const [session] = (await warder.facts('status')).sessions;
  process.kill(session.server.pid, 'SIGKILL');
  for (const { answer } of open) expect((await answer).error?.message).toMatch(/server/);
  const { code } = await client.ended;
  expect(code).toBe(128 + 9);
  await warder.quiet([await daemon(warder)]);
  expect(warder.audit('tool.result').map(({ outcome }) => outcome)).toEqual(['lost', 'lost', 'lost']);
  expect(warder.audit('session.close')).toMatchObject([{ signal: 'SIGKILL', calls: 3 }]);
  await recovered(warder);
});

test('W-PROC-7 all of them are killed at once', async () => {
  await using warder = home();
  await using slow = warder.run('slow');
  await begin(warder, slow, 'slow');
  await using stubborn = warder.run('stubborn');
  await stubborn.initialize();
  expect(JSON.parse(await stubborn.call('pids'))).toHaveLength(4);
  process.kill(await daemon(warder), 'SIGKILL');
  slow.kill();
  stubborn.kill();
  // Nobody of the sessions is left to end the servers: the next daemon does.
  await recovered(warder);
  await warder.quiet([await daemon(warder)]);
});

async function daemon(warder: Home): Promise<number> {
  const pid = await warder.daemon();
  if (pid === undefined) throw new Error('no daemon runs');
  return pid;
}
