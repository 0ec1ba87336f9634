import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Answer } from '../../../../src/consent/questions/answer.ts';
import { Broker, type BrokerOptions } from '../../../../src/consent/questions/broker.ts';
import type { Question } from '../../../../src/consent/questions/question.ts';
import type { Way } from '../../../../src/consent/questions/way.ts';
import type { Grant, GrantSubject } from '../../../../src/consent/store/grants.ts';
import type { WayName } from '../../../../src/profile/settings.ts';
import { makeQuestion } from '../../../fixtures/question.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const subject: GrantSubject = {
  session: 's',
  host: '/usr/bin/host',
  profile: 'github',
  server: 'v1',
  kind: 'tools',
  name: 'create_issue',
  definition: 'd',
  arguments: 'a',
};
const about = makeQuestion({
  arguments: '{}',
  reach: { network: [], read: [], write: [], sandbox: 'on', credentials: [] },
});
const YES: Answer = { decision: 'allow', scope: 'once', extent: 'arguments' };
const NO: Answer = { decision: 'deny', scope: 'once', extent: 'arguments' };

/** A way that a test answers. */
class TestWay implements Way {
  readonly name: WayName;
  readonly asked: Question[] = [];
  withdrawn = 0;
  #answer: ((answer: Answer | 'nobody') => void) | undefined;

  constructor(name: WayName) {
    this.name = name;
  }

  ask(question: Question, signal: AbortSignal): Promise<Answer | 'nobody'> {
    this.asked.push(question);
    signal.addEventListener('abort', () => this.withdrawn++);
    return new Promise((resolve) => {
      this.#answer = resolve;
    });
  }

  async answer(answer: Answer | 'nobody'): Promise<void> {
    this.#answer?.(answer);
    await vi.advanceTimersByTimeAsync(0);
  }
}

function make(options: Partial<BrokerOptions> = {}) {
  const records: string[] = [];
  const grants: Grant[] = [];
  const broker = new Broker({
    ways: [],
    order: ['desktop', 'pinentry'],
    timeout: 120_000,
    rate: 20,
    records: {
      asked: ({ id }) => records.push(`asked ${id}`) > 0,
      answered: ({ id }, _, { decision, rule }, by) => records.push(`${decision} ${id} ${rule} ${by}`) > 0,
    },
    grant: (_, { decision }, by) => {
      const grant = { ...subject, id: '0a0b0c0d', made: '', by, decision } as unknown as Grant;
      grants.push(grant);
      return grant;
    },
    clock: { now: () => Date.now(), monotonic: () => Date.now() },
    log: { debug() {}, info() {}, warn() {}, error() {} },
    ...options,
  });
  const ask = (over: Partial<GrantSubject> = {}) =>
    broker.ask({ subject: { ...subject, ...over }, question: about, dialog: undefined });
  return { broker, ask, records, grants };
}

test('W-CONS-5 where nobody is there, the answer is no at once, and says what the user can do', async () => {
  const { ask, records } = make();
  const outcome = await ask().outcome;
  expect(outcome).toMatchObject({ decision: 'deny', rule: 'consent.nobody' });
  expect(outcome.reason).toContain('warder approvals --watch');
  expect(records).toEqual([]);
});

describe('W-CONS-4 the first answer counts', () => {
  test('of a way, and those that watch have nothing more to answer', async () => {
    const way = new TestWay('desktop');
    const { broker, ask, records } = make({ ways: [way] });
    const asking = ask();
    const [question] = broker.questions;
    await way.answer(YES);
    expect(await asking.outcome).toMatchObject({
      decision: 'allow',
      rule: `consent.${question?.id}`,
      reason: undefined,
    });
    expect(broker.answer(question?.id ?? '', NO, 'terminal', 1)).toBe(false);
    expect(records).toEqual([
      `asked ${question?.id}`,
      `allow ${question?.id} consent.${question?.id} desktop`,
    ]);
  });

  test('of those that watch, and the way is withdrawn', async () => {
    const way = new TestWay('desktop');
    const { broker, ask } = make({ ways: [way] });
    const asking = ask();
    expect(broker.answer(broker.questions[0]?.id ?? '', NO, 'terminal', 1)).toBe(true);
    expect(await asking.outcome).toMatchObject({ decision: 'deny' });
    expect(way.withdrawn).toBe(1);
    await way.answer(YES);
    expect((await asking.outcome).decision).toBe('deny');
  });
});

test('a way that finds nobody is followed by the next, and nobody at all is a no', async () => {
  const ways = [new TestWay('desktop'), new TestWay('pinentry')] as const;
  const { ask } = make({ ways });
  const asking = ask();
  expect(ways[1].asked).toEqual([]);
  await ways[0].answer('nobody');
  expect(ways[1].asked).toHaveLength(1);
  await ways[1].answer('nobody');
  expect(await asking.outcome).toMatchObject({ rule: 'consent.nobody' });
});

test('a way that fails is one that finds nobody', async () => {
  const way: Way = { name: 'desktop', ask: () => Promise.reject(new Error('no bus')) };
  const { ask } = make({ ways: [way] });
  expect(await ask().outcome).toMatchObject({ rule: 'consent.nobody' });
});

test('the dialog of the host stands where the user has put it', async () => {
  const [desktop, dialog] = [new TestWay('desktop'), new TestWay('host')];
  const { broker } = make({ ways: [desktop], order: ['host', 'desktop'] });
  void broker.ask({ subject, question: about, dialog });
  expect(dialog.asked).toHaveLength(1);
  expect(desktop.asked).toHaveLength(0);
  const { broker: without } = make({ ways: [desktop], order: ['desktop'] });
  void without.ask({ subject, question: about, dialog });
  expect(desktop.asked).toHaveLength(1);
  expect(dialog.asked).toHaveLength(1);
});

test('while somebody watches in a terminal, the ways after it wait, and are tried when nobody does any more', async () => {
  const [desktop, pinentry] = [new TestWay('desktop'), new TestWay('pinentry')];
  const { broker, ask } = make({
    ways: [pinentry, desktop],
    order: ['desktop', 'terminal', 'pinentry'],
  });
  const unwatch = broker.watch();
  const asking = ask();
  await desktop.answer('nobody');
  await vi.advanceTimersByTimeAsync(60_000);
  expect(pinentry.asked).toHaveLength(0);
  unwatch();
  await vi.advanceTimersByTimeAsync(4000);
  expect(pinentry.asked).toHaveLength(1);
  await pinentry.answer(YES);
  expect((await asking.outcome).decision).toBe('allow');
});

test('W-CONS-5 a way that cannot be used is not waited for: nothing is asked, and nothing counts against the rate', async () => {
  const way = Object.assign(new TestWay('desktop'), { isPossible: () => false });
  const { ask, records } = make({ ways: [way], rate: 1 });
  for (let turn = 0; turn < 3; turn++) expect(await ask().outcome).toMatchObject({ rule: 'consent.nobody' });
  expect(records).toEqual([]);
});

test('W-CONS-5 after the time that is set the answer is no', async () => {
  const way = new TestWay('desktop');
  const { ask, broker } = make({ ways: [way], timeout: 5000 });
  const asking = ask();
  await vi.advanceTimersByTimeAsync(5000);
  expect(await asking.outcome).toMatchObject({ decision: 'deny', rule: 'consent.timeout' });
  expect(way.withdrawn).toBe(1);
  expect(broker.questions).toEqual([]);
});

test('alike questions are one, other arguments, hosts and sessions are others', async () => {
  const way = new TestWay('desktop');
  const { broker, ask } = make({ ways: [way] });
  const both = [ask(), ask()];
  expect(broker.questions).toMatchObject([{ calls: 2 }]);
  for (const over of [{ arguments: 'b' }, { host: 'other' }, { session: 't' }, { definition: 'e' }])
    ask(over);
  expect(broker.questions).toHaveLength(5);
  broker.answer(broker.questions[0]?.id ?? '', YES, 'terminal', 2);
  expect(await Promise.all(both.map(({ outcome }) => outcome))).toMatchObject([
    { decision: 'allow' },
    { decision: 'allow' },
  ]);
  expect(broker.questions).toHaveLength(4);
});

test('W-CONS-44 a yes once is for as many calls as were shown, in their order; the rest is asked about again', async () => {
  const { broker, ask, records } = make({ ways: [new TestWay('desktop')] });
  const [one, two, three] = [ask(), ask(), ask()];
  const [first] = broker.questions;
  broker.answer(first?.id ?? '', YES, 'terminal', 1);
  expect(await one.outcome).toMatchObject({ decision: 'allow', rule: `consent.${first?.id}` });
  const [second] = broker.questions;
  expect(second?.id).not.toBe(first?.id);
  expect(broker.questions).toMatchObject([{ calls: 2 }]);
  expect(records).toEqual([
    `asked ${first?.id}`,
    `allow ${first?.id} consent.${first?.id} terminal`,
    `asked ${second?.id}`,
  ]);
  two.withdraw();
  expect(broker.questions).toMatchObject([{ calls: 1 }]);
  broker.answer(second?.id ?? '', NO, 'terminal', 1);
  expect(await three.outcome).toMatchObject({ decision: 'deny' });
  expect(await two.outcome).toMatchObject({ rule: 'consent.withdrawn' });
});

test('W-CONS-44 a no, and a yes for longer, are for all that wait', async () => {
  for (const given of [NO, { ...YES, scope: 'session' }] as const) {
    const { broker, ask } = make({ ways: [new TestWay('desktop')] });
    const both = [ask(), ask()];
    broker.answer(broker.questions[0]?.id ?? '', given, 'terminal', 1);
    for (const { outcome } of both) expect((await outcome).decision).toBe(given.decision);
    expect(broker.questions).toEqual([]);
  }
});

test('W-CONS-44 what a way has shown counts, not what came while it was shown', async () => {
  const way = new TestWay('desktop');
  const { broker, ask } = make({ ways: [way] });
  const one = ask();
  ask();
  await way.answer(YES);
  expect(await one.outcome).toMatchObject({ decision: 'allow' });
  expect(broker.questions).toMatchObject([{ calls: 1 }]);
});

test('W-CONS-44 the rest is under the rate too', async () => {
  const { broker, ask } = make({ ways: [new TestWay('desktop')], rate: 1 });
  const [, two] = [ask(), ask()];
  broker.answer(broker.questions[0]?.id ?? '', YES, 'terminal', 1);
  expect(await two?.outcome).toMatchObject({ rule: 'consent.rate' });
});

test('a question that nobody waits for any more is withdrawn', async () => {
  const way = new TestWay('desktop');
  const { broker, ask, records } = make({ ways: [way] });
  const [one, two] = [ask(), ask()];
  one.withdraw();
  expect(await one.outcome).toMatchObject({ rule: 'consent.withdrawn' });
  expect(broker.questions).toHaveLength(1);
  two.withdraw();
  expect(broker.questions).toHaveLength(0);
  expect(way.withdrawn).toBe(1);
  expect(records.at(-1)).toContain('consent.withdrawn nobody');
});

test('W-CONS-6 a thousand questions in a second are as many as are set, and the rest are denied', async () => {
  const { broker, ask } = make({ rate: 20 });
  broker.watch();
  const outcomes = Array.from({ length: 1000 }, (_, i) => ask({ arguments: String(i) }).outcome);
  expect(broker.questions).toHaveLength(20);
  expect(await outcomes[999]).toMatchObject({ decision: 'deny', rule: 'consent.rate' });
  // Another host is not held up by it.
  ask({ host: 'other' });
  expect(broker.questions).toHaveLength(21);
  await vi.advanceTimersByTimeAsync(60_001);
  ask({ arguments: 'later' });
  expect(broker.questions).toHaveLength(22);
});

test('W-CONS-1 what cannot be recorded is not asked, and an answer that cannot be allows nothing', async () => {
  const way = new TestWay('desktop');
  const quiet = { asked: () => false, answered: () => true };
  const first = make({ ways: [way], records: quiet });
  expect(await first.ask().outcome).toMatchObject({ decision: 'deny', rule: 'consent.unrecorded' });
  expect(way.asked).toEqual([]);
  const second = make({ ways: [way], records: { asked: () => true, answered: () => false } });
  const asking = second.ask();
  await way.answer(YES);
  expect(await asking.outcome).toMatchObject({ decision: 'deny', rule: 'consent.unrecorded' });
});

test('an answer for more than the call is kept, and one that cannot be kept leaves the question open', async () => {
  const { broker, ask, grants } = make({ ways: [new TestWay('desktop')] });
  const asking = ask();
  const id = broker.questions[0]?.id ?? '';
  broker.answer(id, { ...YES, scope: 'session' }, 'terminal', 1);
  expect(await asking.outcome).toMatchObject({ rule: 'grant.0a0b0c0d' });
  expect(grants).toHaveLength(1);
  const full = make({
    ways: [new TestWay('desktop')],
    grant: () => {
      throw new Error('no store');
    },
  });
  full.ask();
  const open = full.broker.questions[0]?.id ?? '';
  expect(() => full.broker.answer(open, { ...YES, scope: 'always' }, 'terminal', 1)).toThrow('no store');
  expect(full.broker.questions).toHaveLength(1);
});

test('who watches is somebody; once nobody does, what no way shows is answered with no', async () => {
  const { broker, ask } = make();
  const leave = broker.watch();
  const asking = ask();
  await vi.advanceTimersByTimeAsync(1000);
  leave();
  await vi.advanceTimersByTimeAsync(1000);
  expect(broker.questions).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1001);
  expect(await asking.outcome).toMatchObject({ rule: 'consent.nobody' });
});

test('W-CONS-9 a yes of a way that proves no presence where it is needed counts as nobody, and the next way is asked', async () => {
  const [desktop, pinentry] = [new TestWay('desktop'), new TestWay('pinentry')];
  const { ask, records } = make({
    ways: [desktop, pinentry],
  });
  const asking = ask();
  await desktop.answer({ ...YES, scope: 'always' });
  expect(pinentry.asked).toHaveLength(1);
  await pinentry.answer(YES);
  expect((await asking.outcome).decision).toBe('allow');
  expect(records.at(-1)).toMatch(/pinentry$/);
});
