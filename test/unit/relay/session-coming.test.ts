// A long answer is looked through while it comes, and digested meanwhile: what is recorded and what goes on is the same.
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Redactor } from '../../../src/credential/redact.ts';
import type { BackgroundDigest } from '../../../src/os/background-digest.ts';
import { call, type Joined, join, SECRET, settled } from '../../fixtures/ends.ts';

const LONG = 2 ** 20;
const text = 'long text, '.repeat(LONG / 11);
const sha256 = (line: string): string => `sha256:${createHash('sha256').update(line).digest('hex')}`;

/** Digests that are finished when the test says so. */
function digests(fails = false) {
  const waiting: (() => void)[] = [];
  const counts = { begun: 0, bytes: 0, dropped: 0 };
  const begin = (): BackgroundDigest => {
    const all = createHash('sha256');
    counts.begun++;
    let isOver = false;
    return {
      update(bytes, done) {
        all.update(bytes);
        counts.bytes += bytes.length;
        done?.();
      },
      finish(then) {
        isOver = true;
        waiting.push(() => then(fails ? undefined : all.digest('hex')));
      },
      [Symbol.dispose]() {
        if (!isOver) counts.dropped++;
        isOver = true;
      },
    };
  };
  /** Finishes what waits, until a condition holds. */
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) {
      waiting.shift()?.();
      await settled();
    }
  };
  return { begin, counts, waiting, until };
}

/** A session whose server sends a line in pieces. */
function open(options: Parameters<typeof join>[0] = {}): Joined & { pieces(line: string): Promise<void> } {
  const joined = join(options);
  const { server } = joined;
  return {
    ...joined,
    async pieces(line) {
      const bytes = Buffer.from(line);
      for (let at = 0; at < bytes.length; at += 100_000) {
        server.raw(bytes.subarray(at, at + 100_000));
        do await settled();
        while (server.paused && at + 100_000 < bytes.length);
      }
    },
  };
}

const FORMS: [string, (id: string) => string][] = [
  ['first', (id) => `{"jsonrpc":"2.0","id":${id},"result":{"text":"${text}"}}`],
  ['last', (id) => `{"result":{"text":"${text}"},"jsonrpc":"2.0","id":${id}}`],
  [
    'in between, with white space',
    (id) => ` { "jsonrpc":"2.0","id" : ${id} , "result":{"text":"${text}"} } `,
  ],
  [
    'behind what looks like one',
    (id) => `{"result":{"id":7,"text":"${text}","a":[{"id":1}]},"id":${id},"jsonrpc":"2.0"}`,
  ],
];

describe('W-RELAY-23 a long answer is digested while it comes, with the id that its host knows', () => {
  test.each(FORMS)('where that is %s', async (_where, form) => {
    const made = digests();
    const { host, audit, pieces } = open({ digests: made.begin });
    host.say(call('the seventh'));
    await pieces(form('1'));
    const line = form('"the seventh"');
    // Nearly all of it, before its end has come.
    expect(made.counts.begun).toBe(1);
    expect(made.counts.bytes).toBeGreaterThan(line.length - 200_000);
    expect(host.lines).toEqual([]);
    await pieces('\n');
    expect(host.lines).toEqual([]);
    await made.until(() => host.lines.length > 0);
    expect(host.lines).toEqual([line]);
    expect(made.counts).toEqual({ begun: 1, bytes: Buffer.byteLength(line), dropped: 0 });
    expect(audit.of('tool.result')).toMatchObject([
      { outcome: 'ok', bytes: Buffer.byteLength(line), result: sha256(line) },
    ]);
  });

  test.each<[string, string]>([
    ['twice', `{"jsonrpc":"2.0","id":1,"result":{"text":"${text}"},"id":1}`],
    ['of nobody', `{"jsonrpc":"2.0","id":99,"result":{"text":"${text}"}}`],
    ['none', `{"jsonrpc":"2.0","id":null,"result":{"text":"${text}"}}`],
  ])('where it is %s nothing of it goes on', async (_where, line) => {
    const made = digests();
    const { host, audit, pieces } = open({ digests: made.begin });
    host.say(call(1));
    await pieces(`${line}\n`);
    for (let turn = 0; turn < 200; turn++) await settled();
    expect(host.text).not.toContain('long text');
    expect(made.waiting).toEqual([]);
    expect(audit.of('tool.result').filter(({ outcome }) => outcome === 'ok')).toEqual([]);
    expect(made.counts.dropped).toBe(made.counts.begun);
  });

  test('where it cannot be made elsewhere it is made here', async () => {
    const made = digests(true);
    const { host, audit, pieces } = open({ digests: made.begin });
    host.say(call(8));
    const [, form] = FORMS[0] as (typeof FORMS)[0];
    await pieces(`${form('1')}\n`);
    await made.until(() => host.lines.length > 0);
    expect(host.lines).toEqual([form('8')]);
    expect(audit.of('tool.result')).toMatchObject([{ result: sha256(form('8')) }]);
  });

  test('it is made anew where the host cancels the call meanwhile: as the line came', async () => {
    const made = digests();
    const { host, audit, pieces } = open({ digests: made.begin });
    host.say(call(8));
    const [, form] = FORMS[1] as (typeof FORMS)[0];
    await pieces(`${form('1')}\n`);
    expect(made.waiting).toHaveLength(1);
    host.say({ method: 'notifications/cancelled', params: { requestId: 8 } });
    await made.until(() => audit.of('answer').length > 0);
    expect(host.text).toBe('');
    expect(audit.of('answer')).toMatchObject([{ outcome: 'late', result: sha256(form('1')) }]);
  });

  test('it is made anew where a value is taken out, of what is left', async () => {
    const made = digests();
    const { host, audit, pieces } = open({ digests: made.begin });
    host.say(call(8));
    await pieces(`{"jsonrpc":"2.0","id":1,"result":{"text":"${text}${SECRET}"}}\n`);
    await made.until(() => host.lines.length > 0);
    const [line = ''] = host.lines;
    expect(line).not.toContain(SECRET);
    expect(JSON.parse(line)).toMatchObject({
      id: 8,
      result: { text: expect.stringContaining('[redacted:TOKEN]') },
    });
    expect(audit.of('tool.result')).toMatchObject([{ result: sha256(line) }]);
  });

  test('values that are to be taken out only since a part of it has come are', async () => {
    const made = digests();
    const { host, session, pieces } = open({ digests: made.begin });
    host.say(call(8));
    await pieces(`{"jsonrpc":"2.0","id":1,"result":{"text":"another-value-4711 ${text}`);
    session.redact(new Redactor([{ name: 'LATER', value: 'another-value-4711' }]));
    await pieces('"}}\n');
    await made.until(() => host.lines.length > 0);
    expect(host.text).not.toContain('another-value-4711');
    expect(host.text).toContain('[redacted:LATER]');
  });

  test.each<[string, (joined: Joined) => void]>([
    ['stopped', ({ session }) => void session.stop()],
    ['left by its host', ({ host }) => host.vanish()],
    ['without its server', ({ server }) => server.exit(1)],
  ])('a session that is %s meanwhile ends, and the digest goes nowhere', async (_how, end) => {
    const made = digests();
    const joined = open({ digests: made.begin, budgets: { close: 0, lastOutput: 0 } });
    const { host, server, session, logged, pieces } = joined;
    host.say(call(8));
    const [, form] = FORMS[0] as (typeof FORMS)[0];
    await pieces(`${form('1')}\n`);
    expect(made.waiting).toHaveLength(1);
    end(joined);
    await settled();
    made.waiting.shift()?.();
    await settled();
    host.vanish();
    server.exit(0);
    await session.done;
    expect(host.lines.length).toBeLessThan(2);
    expect(logged.filter((line) => line.includes('a fault'))).toEqual([]);
  });
});

test('W-RELAY-6 a server that stops within a long line holds up no long line of its host', async () => {
  const made = digests();
  const { host, server, pieces } = open({ digests: made.begin });
  host.say(call(1));
  await pieces(`{"jsonrpc":"2.0","id":1,"result":{"text":"${text}`);
  host.say(call(2, 'echo', { text }));
  while (server.lines.length < 2) await settled();
  expect(server.messages[1]).toMatchObject({ id: 2, params: { arguments: { text } } });
  expect(host.lines).toEqual([]);
  await pieces('"}}\n');
  await made.until(() => host.lines.length > 0);
  expect(host.messages).toMatchObject([{ id: 1 }]);
});

test('W-RELAY-6 what has come of a line that gets too long is let go', async () => {
  const made = digests();
  const { host, server, pieces } = open({ digests: made.begin, budgets: { line: LONG } });
  host.say(call(1));
  await pieces(`{"jsonrpc":"2.0","id":1,"result":{"text":"${text}${text}`);
  expect(made.counts).toMatchObject({ begun: 1, dropped: 1 });
  await pieces(`"}}\n{"jsonrpc":"2.0","method":"notifications/x"}\n`);
  while (host.lines.length < 2) await settled();
  expect(host.messages).toMatchObject([{ id: 1, error: {} }, { method: 'notifications/x' }]);
  expect(server.paused).toBe(false);
});
