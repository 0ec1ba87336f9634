// One user, seven hosts, one remote account whose authorization server rotates refresh tokens strictly: the access token ends
// again and again, and nobody has to sign in a second time.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Client } from '../fixtures/client.ts';
import { program } from '../fixtures/home.ts';
import { type Authorization, startAuthorization } from '../fixtures/remote/authorization.ts';
import { measureFamily } from '../fixtures/remote/family.ts';
import { startMcp } from '../fixtures/remote/mcp.ts';
import { RemoteHome } from '../fixtures/remote/signing-in.ts';

const HOSTS = 7;
const ROUNDS = 50;
const SECONDS = 300;
const shifted = join(import.meta.dirname, '../fixtures/remote/shifted.mjs');

/** How far the clocks of the daemon and of this process are ahead, where the authorization server is. */
const shift = join(mkdtempSync(join(tmpdir(), 'warder-clock-')), 'shift');
let ahead = 0;

/** Both clocks jump ahead. Timers go on as they are. */
function jump(ms: number): void {
  ahead += ms;
  writeFileSync(shift, String(ahead));
}

beforeAll(async () => {
  jump(0);
  process.env.SHIFT_FILE = shift;
  await import(shifted);
});

afterAll(() => {
  rmSync(join(shift, '..'), { recursive: true });
});

/** Starts the home's daemon with a clock that jumps; it ends with the home. */
async function startShifted({ home }: RemoteHome): Promise<void> {
  const [node = '', ...words] = program;
  spawn(node, ['--import', shifted, ...words, 'daemon', 'run'], {
    env: { ...home.env, SHIFT_FILE: shift },
    cwd: '/',
    stdio: 'ignore',
  });
  await expect.poll(() => home.daemon()).toBeDefined();
}

async function connected(warder: RemoteHome, count: number): Promise<Client[]> {
  const hosts = Array.from({ length: count }, () => warder.home.run('remote'));
  for (const host of hosts) await host.initialize();
  return hosts;
}

/** The requests that the authorization server got to sign somebody in. */
function signIns(authorization: Authorization): number {
  return authorization.count('GET /auth?');
}

test(`W-AUTH-30 W-AUTH-36 ${HOSTS} hosts, ${ROUNDS} tokens of ${SECONDS} s: no family is lost, and one refresh runs at a time`, async () => {
  await using authorization = await startAuthorization({ seconds: SECONDS });
  await using server = await startMcp({ guard: (url) => authorization.guard(url) });
  await using warder = await RemoteHome.open();
  await startShifted(warder);
  warder.profile('remote', server.url);
  await warder.signIn('remote');
  const hosts = await connected(warder, HOSTS);
  const outcome = await measureFamily({
    authorization,
    hosts,
    rounds: ROUNDS,
    expire: () => jump((SECONDS + 1) * 1000),
    signIns: () => signIns(authorization),
  });
  expect(outcome).toEqual({
    calls: HOSTS * ROUNDS,
    failed: 0,
    refreshes: ROUNDS,
    most: 1,
    lost: 0,
    signIns: 0,
  });
  await Promise.all(hosts.map((host) => host[Symbol.asyncDispose]()));
}, 300_000);
