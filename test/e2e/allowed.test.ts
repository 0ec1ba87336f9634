// Over the whole log: whatever hosts, a server and a person do, each request that acts and has reached the server has a record
// that names what allowed it: a rule of the policy, or an answer that a person gave before, for this. And a record of what
// was accepted of the server, by which it was not held back.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openControl } from '../../src/control/client.ts';
import { connect } from '../../src/os/connect.ts';
import { matches } from '../../src/policy/pattern.ts';
import type { ControlClient, Params } from '../../src/wire/control.ts';
import type { Client } from '../fixtures/client.ts';
import { uid } from '../fixtures/echo-home.ts';
import { Home, type Record } from '../fixtures/home.ts';
import { fixtureServer } from '../fixtures/server.ts';

const { numRuns, most } =
  process.env.SLOW === undefined ? { numRuns: 3, most: 50 } : { numRuns: 40, most: 200 };
const ACTING = new Set(['tools/call', 'resources/read', 'prompts/get']);
const POLICY = {
  default: 'ask',
  tools: { become: 'allow', free: 'allow', never: 'deny' },
  resources: { 'file:///ok/*': 'allow', 'file:///no/*': 'deny' },
  prompts: { secret: 'deny' },
};

type Answer = Pick<Params<'approvals.answer'>, 'decision' | 'scope' | 'extent'>;

/** One thing that a host does in one of two sessions. */
interface Step {
  readonly session: 0 | 1;
  /** A line of JSON without its id; `%` stands for it. */
  readonly line: string;
}

const request = (method: string, params: object): string =>
  `{"jsonrpc":"2.0","id":%,"method":"${method}","params":${JSON.stringify(params)}}`;
const names = fc.constantFrom('free', 'asked', 'never', 'Asked', 'asked\u200b', 'ghost', 'NEVER');
const given = fc.constantFrom({}, { a: 1 }, { a: 2 }, { a: '1' });
const call = fc.tuple(names, given).map(([name, args]) => request('tools/call', { name, arguments: args }));
const uris = fc.constantFrom(
  'file:///ok/a',
  'file:///ok/../no/a',
  'file:///no/a',
  'file:///b',
  'ui://panel',
  'ui://other',
);
const described = fc.dictionary(
  fc.constantFrom('free', 'asked', 'never', 'ghost'),
  fc.constantFrom('asked', 'free', 'other'),
);
const line = fc.oneof(
  { weight: 5, arbitrary: call },
  { weight: 2, arbitrary: uris.map((uri) => request('resources/read', { uri })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('greet', 'secret').map((name) => request('prompts/get', { name })),
  },
  { weight: 1, arbitrary: fc.constant(request('tools/list', {})) },
  {
    weight: 1,
    arbitrary: described.map((each) =>
      request('tools/call', { name: 'become', arguments: { described: each } }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '{"jsonrpc":"2.0","id":%,"method":"tools/call","params":{"name":"free","name":"never","arguments":{}}}',
      '{"jsonrpc":"2.0","id":%,"method":"tools/call","params":{"name":"asked","arguments":{"a":{"b":1,"b":2}}}}',
      '{"jsonrpc":"2.0","id":%,"method":"tools/call","params":{"name":"asked","arguments":{"a":1.0}}}',
      '{"jsonrpc":"2.0","id":%,"method":"tools/call","params":{"name":"asked","__proto__":{"name":"free"}}}',
      '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"asked","arguments":{}}}',
      '[{"jsonrpc":"2.0","id":%,"method":"tools/call","params":{"name":"never","arguments":{}}}]',
      '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3}}',
    ),
  },
);
const step: fc.Arbitrary<Step> = fc.record({ session: fc.constantFrom(0, 1), line });
const answer: fc.Arbitrary<Answer> = fc.record({
  decision: fc.constantFrom<Answer['decision']>('allow', 'allow', 'deny'),
  scope: fc.constantFrom<Answer['scope']>('once', 'once', 'session', { ms: 1000 }),
  extent: fc.constantFrom<Answer['extent']>('arguments', 'name', { pattern: 'as*' }),
});

/** A session in which a policy, an answer once and one for the session each let a call through. */
const ordinary: [Step[], Answer[]] = [
  [
    { session: 0, line: request('tools/call', { name: 'free', arguments: {} }) },
    { session: 0, line: request('tools/call', { name: 'asked', arguments: { a: 1 } }) },
    { session: 0, line: request('tools/call', { name: 'asked', arguments: { a: 2 } }) },
  ],
  [
    // The first is for the first use.
    { decision: 'allow', scope: 'once', extent: 'name' },
    { decision: 'allow', scope: 'once', extent: 'arguments' },
    { decision: 'allow', scope: 'session', extent: 'arguments' },
  ],
];

/** A request as the server got it, or as it is on record, without its id. */
const said = (method: string, name: string, args: string): string => JSON.stringify([method, name, args]);

function saidIn({ event, tool, method, target, arguments: args, decision }: Record): string[] {
  if (decision !== 'allow') return [];
  if (event === 'tool.call')
    return [said('tools/call', tool, args === '' ? '' : JSON.stringify(JSON.parse(args)))];
  return event === 'request' && ACTING.has(method) ? [said(method, target, '')] : [];
}

/** What a server got that acts. */
function witnessed(file: string): string[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .flatMap((text) => {
      const { method, params } = JSON.parse(text);
      if (!ACTING.has(method)) return [];
      const args =
        params.arguments === undefined || method !== 'tools/call' ? '' : JSON.stringify(params.arguments);
      return [said(method, params.name ?? params.uri, args)];
    });
}

/** Why a record that lets a request through does not say what allowed it; undefined: it does. */
function unaccounted(
  record: Record,
  log: readonly Record[],
  revoked: ReadonlyMap<string, number>,
): string | undefined {
  const { seq, rule, session, profile, event } = record;
  const before = log.filter((each) => each.seq < seq);
  const name = event === 'tool.call' ? record.tool : record.target;
  const kind = event === 'tool.call' ? 'tools' : record.method === 'prompts/get' ? 'prompts' : 'resources';
  // What it was held to.
  const accepted = before.findLast(
    (each) =>
      each.event === 'trust.change' &&
      each.profile === profile &&
      each.what === 'record' &&
      each.outcome === 'accepted',
  );
  if (accepted?.record === undefined) return 'nothing was accepted of the server';
  const opened = before.find((each) => each.event === 'session.open' && each.session === session);
  if (opened === undefined) return 'no session was opened';
  const agreed = before.find(
    (each) =>
      each.event === 'consent.answer' &&
      each.decision === 'allow' &&
      each.profile === profile &&
      before.some(
        (ask) => ask.event === 'consent.ask' && ask.question === each.question && ask.kind === 'profile',
      ),
  );
  if (agreed === undefined) return 'nobody agreed to the first use';
  const held = before.find(
    (each) => each.outcome === 'held' && each.what === kind && each.name === name && each.session === session,
  );
  if (held !== undefined && held.seq > accepted.seq) return 'it was held back';
  // What allowed it.
  if (rule.startsWith('policy.')) {
    const allowed = Object.entries(POLICY[kind]).some(
      ([pattern, what]) => what === 'allow' && matches(pattern, name),
    );
    return allowed && rule.startsWith(`policy.${kind}.`)
      ? undefined
      : `the policy does not allow it: ${rule}`;
  }
  const given = before.find((each) => each.event === 'consent.answer' && each.rule === rule);
  if (given?.decision !== 'allow') return `no answer allows it: ${rule}`;
  const asked = before.find((each) => each.event === 'consent.ask' && each.question === given.question);
  if (asked === undefined || asked.seq > given.seq) return `nothing was asked: ${rule}`;
  if (asked.profile !== profile || asked.kind !== kind) return 'something else was asked';
  const isPattern = given.extent.startsWith('pattern ');
  if (isPattern ? !matches(given.extent.slice('pattern '.length), name) : asked.name !== name)
    return `asked was ${asked.name}`;
  if (given.scope === 'session' && given.session !== session) return 'it was for another session';
  if (given.scope === 'once') {
    const uses = log.filter((each) => each.rule === rule && saidIn(each).length > 0).length;
    if (uses > given.calls || given.session !== session) return `it was for ${given.calls} calls`;
  }
  if ((revoked.get(rule) ?? Number.POSITIVE_INFINITY) < seq) return 'it was revoked';
  return undefined;
}

/** Answers what is asked, each in its turn, until the connection is closed. */
async function answerAll(control: ControlClient, answers: readonly Answer[]): Promise<never> {
  let at = 0;
  for (let seen: string[] | undefined; ; ) {
    const { questions } = await control.request('approvals.list', { watch: true, ...(seen && { seen }) });
    seen = questions.map(({ id, calls }) => `${id}:${calls}`);
    for (const { id, kind } of questions) {
      const next = answers[at++ % answers.length] as Answer;
      const yes = { decision: 'allow', scope: 'always', extent: 'name' } as const;
      await control
        .request('approvals.answer', { id, ...(kind === 'profile' ? yes : next) })
        // A pattern that is for others answers nothing, and the question may be over.
        .catch(() => control.request('approvals.answer', { id, ...next, extent: 'name' }))
        .catch(() => {});
    }
  }
}

async function play(
  home: Home,
  steps: readonly Step[],
  answers: readonly Answer[],
): Promise<ReadonlyMap<string, number>> {
  const connection = () => connect({ places: home.places, uid, env: {} });
  await using first = home.run('demo');
  await using second = home.run('demo');
  const hosts: readonly Client[] = [first, second];
  for (const host of hosts) await host.initialize();
  await using control = openControl(await connection());
  await using watching = openControl(await connection());
  const answering = answerAll(watching, answers).catch(() => 'over');
  const revoked = new Map<string, number>();
  let id = 1000;
  for (const [at, { session, line: text }] of steps.entries()) {
    const host = hosts[session] as Client;
    await host.send(`${text.replace('%', String(++id))}\n`);
    if (at % 10 !== 9) continue;
    // Every request has an answer by now, or waits for one that comes.
    const sent = id;
    await host.request('ping', {});
    for (const { id: grant, kind } of (await control.request('grants.list', {})).grants) {
      if (kind === 'profile' || sent % 3 !== 0) continue;
      await control.request('grants.revoke', { id: grant });
      revoked.set(`grant.${grant}`, home.audit().at(-1)?.seq ?? 0);
    }
  }
  // One after another, so that what waits is answered.
  for (const host of hosts) await host.request('tools/call', { name: 'free', arguments: {} });
  for (const host of hosts) host.close();
  await Promise.all(hosts.map(({ ended }) => ended));
  await watching[Symbol.asyncDispose]();
  expect(await answering).toBe('over');
  return revoked;
}

test('W-CONS-1 W-CONS-43 W-TRUST-5 every request that acts and has passed has an allow that the log names', async () => {
  const rules = new Set<string>();
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 20, maxLength: most, size: 'max' }),
      fc.array(answer, { minLength: 5, maxLength: 20 }),
      async (steps, answers) => {
        await using home = new Home({ settings: { consent: { 'first-use': 'ask', rate: 1000 } } });
        const file = join(home.dir, 'witnessed');
        writeFileSync(file, '');
        home.profile('demo', {
          server: fixtureServer('witness', file),
          sandbox: { off: true },
          policy: POLICY,
        });
        const revoked = await play(home, steps, answers);
        const log = home.audit();
        const let_through = log.filter((record) => saidIn(record).length > 0);
        // The relay reads interfaces itself before it asks.
        const own = witnessed(file).filter((each) => each === said('resources/read', 'ui://panel', ''));
        const seen = witnessed(file).filter((each) => !own.includes(each));
        const recorded = let_through.flatMap(saidIn).filter((each) => !own.includes(each));
        expect(seen.sort()).toEqual(recorded.sort());
        expect(seen.length).toBeGreaterThan(0);
        for (const record of let_through) {
          expect([record, unaccounted(record, log, revoked)]).toEqual([record, undefined]);
          rules.add(record.rule.split('.')[0]);
        }
        // The log without its answers accounts for nothing.
        const silent = log.filter(({ event }) => event !== 'consent.answer');
        for (const record of let_through) expect(unaccounted(record, silent, revoked)).toBeDefined();
      },
    ),
    { numRuns, examples: [ordinary], endOnFailure: true },
  );
  expect([...rules].sort()).toEqual(['consent', 'grant', 'policy']);
});
