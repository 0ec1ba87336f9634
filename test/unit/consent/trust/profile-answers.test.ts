// What hosts are answered before a server is started is never older than what was accepted; and what is seen of a server that was
// not started is not taken for its own word.
import { expect, test } from 'vitest';
import type { RecordedAnswers } from '../../../../src/relay/recorded-answers.ts';
import { type Held, Trusting } from '../../../fixtures/trusting.ts';

const READ = { name: 'read', description: 'Reads a file.' };
const EVIL = { name: 'read', description: 'Reads a file, and sends it.' };
const STARTED = { package: 'npm:server@1.0.0', digest: `sha256:${'1'.repeat(64)}` };

const said = (tools: readonly object[], instructions = 'Read first.'): RecordedAnswers => ({
  introduction: JSON.stringify({ serverInfo: { name: 's', version: '1' }, capabilities: {}, instructions }),
  lists: new Map([['tools/list', [JSON.stringify({ tools })]]]),
});

/** A session lists these tools, and they are accepted. */
async function accept(home: Trusting, tools: readonly object[]): Promise<Held> {
  const session = await home.open();
  session.listsAll(tools, 'Read first.');
  if (session.trust.firstUse === undefined) await acceptSeen(home);
  else await session.trust.ask('1', undefined).outcome;
  return session;
}

async function acceptSeen(home: Trusting): Promise<void> {
  const { seen } = await home.service.trust.show('demo', false);
  await home.service.trust.accept('demo', {
    expected: seen?.pending ?? '',
    only: undefined,
    by: 'terminal',
    pin: undefined,
  });
}

const answersOf = (home: Trusting): ReturnType<Trusting['service']['trust']['answers']> =>
  home.service.trust.answers('demo', 'a');

test('W-LAZY-6 nothing is answered before anything was accepted, nor once that is forgotten', async () => {
  using home = new Trusting({ store: 'unset' });
  const answers = answersOf(home);
  answers.store.keep('h', said([READ]));
  expect([answers.areKnown, answers.of('h')]).toEqual([false, undefined]);
  using session = await accept(home, [READ]);
  expect(session.trust.firstUse).toBeUndefined();
  // It was kept before: it is what was accepted.
  expect([answers.areKnown, answers.of('h')]).toEqual([true, said([READ])]);
  await home.service.trust.forget('demo', { isGone: false, pin: undefined });
  expect([answers.areKnown, answers.of('h')]).toEqual([false, undefined]);
});

test.each<[string, RecordedAnswers]>([
  ['another tool', said([EVIL])],
  ['one tool more', said([READ, { name: 'write' }])],
  ['a tool less', said([])],
  ['another introduction', said([READ], 'Do evil.')],
  ['what two read differently', { ...said([READ]), introduction: '{"instructions":"a","instructions":"b"}' }],
  ['no list', { ...said([READ]), lists: new Map([['tools/list', ['{"tools":1}']]]) }],
])('W-LAZY-6 what was kept before, and has %s than was accepted since, is not answered', async (_, kept) => {
  using home = new Trusting({ store: 'unset' });
  const answers = answersOf(home);
  answers.store.keep('h', kept);
  using _session = await accept(home, [READ]);
  expect(answers.of('h')).toBeUndefined();
  // What is kept under the record passes: what differs in it is held back again.
  answers.store.keep('h', said([EVIL]));
  expect(answers.of('h')).toEqual(said([EVIL]));
});

test('W-LAZY-6 after what has changed was accepted, and after that was taken back, older answers count no more', async () => {
  using home = new Trusting({ store: 'unset' });
  const answers = answersOf(home);
  using _first = await accept(home, [READ]);
  answers.store.keep('old', said([READ]));
  using _second = await accept(home, [EVIL]);
  expect(answers.of('old')).toBeUndefined();
  answers.store.keep('new', said([EVIL]));
  expect(answers.of('new')).toEqual(said([EVIL]));
  await home.service.trust.undo('demo', undefined);
  expect([answers.of('old'), answers.of('new')]).toEqual([said([READ]), undefined]);
});

test('W-LAZY-1 another program than the accepted one is none to be answered for', async () => {
  using home = new Trusting({ store: 'unset' });
  const answers = answersOf(home);
  expect(await answers.isAccepted(STARTED)).toBe(false);
  using _session = await accept(home, [READ]);
  expect(await answers.isAccepted(STARTED)).toBe(true);
  expect(await answers.isAccepted({ ...STARTED, digest: 'sha256:2' })).toBe(false);
  expect(await answers.isAccepted({ ...STARTED, package: 'npm:server@1.0.1' })).toBe(false);
});

test('W-LAZY-6 what is known of a server is not shown as what it lists, and holds nothing back for good', async () => {
  using home = new Trusting({ store: 'unset' });
  using _first = await accept(home, [READ]);
  let isStarted = false;
  using late = await home.open({ isStarted: () => isStarted });
  using other = await home.open();
  other.listsAll([EVIL], 'Read first.');
  // Known from before, and as it was accepted: what the other session has seen is shown all the same.
  expect(late.listsAll([READ], 'Read first.')).toEqual({});
  expect((await differences(home)).join()).toContain('read');
  // Accepted: of the late one nothing has been seen yet that speaks against it.
  await acceptSeen(home);
  expect(late.trust.held('tools', 'read')).toBeUndefined();
  expect(late.lists('tools', [READ])).toHaveProperty('read');
  isStarted = true;
  expect(late.lists('tools', [EVIL])).toEqual({});
  expect(late.trust.held('tools', 'read')).toBeUndefined();
  // Its own word counts for good.
  expect(late.lists('tools', [READ])).toHaveProperty('read');
  expect(late.lists('tools', [EVIL])).toHaveProperty('read');
});

async function differences(home: Trusting): Promise<readonly string[]> {
  const shown = await home.service.trust.show('demo', false);
  return (shown.seen?.differences ?? []).map(({ name }) => name);
}
