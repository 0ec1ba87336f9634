// Where gates work: in their thread, which comes with the first and goes after the last, or without one.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import * as net from 'node:net';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { Outbound } from '../../../src/egress/dial/outbound.ts';
import { type GateProgram, Gates, type WorkingGateRequest } from '../../../src/egress/gates.ts';
import { RefreshTurns } from '../../../src/egress/refresh.ts';
import { clock } from '../../../src/os/clock.ts';
import { openDuplicate } from '../../../src/os/duplicate-descriptor.ts';
import { UNLIMITED } from '../../../src/profile/credential.ts';
import { parseProfile } from '../../../src/profile/format.ts';
import type { Settings } from '../../../src/profile/settings.ts';
import type { Network } from '../../../src/sandbox/network.ts';
import { NO_CONFIRMATIONS } from '../../../src/server/confirmations.ts';
import { type RecordedEvent, readToEnd, silentLog } from '../../fixtures/gate.ts';
import { TestLocks } from '../../fixtures/locks.ts';
import { TestResolver } from '../../fixtures/resolver.ts';

const SECRET = 'ghp_16C7e42F292c6912E7710c838347Ae178B4a';
const PROGRAM = join(import.meta.dirname, '../../../src/egress/thread/worker.ts');

const LOGIN = {
  variable: 'PROXY_LOGIN',
  from: 'store' as const,
  name: 'proxy/login',
  deliver: 'file' as const,
  hosts: [],
  as: undefined,
  value: 'somebody:secret-of-the-proxy',
  version: 'v1',
};
/** The address of the first name that a gate lists. */
const FIRST_ADDRESS = '127.1.0.1';

afterEach(() => void vi.useRealTimers());

/** The threads of this process beside its own. */
function threads(): number {
  const names = readdirSync('/proc/self/task').map((id) => {
    try {
      return readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim();
    } catch {
      return '';
    }
  });
  return names.filter((name) => name === 'WorkerThread').length;
}

/** A network with one listener, on this machine. */
async function openNetwork(): Promise<{ network: Network; port: number } & AsyncDisposable> {
  const listener = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '0.0.0.0');
  const udp = createSocket('udp4');
  udp.bind(0, '127.0.0.1');
  const tcp = net.createServer().listen(0, '127.0.0.1');
  await Promise.all([once(listener, 'listening'), once(udp, 'listening'), once(tcp, 'listening')]);
  const { port } = listener.address() as net.AddressInfo;
  const network = {
    listeners: new Map([[port, listener]]),
    dns: { udp, tcp },
    takeAttempts: () => [],
  } as unknown as Network;
  return {
    network,
    port,
    async [Symbol.asyncDispose]() {
      for (const server of [listener, tcp]) server.close();
      // The gate has closed it where it was open.
      await new Promise<void>((resolve) => {
        try {
          udp.close(resolve);
        } catch {
          resolve();
        }
      });
    },
  };
}

function openGates(thread: GateProgram | undefined, wanted: Partial<Settings['egress']> = {}) {
  const records: RecordedEvent[] = [];
  const warnings: string[] = [];
  const log = { ...silentLog, warn: (_: object, message: string) => void warnings.push(message) };
  const credentials = {
    resolve: async () => [{ ...UNLIMITED, ...LOGIN }],
    replace: async () => ({ version: undefined, superseded: false, reason: 'there is no store' }),
    onOpened: () => ({ [Symbol.dispose]: () => {} }),
  };
  const settings = {
    resolvers: [],
    proxy: undefined,
    login: undefined,
    except: [],
    ca: undefined,
    ...wanted,
  };
  const gates = new Gates({
    outbound: new Outbound({
      settings,
      places: { config: '/nowhere' } as never,
      home: '/nowhere',
      credentials,
      system: undefined,
      clock,
    }),
    refreshes: new RefreshTurns({ credentials, log: silentLog }),
    audit: { append: (event, fields) => records.push({ event, ...fields }) },
    guards: new TestLocks(),
    onCredentialResponse: () => {},
    thread,
    clock,
    log,
  });
  return { gates, records, warnings };
}

function requestOf(network: Network, port: number): WorkingGateRequest {
  const profile = parseProfile('server: { command: cat }\n', 'demo.yaml', 'demo');
  const credential = {
    ...UNLIMITED,
    variable: 'TOKEN',
    from: 'store' as const,
    name: 'test/TOKEN',
    deliver: 'sealed' as const,
    hosts: [`api.test:${port}`],
    as: undefined,
    value: SECRET,
    version: 'v1',
  };
  return {
    ...{ profile, session: 'test', began: clock.monotonic(), uses: new Map(), credentials: [credential] },
    reach: { network: [], sealed: [`api.test:${port}`] },
    route: network,
    nextConnectionId: () => 'test-n1',
    calls: () => [],
    onRefused: () => {},
    confirmations: NO_CONFIRMATIONS,
    admission: () => Promise.resolve(),
  };
}

async function program(file = PROGRAM): Promise<GateProgram> {
  const duplicate = await openDuplicate();
  if (duplicate === undefined) throw new Error('descriptors cannot be duplicated here');
  return { file, duplicate };
}

test('the thread comes with the first gate, is shared, and goes some time after the last [W-EGR-16]', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const { gates } = openGates(await program());
  expect(threads()).toBe(0);
  await using one = await openNetwork();
  await using two = await openNetwork();
  const first = await gates.open(requestOf(one.network, one.port));
  const second = await gates.open(requestOf(two.network, two.port));
  expect(first.placeholders.TOKEN).not.toBe(second.placeholders.TOKEN);
  expect(first.certificate).not.toBe(second.certificate);
  expect(first.redact(`it is ${SECRET}`)).not.toContain(SECRET);
  await first.checkNode();
  expect(threads()).toBe(1);
  await first[Symbol.asyncDispose]();
  vi.advanceTimersByTime(100_000);
  expect(threads()).toBe(1);
  await second[Symbol.asyncDispose]();
  vi.advanceTimersByTime(100_000);
  vi.useRealTimers();
  await expect.poll(threads).toBe(0);
  await using three = await openNetwork();
  const third = await gates.open(requestOf(three.network, three.port));
  expect(third.placeholders.TOKEN).toBeDefined();
  await third[Symbol.asyncDispose]();
});

test.each([
  ['none is wanted', undefined, 0],
  ['its program is missing', '/nowhere/gate.js', 1],
])('a gate works in the main thread where there can be no other: %s [W-EGR-19]', async (_, file, warned) => {
  const { gates, warnings, records } = openGates(file === undefined ? undefined : await program(file));
  await using opened = await openNetwork();
  const gate = await gates.open(requestOf(opened.network, opened.port));
  expect(warnings).toHaveLength(warned);
  expect(gate.placeholders.TOKEN).toBeDefined();
  expect(gate.redact(SECRET)).not.toContain(SECRET);
  const socket = net.connect(opened.port, '127.0.0.1').on('error', () => {});
  await new Promise((resolve) => socket.once('close', resolve));
  expect(records).toContainEqual(expect.objectContaining({ outcome: 'refused', host: '127.0.0.1' }));
  expect(await gate.disconnect('test/TOKEN')).toBe(0);
  await gate[Symbol.asyncDispose]();
});

test('the thread reaches hosts through the proxy of the settings, with its login [W-EGR-15] [W-EGR-16]', async () => {
  const requests: string[] = [];
  const proxy = net.createServer((socket) => {
    socket
      .on('error', () => {})
      .once('data', (head) => {
        requests.push(head.toString());
        socket.end('HTTP/1.1 200 OK\r\n\r\nhello through the proxy');
      });
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  await using resolver = await TestResolver.open();
  const { port: at } = proxy.address() as net.AddressInfo;
  const wanted = { proxy: `http://127.0.0.1:${at}`, login: 'proxy/login', resolvers: [resolver.server] };
  const { gates, records, warnings } = openGates(await program(), wanted);
  await using opened = await openNetwork();
  const { network, port } = opened;
  const reach = { network: [`files.test:${port}`], sealed: [] };
  const gate = await gates.open({ ...requestOf(network, port), credentials: [], reach });
  const socket = net.connect(port, FIRST_ADDRESS).on('error', () => {});
  expect((await readToEnd(socket)).toString()).toBe('hello through the proxy');
  const login = Buffer.from(LOGIN.value).toString('base64');
  expect(requests).toEqual([expect.stringContaining(`CONNECT files.test:${port} HTTP/1.1`)]);
  expect(requests[0]).toContain(`Proxy-Authorization: Basic ${login}`);
  expect(warnings).toEqual([]);
  await gate[Symbol.asyncDispose]();
  expect(records.map(({ outcome }) => outcome)).toEqual(['open', 'closed']);
  expect(JSON.stringify(records)).not.toContain(LOGIN.value);
  proxy.close();
});
