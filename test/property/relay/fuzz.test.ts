// A host and a server that send whatever there is: every method of both eras and others, ids and params of every
// kind, lines that are no messages, in pieces cut anywhere. Whatever they do, the session lives until one of them
// ends it, each request has one answer and its records, and nothing is left behind.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Redactor } from '../../../src/credential/redact.ts';
import { methodOf } from '../../../src/relay/methods.ts';
import { answer, FakeServer, type Joined, join, SECRET, settled } from '../../fixtures/ends.ts';
import { policyOf } from '../../fixtures/policy.ts';
import { FakeTrust } from '../../fixtures/trust.ts';

const numRuns = process.env.SLOW === undefined ? 600 : 300_000;
const timeout = process.env.SLOW === undefined ? 120_000 : 7_200_000;

/** The longest line of these sessions. */
const LINE = 4096;

const META = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' };
const SUBSCRIPTION = 'io.modelcontextprotocol/subscriptionId';

const METHODS = [
  ...['tools/call', 'tools/call', 'tools/call', 'tools/list', 'resources/list', 'resources/read'],
  ...[
    'resources/subscribe',
    'resources/unsubscribe',
    'resources/templates/list',
    'prompts/list',
    'prompts/get',
  ],
  ...['completion/complete', 'logging/setLevel', 'tasks/get', 'tasks/result', 'tasks/list', 'tasks/cancel'],
  ...[
    'tasks/update',
    'subscriptions/listen',
    'server/discover',
    'initialize',
    'ping',
    'x/y',
    '',
    'Tools/Call',
  ],
  ...['notifications/initialized', 'sampling/createMessage', 'roots/list', 'constructor', 'm'.repeat(300)],
];
const NOTIFICATIONS = [
  ...['notifications/initialized', 'notifications/progress', 'notifications/roots/list_changed'],
  ...['notifications/tools/list_changed', 'notifications/message', 'notifications/resources/updated'],
  ...[
    'notifications/subscriptions/acknowledged',
    'notifications/tasks/status',
    'notifications/x',
    'resources/read',
  ],
];
/** JSON texts of `params`. */
const PARAMS = [
  undefined,
  ...[
    'null',
    '{}',
    '[]',
    '[1,{"name":"a"}]',
    '7',
    '"x"',
    '{"name":"echo","arguments":{"a":1}}',
    '{"name":"echo"}',
  ],
  ...['{"name":"delete_it","arguments":{}}', '{"name":"DELETE_it"}', '{"name":7}', '{"name":"a","name":"b"}'],
  ...[
    '{"name":"echo","arguments":{"a":{"b":1,"b":2}}}',
    '{"name":"echo","arguments":7}',
    '{"Name":"a","name":"b"}',
  ],
  ...['{"uri":"file:///a"}', '{"uri":"file:///etc/../etc/x"}', '{"uri":7}', '{"uri":"a:b","uri":"c:d"}'],
  ...['{"level":"debug"}', '{"taskId":"t"}', '{"ref":{"type":"ref/prompt","name":"p"}}', '{"ref":7}'],
  ...['{"notifications":{"resourceSubscriptions":["a:b"]}}', '{"notifications":{"toolsListChanged":true}}'],
  ...[
    '{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}',
    '{"cursor":"c"}',
  ],
  ...[`{"name":"echo","_meta":${JSON.stringify(META)}}`, '{"_meta":7}', '{"_meta":{"progressToken":1}}'],
  ...['{"__proto__":{"name":"x"},"name":"echo"}', `{"name":"${'n'.repeat(1100)}"}`, `{"name":"${SECRET}"}`],
];
/** JSON texts of ids that a request may have, and of others. */
const IDS = ['0', '1', '"1"', '""', '"a"', '9007199254740993', '-1', '1.0', '1e2', '"\\u0061"', '7'];
const BAD_IDS = ['null', '{}', '[]', 'true', '1.5', `"${'x'.repeat(1100)}"`];

const nested = (id: string): string =>
  `{"jsonrpc":"2.0","id":${id},"result":{"a":${'['.repeat(300)}${']'.repeat(300)}}}`;

/** Lines of either side that are no messages. `answers`: how many answers a host may wait for. */
const JUNK: readonly { readonly line: Buffer | string; readonly answers: number }[] = [
  { line: '', answers: 0 },
  { line: ' \t', answers: 0 },
  { line: '\r', answers: 0 },
  { line: 'junk', answers: 1 },
  { line: '{', answers: 1 },
  { line: '7', answers: 1 },
  { line: '[]', answers: 1 },
  { line: '[1,2]', answers: 2 },
  {
    line: '[{"jsonrpc":"2.0","id":"b1","method":"ping"},{"jsonrpc":"2.0","method":"notifications/x"}]',
    answers: 1,
  },
  { line: '\ufeff{"jsonrpc":"2.0","id":"bom","method":"ping"}', answers: 1 },
  { line: Buffer.from('{"id":"latin"\xff}', 'latin1'), answers: 1 },
  { line: '{"jsonrpc":"2.0","id":"cr",\r"method":"ping"}', answers: 1 },
  { line: '{"jsonrpc":"2.0","id":"two","id":"two","method":"ping"}', answers: 1 },
  { line: '{"jsonrpc":"1.0","id":"old","method":"ping"}', answers: 1 },
  { line: '{"jsonrpc":"2.0","id":"both","method":"ping","result":{}}', answers: 1 },
  { line: `{"jsonrpc":"2.0","id":"long","method":"ping","params":{"x":"${'x'.repeat(LINE)}"}}`, answers: 1 },
  {
    line: `{"jsonrpc":"2.0","id":"deep","method":"ping","params":${'['.repeat(300)}${']'.repeat(300)}}`,
    answers: 1,
  },
];

interface Step {
  readonly side: 'host' | 'server';
  readonly kind: number;
  readonly a: number;
  readonly b: number;
  /** Where the bytes are cut, in parts of their length. */
  readonly cuts: readonly number[];
}

const step: fc.Arbitrary<Step> = fc.record({
  side: fc.constantFrom('host', 'host', 'server'),
  kind: fc.nat(99),
  a: fc.nat(999),
  b: fc.nat(999),
  cuts: fc.array(fc.nat(99), { maxLength: 2 }),
});
const steps = fc.array(step, { minLength: 1, maxLength: 40, size: 'max' });

const firstUse = fc.constantFrom('none', undefined, 'baseline', 'host' as const);

const pick = <T>(list: readonly T[], at: number): T => list[at % list.length] as T;

/** What was said, and what there is to expect of it. */
class Game {
  readonly joined: Joined;
  readonly servers: FakeServer[];
  /** Host's requests with an id of their own, by its JSON text; those that were cancelled. */
  readonly unique = new Map<string, { readonly method: string; cancelled: boolean }>();
  /** Answers that the host may wait for under any id, and how many of them it has taken back. */
  expected = 0;
  cancelled = 0;
  #unique = 0;
  readonly #answered = new Set<unknown>();
  readonly #replied = new Set<unknown>();
  #rotating = 0;

  readonly trust: FakeTrust | undefined;

  constructor(denies: boolean, firstUse: 'none' | FakeTrust['firstUse']) {
    const policy = denies
      ? policyOf({
          tools: { 'delete_*': 'deny' },
          resources: { 'file:///etc/*': 'deny' },
          prompts: { '*': 'ask' },
          methods: { 'x/*': 'deny', 'sampling/*': 'deny', 'notifications/x': 'deny' },
        })
      : policyOf({});
    if (firstUse !== 'none') {
      this.trust = new FakeTrust({ tools: [{ name: 'echo' }], prompts: [{ name: 'p' }] });
      this.trust.firstUse = firstUse;
      this.trust.unread = ['ui://a'];
    }
    const trust = this.trust === undefined ? {} : { trust: this.trust };
    this.joined = join({ policy, ...trust, budgets: { line: LINE, drain: 50, greet: 20, grace: 0 } });
    this.servers = [this.joined.server];
  }

  get server(): FakeServer {
    return this.servers.at(-1) ?? this.joined.server;
  }

  /** Requests that a server was sent and has not answered. */
  open(server: FakeServer): { readonly id: unknown; readonly method: unknown }[] {
    return server.messages.flatMap(({ id, method }) =>
      method === undefined || id === undefined || this.#answered.has(`${this.servers.indexOf(server)} ${id}`)
        ? []
        : [{ id, method }],
    );
  }

  /** Sends lines in pieces. */
  send(to: { raw(bytes: Buffer): void }, lines: readonly (Buffer | string)[], cuts: readonly number[]): void {
    const bytes = Buffer.concat(lines.flatMap((line) => [Buffer.from(line), Buffer.from('\n')]));
    const places = cuts.map((cut) => Math.floor((cut * bytes.length) / 100)).sort((x, y) => x - y);
    let from = 0;
    for (const place of [...places, bytes.length]) {
      if (place > from) to.raw(bytes.subarray(from, place));
      from = Math.max(from, place);
    }
  }

  fromHost({ kind, a, b, cuts }: Step): void {
    const { host } = this.joined;
    if (kind < 50) {
      const method = pick(METHODS, a);
      const params = pick(PARAMS, b);
      const id = `"u${this.#unique++}"`;
      const rest = params === undefined ? '' : `,"params":${params}`;
      this.unique.set(id, { method, cancelled: false });
      this.expected++;
      this.send(host, [`{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(method)}${rest}}`], cuts);
    } else if (kind < 62) {
      const id = pick([...IDS, ...BAD_IDS], a);
      this.expected++;
      this.send(host, [`{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(pick(METHODS, b))}}`], cuts);
    } else if (kind < 70) {
      const params = pick(PARAMS, b);
      const rest = params === undefined ? '' : `,"params":${params}`;
      this.send(host, [`{"jsonrpc":"2.0","method":"${pick(NOTIFICATIONS, a)}"${rest}}`], cuts);
    } else if (kind < 78) {
      this.cancel(a, b, cuts);
    } else if (kind < 86) {
      const asked = host.messages.filter(({ id, method }) => id !== undefined && method !== undefined);
      const id = JSON.stringify(asked.length > 0 && a % 4 > 0 ? pick(asked, a).id : pick([1, 'x', null], a));
      const end = pick(
        ['"result":{}', '"error":{"code":1,"message":"m"}', '"result":{},"result":{}', '"result":7'],
        b,
      );
      this.send(host, [`{"jsonrpc":"2.0","id":${id},${end}}`], cuts);
    } else if (kind < 96) {
      const { line, answers } = pick(JUNK, a);
      this.expected += answers;
      this.send(host, [line], cuts);
    } else if (kind < 97 && this.trust !== undefined) {
      this.trust.answer(pick(['allow', 'deny'], a), pick([undefined, undefined, 'host'], b));
      if (b % 2 === 0) this.trust.changed();
      if (b % 7 === 0) this.trust.blocked = 'it is another program';
    } else if (kind < 98) {
      host.room = pick([100, 1000, Number.POSITIVE_INFINITY], a);
    } else host.drain();
  }

  cancel(a: number, b: number, cuts: readonly number[]): void {
    const ids = [...this.unique.keys()];
    const id = ids.length > 0 && a % 3 > 0 ? pick(ids, b) : pick([...IDS, ...BAD_IDS], b);
    const known = this.unique.get(id);
    if (known !== undefined) known.cancelled = true;
    this.cancelled++;
    this.send(
      this.joined.host,
      [`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${id}}}`],
      cuts,
    );
  }

  fromServer({ kind, a, b, cuts }: Step): void {
    const { server } = this;
    const open = this.open(server);
    if (kind < 45 && open.length > 0) {
      const { id } = pick(open, a);
      this.#answered.add(`${this.servers.indexOf(server)} ${id}`);
      this.send(server, this.answers(id, b), cuts);
    } else if (kind < 55) {
      const id = pick([...IDS, '"u0"', '"u1"', 'null'], a);
      this.send(server, [`{"jsonrpc":"2.0","id":${id},"result":{"content":[]}}`], cuts);
    } else if (kind < 68) {
      const method = pick(
        ['sampling/createMessage', 'elicitation/create', 'roots/list', 'ping', 'x/y', 'tasks/get'],
        b,
      );
      const params = b % 3 === 0 ? '' : `,"params":{"message":"${'m'.repeat(b % 9)}"}`;
      this.send(
        server,
        [`{"jsonrpc":"2.0","id":${pick([...IDS, ...BAD_IDS], a)},"method":"${method}"${params}}`],
        cuts,
      );
    } else if (kind < 80) {
      const params = pick(
        [
          '{}',
          'null',
          '{"requestId":1}',
          '{"requestId":"a"}',
          `{"_meta":{"${SUBSCRIPTION}":${(b % 5) + 1}}}`,
          '[]',
        ],
        b,
      );
      const method = pick([...NOTIFICATIONS, 'notifications/cancelled', 'notifications/cancelled'], a);
      this.send(server, [`{"jsonrpc":"2.0","method":"${method}","params":${params}}`], cuts);
    } else if (kind < 90) {
      this.send(server, [pick(JUNK, a).line], cuts);
    } else if (kind < 93) {
      server.complain(pick(['a line\n', SECRET, 'x'.repeat(5000), '\0\n'], a));
    } else if (kind < 95) {
      server.room = pick([100, 1000, Number.POSITIVE_INFINITY], a);
    } else if (kind < 98) {
      server.drain();
    } else {
      this.#rotating++;
      const rotated = this.joined.session.rotate(async () => {
        if (a % 4 === 0) throw new Error('the new server does not start');
        const next = new FakeServer();
        this.servers.push(next);
        return { server: next, redactor: new Redactor([{ name: 'TOKEN', value: SECRET }]) };
      });
      void rotated.then(() => this.#rotating--);
    }
  }

  /** Ways to answer; in each the host gets one answer. */
  answers(id: unknown, way: number): (Buffer | string)[] {
    const text = JSON.stringify(id);
    const result = (json: string): string => `{"jsonrpc":"2.0","id":${text},"result":${json}}`;
    const plain = result('{"content":[]}');
    return pick<(Buffer | string)[]>(
      [
        [plain],
        [plain, plain],
        [result('{"content":[],"isError":true}')],
        [`{"jsonrpc":"2.0","id":${text},"error":{"code":-1,"message":"no"}}`],
        [`{"jsonrpc":"2.0","id":"${String(id)}","result":{}}`],
        [nested(text)],
        [`\ufeff${plain}`],
        [Buffer.from(`{"jsonrpc":"2.0","id":${text},"result":"\xff"}`, 'latin1')],
        [`{"jsonrpc":"2.0","id":${text},"result":{},"result":{}}`],
        [result(`{"content":["${SECRET}"]}`)],
        [result(`{"${SECRET}":1}`)],
        [result(`{"x":"${'x'.repeat(LINE)}"}`)],
        [result('{"tools":[{"name":"delete_it"},{"name":"echo"}],"nextCursor":"c"}')],
        [result('{"tools":[{"name":"a","name":"b"}]}')],
        [result('{"tools":7}')],
        [result('7'), 'junk'],
        [result('{"task":{"taskId":"t","status":"working"}}')],
        [result('{"resultType":"input_required","requestState":"s","inputRequests":{}}')],
        [
          result(
            '{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}',
          ),
        ],
        [result('{"supportedVersions":["2026-07-28"],"capabilities":{}}')],
        [`${plain}\r`],
        [`[${plain}]`],
      ],
      way,
    );
  }

  /** All that is open is answered, and all queues are read, until nothing more comes. */
  async finish(): Promise<void> {
    for (let still = 0, turns = 0; still < 3; still++) {
      expect(turns++).toBeLessThan(1000);
      const { host } = this.joined;
      host.room = Number.POSITIVE_INFINITY;
      host.drain();
      this.trust?.answer('allow');
      // A rotation waits for what the server has asked, and up to its limit for tasks.
      for (const { id, method } of host.messages) {
        if (method === undefined || id === undefined || this.#replied.has(id)) continue;
        still = 0;
        this.#replied.add(id);
        host.say({ id, result: {} });
      }
      for (const server of this.servers) {
        server.room = Number.POSITIVE_INFINITY;
        server.drain();
        for (const { id, method } of this.open(server)) {
          still = 0;
          this.#answered.add(`${this.servers.indexOf(server)} ${id}`);
          if (method === 'initialize')
            server.say({ id, result: { protocolVersion: '2025-06-18', capabilities: {} } });
          else server.say(answer(id));
        }
      }
      await settled();
      // What the relay asks by itself has a limit of time.
      if (this.#rotating > 0 || this.joined.session.snapshot().inflight > 0) {
        still = 0;
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
    }
  }
}

function check(game: Game): void {
  const { host, audit, logged, session } = game.joined;
  expect(logged.filter((line) => line.includes('fault'))).toEqual([]);
  expect(session.snapshot()).toMatchObject({ inflight: 0 });

  // Each line that a side was sent is a message.
  const answers = host.messages.filter(({ method }) => method === undefined);
  expect(host.text).not.toContain(SECRET);
  expect(host.stderr).not.toContain(SECRET);
  for (const server of game.servers) {
    const ids = server.messages
      .flatMap(({ id, method }) => (method === undefined ? [] : [id]))
      .filter(Boolean);
    expect(new Set(ids).size).toBe(ids.length);
  }

  // Each request is answered once.
  const counts = new Map<string, number>();
  for (const { id } of answers) {
    const text = JSON.stringify(id);
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  // From 2026-07-28 a server may end a subscription by cancelling it.
  const closed = host.messages.flatMap(({ method, params }) =>
    method === 'notifications/cancelled'
      ? [JSON.stringify((params as { requestId?: unknown }).requestId)]
      : [],
  );
  for (const [id, { method, cancelled }] of game.unique) {
    const count = counts.get(id) ?? 0;
    if (cancelled || (method === 'subscriptions/listen' && closed.includes(id)))
      expect(count, `${id} ${method}`).toBeLessThanOrEqual(1);
    else expect(count, `${id} ${method}`).toBe(1);
  }
  expect(answers.length).toBeLessThanOrEqual(game.expected);
  expect(answers.length).toBeGreaterThanOrEqual(game.expected - game.cancelled - closed.length);

  // Each recorded request has one record, and one of its end if it was let through.
  const begun = [...audit.of('tool.call'), ...audit.of('request'), ...audit.of('question')];
  expect(new Set(begun.map(({ call }) => call)).size).toBe(begun.length);
  const ends = [...audit.of('tool.result'), ...audit.of('answer'), ...audit.of('reply')];
  const ended = ends.filter(({ outcome }) => outcome !== 'late').map(({ call }) => call);
  expect(new Set(ended).size).toBe(ended.length);
  const allowed = begun.filter(({ decision, id }) => decision === 'allow' && id !== undefined);
  expect(new Set(ended)).toEqual(new Set(allowed.map(({ call }) => call)));
  for (const [id, { method }] of game.unique) {
    const { event } = methodOf(method, 'host', 'request');
    const own = begun.filter((record) => record.id === id && record.event !== 'question');
    expect(
      own.map((record) => record.event),
      `${id} ${method}`,
    ).toEqual(event === undefined ? [] : [event]);
  }
}

test(
  'W-RELAY-1 W-RELAY-7 whatever a host and a server send, the session lives, and each request has one answer and its records',
  async () => {
    const memory = (): number => process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
    let before: number | undefined;
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(
        steps,
        fc.boolean(),
        firstUse,
        fc.boolean(),
        fc.nat(2),
        async (todo, denies, trust, waits, end) => {
          const game = new Game(denies, trust);
          for (const one of todo) {
            if (one.side === 'host') game.fromHost(one);
            else game.fromServer(one);
            if (waits && one.kind % 5 === 0) await settled();
          }
          await game.finish();
          check(game);
          const { host, session } = game.joined;
          if (end === 0) host.end();
          else if (end === 1) for (const server of game.servers) server.exit(0);
          const ended = await (end === 2 ? session.stop() : session.done);
          expect(ended.reason).toBe((['host', 'server', 'stopped'] as const)[end]);
          expect(game.joined.audit.of('session.close')).toHaveLength(1);
          if (++runs === 150) before = memory();
        },
      ),
      { numRuns },
    );
    if (before !== undefined) expect(memory() - before).toBeLessThan(150 * 2 ** 20);
  },
  timeout,
);
