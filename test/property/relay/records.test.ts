// The records of one piece are written together before any of it goes on. When the log cannot be written, nothing of what it
// would have held goes on, everything else does, in its order, and each request has one answer all the same.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { answer, call, join } from '../../fixtures/ends.ts';

type Message = ReturnType<typeof call>;

const numRuns = process.env.SLOW === undefined ? 200 : 5000;

const fromHost = fc.array(fc.constantFrom('call', 'large', 'ping', 'note', 'cancel'), { maxLength: 8 });
const fromServer = fc.array(fc.constantFrom('answer', 'large', 'note', 'twice'), { maxLength: 8 });
const piece = fc.record({ isFull: fc.boolean(), fromHost, fromServer });
const LARGE = 'x'.repeat(5000);

test('W-RELAY-4 only what is on record goes on, whichever write fails', () => {
  let refused = 0;
  let passed = 0;
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const { host, server, audit } = join();
      const cancelled = new Set<number>();
      const answered = new Set<unknown>();
      let calls = 0;
      let notes = 0;
      let pings = 0;
      const open = (): Message[] =>
        server.messages.filter(({ id, method }) => method === 'tools/call' && !answered.has(id));
      for (const { isFull, fromHost, fromServer } of pieces) {
        audit.isFull = isFull;
        host.say(
          ...fromHost.map((what): Message => {
            if (what === 'call') return call(calls++);
            if (what === 'large') return call(calls++, 'echo', { text: LARGE });
            if (what === 'ping') return { id: `ping ${pings++}`, method: 'ping' };
            if (what === 'note' || calls === 0)
              return { method: 'notifications/progress', params: { progressToken: notes++, progress: 1 } };
            cancelled.add(calls - 1);
            return { method: 'notifications/cancelled', params: { requestId: calls - 1 } };
          }),
        );
        server.say(
          ...fromServer.map((what): Message => {
            const [one] = open();
            if (what === 'note' || one === undefined)
              return { method: 'notifications/message', params: { level: 'info', data: 'x' } };
            if (what === 'twice') return answer(one.id, 'twice');
            answered.add(one.id);
            return answer(one.id, what === 'large' ? LARGE : 'small');
          }),
        );
      }
      const allowed = audit.of('tool.call').map(({ id }) => Number(id));
      const got = server.messages.filter(({ method }) => method === 'tools/call');
      expect(got).toHaveLength(allowed.length);
      expect(server.messages.flatMap(({ id, method }) => (method === 'ping' ? [id] : []))).toHaveLength(
        pings,
      );
      const numbers = server.messages.flatMap(({ method, params }) =>
        method === 'notifications/progress' ? [(params as { progressToken: number }).progressToken] : [],
      );
      expect(numbers).toEqual(Array.from({ length: notes }, (_, n) => n));
      const results = host.messages.filter(({ result }) => result !== undefined);
      const ended = audit.of('tool.result').filter(({ outcome }) => outcome === 'ok');
      expect(results).toHaveLength(ended.length);
      for (let id = 0; id < calls; id++) {
        const answers = host.messages.filter((message) => message.id === id);
        expect(answers.length).toBeLessThanOrEqual(1);
        if (!allowed.includes(id) && !cancelled.has(id))
          expect(answers).toMatchObject([{ error: { code: -32011 } }]);
      }
      refused += host.messages.filter(({ error }) => error !== undefined).length;
      passed += results.length;
    }),
    { numRuns },
  );
  expect(refused).toBeGreaterThan(numRuns / 2);
  expect(passed).toBeGreaterThan(numRuns / 2);
});
