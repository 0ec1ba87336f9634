// A host and a server that send whatever there is, through the built program and a sandbox. See also
// test/property/relay/fuzz.test.ts, which has more of everything, in one process.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Home } from '../fixtures/home.ts';
import { fixtureServer } from '../fixtures/server.ts';

const sessions = process.env.SLOW === undefined ? 12 : 1200;
const LINES = 60;

const METHODS = [
  ...[
    'tools/call',
    'tools/call',
    'tools/list',
    'resources/read',
    'resources/subscribe',
    'prompts/get',
    'ping',
  ],
  ...[
    'completion/complete',
    'tasks/get',
    'subscriptions/listen',
    'logging/setLevel',
    'server/discover',
    'x/y',
  ],
];
const PARAMS = [
  ...[
    undefined,
    {},
    [],
    null,
    { name: 'echo', arguments: { a: 1 } },
    { name: 'delete_it' },
    { uri: 'file:///a' },
  ],
  ...[{ name: 'p' }, { taskId: 't1' }, { ref: { type: 'ref/prompt', name: 'p' } }, { notifications: {} }],
];
/** Lines that are no requests with an id of their own. */
const OTHERS = [
  ...[
    'junk',
    '',
    ' ',
    '[]',
    '7',
    '{"jsonrpc":"2.0","method":"notifications/x"}',
    '\ufeff{}',
    '{"jsonrpc":"2.0"}',
  ],
  ...['{"jsonrpc":"2.0","id":1,"result":{}}', '{"jsonrpc":"2.0","id":2,"error":{"code":1,"message":"m"}}'],
  ...[
    '[{"jsonrpc":"2.0","method":"notifications/y"}]',
    `{"jsonrpc":"2.0","id":"deep","method":"ping","params":${'['.repeat(400)}`,
  ],
  ...['{"jsonrpc":"2.0","id":"two","method":"ping","method":"ping"}', 'x'.repeat(100_000)],
];

/** Bytes of resident memory. */
function resident(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

const pick = <T>(list: readonly T[], at: number): T => list[at % list.length] as T;

test(
  'W-RELAY-7 W-RELAY-8 whatever both sides send, the daemon lives, each request has one answer, and the log verifies',
  async () => {
    await using warder = new Home();
    const policy = { default: 'allow', tools: { 'delete_*': 'deny' }, methods: { 'x/*': 'deny' } };
    const step = fc.tuple(fc.nat(9), fc.nat(999), fc.nat(999));
    const samples = fc.sample(fc.array(step, { minLength: LINES, maxLength: LINES, size: 'max' }), sessions);
    let daemon: number | undefined;
    let memory = 0;
    for (const [seed, steps] of samples.entries()) {
      warder.profile(`random-${seed}`, { server: fixtureServer('random', String(seed + 1)), policy });
      await using host = warder.run(`random-${seed}`);
      await host.initialize();
      daemon ??= await warder.daemon();
      expect(await warder.daemon()).toBe(daemon);
      const ids: string[] = [];
      for (const [kind, a, b] of steps) {
        if (kind < 6) {
          const id = `u${ids.length}`;
          ids.push(id);
          await host.send({ jsonrpc: '2.0', id, method: pick(METHODS, a), params: pick(PARAMS, b) });
        } else if (kind < 9) await host.send(`${pick(OTHERS, a)}\n`);
        else {
          const requestId = pick([1, 'none', { x: 1 }, null], b);
          await host.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId } });
        }
      }
      // A subscription may be ended by the server's cancelling it.
      const ended = (id: string): boolean =>
        host.lines.some((line) => line.includes('notifications/cancelled') && line.includes(`"${id}"`));
      for (const id of ids) {
        await host.until(
          () => host.lines.some((line) => line.includes(`"id":"${id}"`)) || ended(id),
          `the answer to ${id} in session ${seed}`,
        );
      }
      const answers = host.lines.map((line) => JSON.parse(line)).filter(({ method }) => method === undefined);
      for (const id of ids) {
        const own = answers.filter((message) => message.id === id);
        expect(own.length, `${id} in session ${seed}`).toBe(ended(id) ? own.length : 1);
      }
      if (seed === 3) memory = resident(daemon ?? 0);
    }
    expect(resident(daemon ?? 0) - memory).toBeLessThan(150 * 2 ** 20);
    expect((await warder.warder(['audit', 'verify'])).code).toBe(0);
    const records = warder.audit();
    const begun = records.filter(({ event }) => ['tool.call', 'request', 'question'].includes(event));
    expect(new Set(begun.map(({ call }) => call)).size).toBe(begun.length);
    expect(begun.length).toBeGreaterThan(sessions * 10);
  },
  process.env.SLOW === undefined ? 120_000 : 7_200_000,
);
