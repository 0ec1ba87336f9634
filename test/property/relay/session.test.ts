import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Redactor } from '../../../src/credential/redact.ts';
import type { Rotated } from '../../../src/relay/upstream/rotation.ts';
import { answer, FakeServer, join, settled } from '../../fixtures/ends.ts';

const numRuns = process.env.SLOW === undefined ? 100 : 3000;

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('call'), which: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('answer'), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel'), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('rotate'), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('notify'), which: fc.nat() }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('wait'), which: fc.constant(0) }) },
);
const steps = fc.array(step, { minLength: 10, maxLength: 80, size: 'max' });

const meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' };
const result = { protocolVersion: '1', supportedVersions: ['1'], capabilities: {} };

/** A session, and servers that answer only when told to. */
function play(stateless: boolean) {
  const joined = join({ budgets: { drain: 60_000, greet: 60_000, grace: 0 } });
  const { host, session } = joined;
  const servers = [joined.server];
  const doomed = new Set<FakeServer>();
  const answered = new Map<FakeServer, Set<unknown>>();
  let calls = 0;

  /** The calls that a server got, by the ids that the host gave them. */
  const got = (one: FakeServer): unknown[] => requests(one).map(({ of }) => of);
  const requests = (one: FakeServer): { id: unknown; of: unknown }[] =>
    one.messages
      .filter(({ method }) => method === 'tools/call')
      .map(({ id, params }) => ({ id, of: (params as { arguments: { of: unknown } }).arguments.of }));
  const open = (): [FakeServer, { id: unknown; of: unknown }][] =>
    servers.flatMap((one) =>
      requests(one)
        .filter(({ id }) => !answered.get(one)?.has(id))
        .map((request): [FakeServer, { id: unknown; of: unknown }] => [one, request]),
    );
  const reply = (one: FakeServer, { id, of }: { id: unknown; of: unknown }): void => {
    answered.set(one, (answered.get(one) ?? new Set()).add(id));
    one.say(answer(id, `for ${of}`));
  };
  /** Answers what new servers are asked, or has them die of it. */
  const greet = (): void => {
    for (const one of servers) {
      const asked = one.messages.find(
        ({ method }) => method === 'initialize' || method === 'server/discover',
      );
      if (asked === undefined || answered.get(one)?.has(asked.id)) continue;
      answered.set(one, (answered.get(one) ?? new Set()).add(asked.id));
      if (doomed.has(one)) one.exit(1);
      else one.say({ id: asked.id, result });
    }
  };
  const call = (): void => {
    const id = calls++;
    const params = { name: 'echo', arguments: { of: id }, ...(stateless && { _meta: meta }) };
    host.say({ id, method: 'tools/call', params });
  };
  const rotate = (fate: number): Promise<Rotated> =>
    session.rotate(() => {
      if (fate === 0) return Promise.reject(new Error('no'));
      const next = new FakeServer();
      servers.push(next);
      if (fate === 1) doomed.add(next);
      return Promise.resolve({ server: next, redactor: new Redactor([]) });
    });
  return { ...joined, servers, doomed, got, open, reply, greet, call, rotate, calls: () => calls };
}

test('W-ROT-1 over any rotations each call goes to one server, and has one answer and one record', async () => {
  let moved = 0;
  let held = 0;
  await fc.assert(
    fc.asyncProperty(steps, fc.boolean(), async (todo, stateless) => {
      const game = play(stateless);
      const { host, audit, session, servers } = game;
      const rotations: Promise<Rotated>[] = [];
      const cancelled = new Set<unknown>();
      let notes = 0;
      host.say(
        stateless
          ? { id: 'o', method: 'server/discover', params: { _meta: meta } }
          : { id: 'o', method: 'initialize' },
      );
      game.greet();
      for (const { do: what, which } of todo) {
        if (what === 'call') for (let i = 0; i < which; i++) game.call();
        if (what === 'answer') {
          const open = game.open();
          const one = open[which % Math.max(1, open.length)];
          if (one !== undefined) game.reply(...one);
        }
        if (what === 'cancel' && game.calls() > 0) {
          const id = which % game.calls();
          cancelled.add(id);
          host.say({ method: 'notifications/cancelled', params: { requestId: id } });
        }
        if (what === 'rotate') rotations.push(game.rotate(which % 5));
        if (what === 'notify') {
          const one = servers[which % servers.length];
          if (one?.stops === 0 && !game.doomed.has(one))
            one.say({ method: 'notifications/x', params: { n: notes++ } });
        }
        if (what === 'wait') await settled();
        game.greet();
        held += servers.flatMap(game.got).length < game.calls() ? 1 : 0;
      }
      // All comes to its end: what is open is answered, until the rotations are over and nothing more comes.
      let over = false;
      const outcomes = Promise.all(rotations).finally(() => {
        over = true;
      });
      for (let still = 0; still < 3; still++) {
        await settled();
        game.greet();
        const open = game.open();
        for (const one of open) game.reply(...one);
        if (open.length > 0 || !over) still = 0;
      }
      moved += (await outcomes).filter(({ outcome }) => outcome === 'moved').length;

      const ids = Array.from({ length: game.calls() }, (_, id) => id);
      // What was taken back while it waited reaches no server.
      const went = new Set(servers.flatMap(game.got));
      expect(ids.filter((id) => !went.has(id) && !cancelled.has(id))).toEqual([]);
      expect(servers.flatMap(game.got)).toHaveLength(went.size);
      const own = servers.flatMap((one) => one.messages.flatMap(({ id, method }) => (method ? [id] : [])));
      const numbers = own.filter((id) => id !== undefined);
      expect(new Set(numbers).size).toBe(numbers.length);
      const answers = host.messages.filter((message) => typeof message.id === 'number');
      for (const id of ids) {
        const own = answers.filter((message) => message.id === id);
        if (cancelled.has(id)) expect(own.length).toBeLessThanOrEqual(1);
        else expect(own).toMatchObject([{ result: { content: [{ text: `for ${id}` }] } }]);
      }
      expect(audit.of('tool.call')).toHaveLength(ids.length);
      const passed = audit.of('tool.call').filter(({ decision }) => decision === 'allow');
      expect(passed).toHaveLength(went.size);
      expect(audit.of('tool.result')).toHaveLength(went.size);
      expect(new Set(audit.of('tool.result').map((record) => record.call)).size).toBe(went.size);
      expect(host.messages.filter(({ method }) => method === 'notifications/x')).toHaveLength(notes);
      await session.stop();
      expect(servers.every((one) => one.stops > 0)).toBe(true);
    }),
    { numRuns },
  );
  // The test would be worth nothing if none of this had come to pass.
  expect(moved).toBeGreaterThan(numRuns / 2);
  expect(held).toBeGreaterThan(numRuns / 2);
}, 120_000);
