// A credential changes while a session is open: the server is replaced, and the host notices nothing. The servers report
// their own pids, which the test can use only outside of a sandbox; sandbox.test.ts has a rotation in one.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Client } from '../fixtures/client.ts';
import { until } from '../fixtures/echo-home.ts';
import { Home } from '../fixtures/home.ts';
import { SecretService } from '../fixtures/secret-service.ts';
import { type FixtureServer, fixtureServer } from '../fixtures/server.ts';

const first = 'first-value-0123456789';
const second = 'second-value-9876543210';

/** A home with a keychain that contains the TOKEN of `demo`, and a profile that passes it to a server. */
async function prepare(bus: SecretService, name: FixtureServer, ...args: string[]): Promise<Home> {
  const home = new Home({ env: bus.env });
  home.profile('demo', {
    server: fixtureServer(name, ...args),
    credentials: { TOKEN: { deliver: 'env' } },
    sandbox: { off: true },
    policy: { default: 'allow' },
  });
  await home.done(['init', '--store', 'keychain']);
  await home.done(['credential', 'set', 'demo', 'TOKEN'], first);
  return home;
}

/** The value that a process was started with. */
function value(pid: number): string | undefined {
  return /(?:^|\0)TOKEN=([^\0]*)/.exec(readFileSync(`/proc/${pid}/environ`, 'utf8'))?.[1];
}

async function pid(host: Client): Promise<number> {
  return JSON.parse(await host.call('where')).pid;
}

/** Waits until another server answers the host, and returns its pid. */
async function moved(host: Client, from: number): Promise<number> {
  await expect.poll(() => pid(host)).not.toBe(from);
  return await pid(host);
}

test.each([
  ['legacy', '2025-11-25'],
  ['legacy', '2025-06-18'],
])('an open session continues with the new value: %s %s', async (name, version) => {
  await using bus = await SecretService.open();
  await using home = await prepare(bus, name as FixtureServer);
  await using host = home.run('demo');
  await host.initialize(version);
  const old = await pid(host);
  expect(value(old)).toBe(first);

  const { answer: inFlight } = host.ask('tools/call', { name: 'slow', arguments: { ms: 1000 } });
  await home.done(['credential', 'rotate', 'demo', 'TOKEN'], second);
  // The call in flight was answered by the old server.
  expect((await inFlight).result.content[0].text).toBe(String(old));
  const now = await moved(host, old);
  expect(value(now)).toBe(second);
  // The host sees one handshake only.
  expect(host.lines.filter((line) => line.includes('serverInfo'))).toHaveLength(1);
  expect(home.audit('credential.use')).toContainEqual(
    expect.objectContaining({ action: 'rotate', outcome: 'moved', profile: 'demo' }),
  );
  // One server is left.
  const servers = () => home.processes().filter((one) => one.command.includes('servers/legacy'));
  await expect.poll(() => servers().map((one) => one.pid)).toEqual([now]);
});

test('in the stateless era there is no handshake to replay', async () => {
  await using bus = await SecretService.open();
  await using home = await prepare(bus, 'stateless', 'modern');
  await using host = home.run('demo');
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  const where = async (): Promise<number> => {
    const { result } = await host.request('tools/call', { name: 'where', arguments: {}, _meta: meta });
    return JSON.parse(result.content[0].text).pid;
  };
  expect((await host.request('server/discover', { _meta: meta })).error).toBeUndefined();
  const old = await where();
  await home.done(['credential', 'rotate', 'demo', 'TOKEN'], second);
  await expect.poll(where).not.toBe(old);
  expect(value(await where())).toBe(second);
});

test.each([
  ['replaced', () => second],
  ['edited within its item', (text: string) => text.replace(first, second)],
])('a value that another program %s in the keychain reaches the open session', async (_how, change) => {
  await using bus = await SecretService.open();
  await using home = await prepare(bus, 'legacy');
  await using host = home.run('demo');
  await host.initialize();
  const old = await pid(host);
  await bus.change('demo/TOKEN', change(await bus.read('demo/TOKEN')));
  expect(value(await moved(host, old))).toBe(second);
});

test('an expired value of a command is fetched again, and the session moves if it changed', async () => {
  await using home = new Home();
  const source = join(home.dir, 'token');
  writeFileSync(source, first);
  home.profile('demo', {
    server: fixtureServer('legacy'),
    credentials: { TOKEN: { from: { command: ['/bin/cat', source], ttl: '1s' }, deliver: 'env' } },
    sandbox: { off: true },
    policy: { default: 'allow' },
  });
  await using host = home.run('demo');
  await host.initialize();
  const old = await pid(host);
  writeFileSync(source, second);
  expect(value(await moved(host, old))).toBe(second);
});

test('if the new server does not start, the session keeps the old one, and this is recorded', async () => {
  await using bus = await SecretService.open();
  await using home = await prepare(bus, 'legacy');
  const { command, args } = fixtureServer('legacy');
  // It accepts the first value only.
  const picky = ['-c', `[ "$TOKEN" = ${first} ] && exec "$@"`, 'sh', command, ...args];
  home.profile('demo', {
    server: { command: '/bin/sh', args: picky },
    credentials: { TOKEN: { deliver: 'env' } },
    sandbox: { off: true },
    policy: { default: 'allow' },
  });
  await using host = home.run('demo');
  await host.initialize();
  const old = await pid(host);
  await home.warder(['credential', 'rotate', 'demo', 'TOKEN'], second);
  const kept = () =>
    home.audit('credential.use').find(({ outcome }) => outcome === 'kept' || outcome === 'failed');
  await until(async () => {
    expect(await pid(host)).toBe(old);
    return kept() !== undefined;
  }, 'the end of the rotation');
  expect(kept()).toMatchObject({ action: 'rotate', profile: 'demo' });
  expect(await pid(host)).toBe(old);
});

test('W-ROT-20 under load no call is lost or run twice while the value changes repeatedly', async () => {
  await using bus = await SecretService.open();
  const folder = new Home();
  await using _folder = folder;
  const ledger = join(folder.dir, 'ledger');
  await using home = await prepare(bus, 'ledger', ledger);
  await using host = home.run('demo');
  await host.initialize();

  let rotating = true;
  let line = 0;
  const failed: string[] = [];
  const worker = async (): Promise<void> => {
    while (rotating) {
      const mine = String(line++);
      const answer = await host.call('note', { line: mine, ms: line % 20 });
      if (answer !== mine) failed.push(`${mine}: ${answer}`);
    }
  };
  const workers = Array.from({ length: 16 }, worker);
  const servers = new Set<string>();
  for (let round = 0; round < 4; round++) {
    servers.add(await host.call('pid'));
    await home.done(['credential', 'rotate', 'demo', 'TOKEN'], `value-of-round-${round}-0123456789`);
    await expect.poll(async () => servers.has(await host.call('pid'))).toBe(false);
  }
  servers.add(await host.call('pid'));
  rotating = false;
  await Promise.all(workers);

  expect(failed).toEqual([]);
  expect(servers.size).toBe(5);
  const noted = readFileSync(ledger, 'utf8').trim().split('\n');
  expect(noted).toHaveLength(line);
  expect(new Set(noted).size).toBe(line);
  expect(line).toBeGreaterThan(50);
  await home.done(['audit', 'verify']);
});
