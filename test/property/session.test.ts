import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Redactor } from '../../src/credential/redact.ts';
import type { Rotated } from '../../src/relay/session.ts';
import { answer, call, FakeServer, join, settled } from '../fixtures/ends.ts';

const numRuns = process.env.SLOW === undefined ? 100 : 3000;

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('call' as const), many: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('answer' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rotate' as const), fails: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('notify' as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const) }) },
);

test('W-ROT-1 over any rotations each call goes to one server at most, and has one answer and one record', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.boolean(), async (steps, initialized) => {
      const { host, server, audit, session } = join({ limits: { drain: 60_000, greet: 60_000 } });
      const redactor = new Redactor([]);
      const servers = [server];
      const rotations: Promise<Rotated>[] = [];
      const cancelled = new Set<unknown>();
      let calls = 0;
      let notes = 0;

      /** The ids of calls that a server has got. */
      const got = (one: FakeServer): unknown[] =>
        one.messages.filter(({ method }) => method === 'tools/call').map(({ id }) => id);
      const answered = new Map<FakeServer, Set<unknown>>();
      const unanswered = (one: FakeServer): unknown[] => got(one).filter((id) => !answered.get(one)?.has(id));
      const reply = (one: FakeServer, id: unknown): void => {
        answered.set(one, (answered.get(one) ?? new Set()).add(id));
        one.say(answer(id, `for ${id}`));
      };
      const greet = (): void => {
        for (const one of servers) {
          const asked = one.messages.some(({ method }) => method === 'initialize');
          if (!asked || answered.get(one)?.has('i')) continue;
          answered.set(one, (answered.get(one) ?? new Set()).add('i'));
          one.say({ id: 'i', result: { protocolVersion: '1', capabilities: {} } });
        }
      };

      if (initialized) {
        host.say({ id: 'i', method: 'initialize' });
        greet();
        host.say({ method: 'notifications/initialized' });
      }
      for (const one of steps) {
        if (one.do === 'call') host.say(...Array.from({ length: one.many }, () => call(calls++)));
        if (one.do === 'answer') {
          const open = servers.flatMap((each) => unanswered(each).map((id) => [each, id] as const));
          const [each, id] = open[one.which % Math.max(1, open.length)] ?? [];
          if (each !== undefined) reply(each, id);
        }
        if (one.do === 'cancel' && calls > 0) {
          const id = one.which % calls;
          cancelled.add(id);
          host.say({ method: 'notifications/cancelled', params: { requestId: id } });
        }
        if (one.do === 'rotate') {
          rotations.push(
            session.rotate(() => {
              if (one.fails) return Promise.reject(new Error('no'));
              const next = new FakeServer();
              servers.push(next);
              return Promise.resolve({ server: next, redactor });
            }),
          );
        }
        if (one.do === 'notify') {
          const each = servers[one.which % servers.length];
          if (each?.stops === 0) each.say({ method: 'notifications/x', params: { n: notes++ } });
        }
        if (one.do === 'wait') await settled();
        greet();
      }
      // All comes to its end: what is open is answered, until nothing more comes.
      let over = false;
      void Promise.all(rotations).then(() => {
        over = true;
      });
      for (let quiet = 0; quiet < 5; quiet++) {
        await settled();
        greet();
        for (const one of servers) {
          for (const id of unanswered(one)) {
            reply(one, id);
            quiet = 0;
          }
        }
        if (!over) quiet = 0;
      }

      const all = servers.flatMap(got);
      expect(all.toSorted()).toEqual(Array.from({ length: calls }, (_, id) => id).toSorted());
      const answers = host.messages.filter(({ result }) => result !== undefined);
      for (let id = 0; id < calls; id++) {
        const own = answers.filter((message) => message.id === id);
        if (cancelled.has(id)) expect(own.length).toBeLessThanOrEqual(1);
        else expect(own).toMatchObject([{ result: { content: [{ text: `for ${id}` }] } }]);
      }
      expect(audit.of('tool.call').length).toBe(calls);
      expect(new Set(audit.of('tool.result').map((record) => record.call)).size).toBe(calls);
      expect(audit.of('tool.result').length).toBe(calls);
      expect(host.messages.filter(({ method }) => method === 'notifications/x').length).toBe(notes);
      await session.stop();
      expect(servers.every((one) => one.stops > 0)).toBe(true);
    }),
    { numRuns },
  );
}, 120_000);
