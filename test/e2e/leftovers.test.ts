// Hundreds of sessions that open, work and end, and others whose host is killed at any moment of their beginning: afterwards
// the daemon has what it had before. Hosts start every server two to five times over, and throw some away at once.
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import { echoServer } from '../fixtures/echo.ts';
import { Home } from '../fixtures/home.ts';
import { grown, InspectedDaemon } from '../fixtures/inspected-daemon.ts';
import { hasNative } from '../fixtures/launchers.ts';

const AT_ONCE = 4;
/** So many sessions of each kind there are at least, and in all: so many objects more of a class would be theirs. */
const LEAST = 18;
const PLAIN = 70;
const KILLED = 60;
const ALL = LEAST + PLAIN + KILLED;
/** Private folders that may be kept, fewer than there are sessions. */
const KEPT = 128;

/** Runs `one` so many times, a few at once. */
async function repeat(times: number, one: (at: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < times) await one(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}

/** A session that makes a call, and ends with its input. */
async function whole(home: Home, profile: string): Promise<void> {
  await using client = home.run(profile);
  await client.initialize();
  const { result } = await client.request('tools/call', { name: 'echo', arguments: { text: 'hello' } });
  expect(result.content[0].text).toContain('hello');
  client.close();
  expect(await client.ended).toEqual({ code: 0, signal: null });
}

/** A session whose launcher is killed so many milliseconds after it has asked for the server. */
async function thrownAway(home: Home, ms: number): Promise<void> {
  await using client = home.run('plain');
  await client.send({ jsonrpc: '2.0', id: 1, method: 'initialize', params: {} });
  await sleep(ms);
  client.kill('SIGKILL');
  await client.ended;
}

/** Waits until the daemon has no session any more, and no process beside it runs. */
async function settled(home: Home): Promise<void> {
  await using control = await home.control();
  while ((await control.request('status', {})).sessions.length > 0) await sleep(50);
  const pid = home.daemon() ?? 0;
  await home.quiet([pid]);
  // What the daemon keeps ready is there once its descriptors are the same for a while.
  const descriptors = (): number => readdirSync(`/proc/${pid}/fd`).length;
  for (let before = descriptors(), same = 0; same < 10; ) {
    await sleep(100);
    const now = descriptors();
    same = now === before ? same + 1 : 0;
    before = now;
  }
}

test.runIf(hasNative)(
  'W-PROC-2 sessions leave nothing: no object, descriptor, process or file of them stays',
  async () => {
    await using home = new Home();
    const server = { command: echoServer(), args: [] };
    const from = { command: ['/bin/echo', 'a-value-of-a-command-0123'], ttl: '1h' };
    const policy = { default: 'allow' };
    const plain = {
      server,
      policy,
      credentials: { TOKEN: { from, deliver: 'env' } },
      sandbox: { off: true },
    };
    home.profile('plain', plain);
    home.profile('sealed', { server, policy, credentials: { TOKEN: { from, hosts: ['api.example.com'] } } });
    await using daemon = await InspectedDaemon.start(home);
    await home.by('native');

    // What the first sessions load stays.
    await repeat(24, (at) => whole(home, at % 4 === 0 ? 'sealed' : 'plain'));
    await repeat(12, (at) => thrownAway(home, 2 * at));
    await settled(home);
    const before = await daemon.holdings();

    await repeat(PLAIN, () => whole(home, 'plain'));
    await repeat(LEAST, () => whole(home, 'sealed'));
    await repeat(KILLED, (at) => thrownAway(home, at % 30));
    await settled(home);
    const { descriptors, processes, files } = before;
    const left = (now: typeof before) => ({
      objects: grown(before, now, LEAST, ALL),
      descriptors: now.descriptors,
      processes: now.processes,
      files: now.files,
    });
    const nothing = { objects: {}, descriptors, processes, files };
    let after = await daemon.holdings();
    // Timers of a few seconds may be left of the last ones, and what the daemon keeps ready may just be made.
    for (let tries = 0; tries < 5 && !isDeepStrictEqual(left(after), nothing); tries++) {
      await sleep(2000);
      after = await daemon.holdings();
    }

    expect(left(after)).toEqual(nothing);
    expect(after.folders).toBeLessThanOrEqual(KEPT);
  },
);
