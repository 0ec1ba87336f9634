// Where the session bus is searched, and that a bus which does not answer times out.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { adoptBus, busAddresses, connectBus } from '../../../src/os/bus.ts';
import { SecretService } from '../../fixtures/secret-service.ts';

const uid = process.getuid?.() ?? 0;
let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'warder-bus-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

/** A listening socket; `greet` is called with each client. */
async function listen(path: string, greet: (client: Socket) => void = () => {}): Promise<AsyncDisposable> {
  const server = createServer((client) => {
    client.on('error', () => {}).resume();
    greet(client);
  }).listen(path);
  await new Promise((resolve) => server.once('listening', resolve));
  return server;
}

test('the address is the one of the environment, else those of systemd and dbus-launch', async () => {
  // This machine's own bus may come in between; it does not matter here.
  const found = (env: Record<string, string>): string[] =>
    busAddresses({ env, home, uid }).filter((address) => !address.includes('/run/user/'));
  expect(found({})).toEqual([]);
  expect(
    found({ DBUS_SESSION_BUS_ADDRESS: 'autolaunch:;unix:abstract=/tmp/x,guid=1;unix:guid=2,path=/a%20b' }),
  ).toEqual(['unix:abstract=/tmp/x,guid=1', 'unix:guid=2,path=/a%20b']);

  const runtime = join(home, 'run time');
  mkdirSync(runtime);
  await using _socket = await listen(join(runtime, 'bus'));
  const own = `unix:path=${runtime.replaceAll(' ', '%20')}/bus`;
  expect(found({ XDG_RUNTIME_DIR: runtime })).toEqual([own]);
  expect(found({ XDG_RUNTIME_DIR: runtime, DBUS_SESSION_BUS_ADDRESS: own })).toEqual([own]);

  const notes = join(home, '.dbus/session-bus');
  mkdirSync(notes, { recursive: true });
  const text = (n: number): string =>
    `# a comment\nDBUS_SESSION_BUS_ADDRESS='unix:abstract=/tmp/dbus-${n},guid=ab'\nDBUS_SESSION_BUS_PID=1\n`;
  for (const n of [1, 2, 3]) {
    writeFileSync(join(notes, `machine-${n}`), text(n));
    utimesSync(join(notes, `machine-${n}`), n, n === 2 ? 10 : n);
  }
  expect(found({ XDG_RUNTIME_DIR: runtime })).toEqual([
    own,
    'unix:abstract=/tmp/dbus-2,guid=ab',
    'unix:abstract=/tmp/dbus-3,guid=ab',
    'unix:abstract=/tmp/dbus-1,guid=ab',
  ]);
});

test('W-WIRE-20 the bus of a client is taken only where the daemon has none, and only a socket of the user in a private folder', async () => {
  const runtime = join(home, 'runtime');
  mkdirSync(runtime, { mode: 0o700 });
  await using _socket = await listen(join(runtime, 'bus'));
  await using _outside = await listen(join(home, 'outside'));
  writeFileSync(join(runtime, 'file'), '');
  const open = join(home, 'open');
  mkdirSync(open, { mode: 0o700 });
  await using _open = await listen(join(open, 'bus'));
  chmodSync(open, 0o755);
  const adopted = (address: string, folder = runtime, env: NodeJS.ProcessEnv = {}): string | undefined => {
    adoptBus({ address, runtime: folder }, { env, home, uid });
    return env.DBUS_SESSION_BUS_ADDRESS;
  };
  const own = `unix:path=${runtime}/bus`;
  expect(adopted(own)).toBe(own);
  expect(adopted(`${own},guid=0123`)).toBe(own);
  const there = { DBUS_SESSION_BUS_ADDRESS: `unix:path=${home}/outside` };
  expect(adopted(own, runtime, there)).toBe(`unix:path=${home}/outside`);
  expect(adopted(own, runtime, { DBUS_SESSION_BUS_ADDRESS: `unix:path=${home}/gone` })).toBe(own);
  for (const address of [
    `unix:path=${home}/outside`,
    `unix:path=${runtime}/../outside`,
    `unix:path=${runtime}/file`,
    `unix:path=${runtime}/none`,
    'unix:abstract=/tmp/bus',
    'tcp:host=example.com,port=1',
    '',
  ])
    expect(adopted(address), address).toBeUndefined();
  expect(adopted(`unix:path=${open}/bus`, open)).toBeUndefined();
  expect(adopted('unix:path=bus', '')).toBeUndefined();
});

test('an address where nobody listens is skipped', async () => {
  await using service = await SecretService.open();
  await using bus = await connectBus(['unix:path=/nonexistent/bus', service.address], 10_000);
  expect(bus?.address).toBe(service.address);
  expect(await connectBus(['unix:path=/nonexistent/bus'], 10_000)).toBeUndefined();
});

test.each([
  ['says nothing', () => {}],
  [
    'lets in and says no more',
    (client: Socket) => void client.write('OK 0123456789abcdef0123456789abcdef\r\n'),
  ],
  ['hangs up', (client: Socket) => void client.end()],
  ['talks nonsense', (client: Socket) => void client.write(`OK 0123\r\n${'x'.repeat(1000)}`)],
])('a bus that %s is an error', async (_what, greet) => {
  const path = join(home, 'bus');
  await using _server = await listen(path, greet);
  await expect(connectBus([`unix:path=${path}`], 200)).rejects.toThrow();
});
