// A side that does not read must not grow the daemon: what is queued for it stays within a bound, however much
// the other side has to say.
import { describe, expect, test } from 'vitest';
import { Neighbours } from '../../../src/relay/neighbours.ts';
import { answer, call, FakeServer, join, sent, settled } from '../../fixtures/ends.ts';
import { policyOf } from '../../fixtures/policy.ts';

const CHUNK = 65_536;
const ROOM = 65_536;

/** Says notifications, a chunk at a time, for as long as it may, and tells how many chunks that were. */
function flood(from: { readonly paused: boolean; raw(bytes: string): void }, chunks: number): number {
  const line = `{"jsonrpc":"2.0","method":"notifications/x","params":{"x":"${'x'.repeat(900)}"}}\n`;
  const chunk = line.repeat(Math.floor(CHUNK / line.length));
  let said = 0;
  while (!from.paused && said < chunks) {
    from.raw(chunk);
    said++;
  }
  return said;
}

describe('W-RELAY-6', () => {
  test('a host that stops reading stops the server, and nothing more is queued than what was on its way', () => {
    const { host, server } = join();
    host.room = ROOM;
    expect(flood(server, 1000)).toBeLessThanOrEqual(2);
    expect(host.mostQueued).toBeLessThanOrEqual(ROOM + CHUNK);
    host.drain();
    expect(server.paused).toBe(false);
    flood(server, 1000);
    expect(server.paused).toBe(true);
    expect(host.mostQueued).toBeLessThanOrEqual(ROOM + CHUNK);
  });

  test('a host that stops reading while standard error floods stops the server', () => {
    const { host, server } = join();
    host.room = ROOM;
    let said = 0;
    while (!server.paused && said < 1000) {
      server.complain('x'.repeat(CHUNK));
      said++;
    }
    expect(said).toBeLessThanOrEqual(2);
    host.drain();
    expect(server.paused).toBe(false);
  });

  test('a server that stops reading stops the host', () => {
    const { host, server } = join();
    server.room = ROOM;
    expect(flood(host, 1000)).toBeLessThanOrEqual(2);
    expect(server.mostQueued).toBeLessThanOrEqual(ROOM + CHUNK);
    server.drain();
    expect(host.paused).toBe(false);
  });

  test('a host that does not read refusals is read no further', () => {
    const { host } = join({ policy: policyOf({ default: 'deny' }) });
    host.room = ROOM;
    let id = 0;
    while (!host.paused && id < 100_000) host.say(...Array.from({ length: 100 }, () => call(id++)));
    expect(host.paused).toBe(true);
    expect(host.mostQueued).toBeLessThan(256 * 1024);
    host.drain();
    expect(host.paused).toBe(false);
  });

  test('a host that is full may still call, as long as the relay has nothing of its own to say to it', () => {
    const { host, server } = join();
    host.room = ROOM;
    flood(server, 1000);
    host.say(call(1));
    expect(host.paused).toBe(false);
    expect(server.messages).toMatchObject([sent(1)]);
  });

  test('a server that does not read refusals is read no further', () => {
    const server = new FakeServer();
    const { host } = join({ server, budgets: { open: 10 } });
    server.room = ROOM;
    let id = 0;
    while (!server.paused && id < 100_000) server.say({ id: id++, method: 'ping' });
    expect(server.paused).toBe(true);
    expect(server.mostQueued).toBeLessThan(256 * 1024);
    expect(host.messages).toHaveLength(10);
  });

  test('pausing and resuming loses nothing and changes no order', () => {
    const { host, server } = join();
    host.room = 500;
    const ids = Array.from({ length: 200 }, (_, i) => i);
    host.say(...ids.map((id) => call(id)));
    for (const id of ids) {
      server.say(answer(server.nth(id + 1)));
      if (server.paused) host.drain();
    }
    expect(host.messages.map(({ id }) => id)).toEqual(ids);
  });

  test('only so much of a session is read in one turn, from whichever side', async () => {
    for (const say of ['host', 'server', 'stderr'] as const) {
      const { host, server } = join();
      const side = say === 'host' ? host : server;
      let said = 0;
      while (!side.paused && said < 1000) {
        if (say === 'stderr') server.complain('x'.repeat(CHUNK));
        else flood(side, 1);
        said++;
      }
      expect(said).toBe(3);
      expect([host.paused, server.paused]).toEqual([true, true]);
      await settled();
      expect([host.paused, server.paused]).toEqual([false, false]);
    }
  });

  test('standard error and long lines cost a share of the time while another session is busy', async () => {
    for (const say of ['stderr', 'line'] as const) {
      let now = 0;
      const clock = { now: () => 0, monotonic: () => now };
      const neighbours = new Neighbours(clock);
      const budgets = { burst: 1.5, share: 0.5, stderrPrice: 16, linePrice: 16 };
      const { server } = join({ clock, neighbours, budgets });
      const flooding = (): number => {
        let said = 0;
        neighbours.note(budgets, now);
        for (; !server.paused; said++) {
          if (say === 'stderr') server.complain('x'.repeat(CHUNK));
          else server.raw('x'.repeat(CHUNK + 1));
        }
        return said;
      };
      // A chunk costs a millisecond, and there is one and a half at once.
      expect(flooding()).toBe(2);
      await settled();
      expect(server.paused).toBe(true);
      now += 2;
      while (server.paused) await new Promise((resolve) => setTimeout(resolve, 1));
      expect(flooding()).toBe(1);
    }
  });
});
