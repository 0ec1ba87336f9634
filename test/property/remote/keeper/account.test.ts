// Random interleavings of sessions of several daemons, faults and kills against a server with strict rotation: no family of
// tokens is lost but by what nobody could prevent, no two refreshes are under way, and what is stored never gets older.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { WarderError } from '../../../../src/errors.ts';
import {
  ageOf,
  Daemon,
  type Fault,
  GOING_ON,
  ModelServer,
  ModelStore,
  type Step,
  signedIn,
  Time,
} from '../../../fixtures/remote/keeper-model.ts';

const RUNS = process.env.SLOW === undefined ? 100 : 3000;
/** A store that refuses new tokens is tried again after seconds. */
const TIME = process.env.SLOW === undefined ? 60_000 : 3_600_000;

type Event =
  | { readonly kind: 'call'; readonly daemon: number }
  | { readonly kind: 'expire' }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'fault'; readonly fault: Fault }
  | { readonly kind: 'store'; readonly on: 'read' | 'write' }
  | { readonly kind: 'kill'; readonly daemon: number };

const DAEMONS = 3;
const daemonAt = fc.nat(DAEMONS - 1);
const call = fc.record({ kind: fc.constant('call' as const), daemon: daemonAt });
const calm: fc.Arbitrary<Event> = fc.oneof(
  { arbitrary: call, weight: 6 },
  { arbitrary: fc.record({ kind: fc.constant('expire' as const) }), weight: 2 },
  { arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(400_000) }), weight: 2 },
  {
    arbitrary: fc.record({
      kind: fc.constant('fault' as const),
      fault: fc.constantFrom<Fault[]>('request', 'busy'),
    }),
    weight: 1,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant('store' as const),
      on: fc.constantFrom('read' as const, 'write' as const),
    }),
    weight: 1,
  },
);
const rough: fc.Arbitrary<Event> = fc.oneof(
  { arbitrary: calm, weight: 8 },
  {
    arbitrary: fc.record({ kind: fc.constant('fault' as const), fault: fc.constant<Fault>('answer') }),
    weight: 1,
  },
  { arbitrary: fc.record({ kind: fc.constant('kill' as const), daemon: daemonAt }), weight: 1 },
);

/** Plays events; each call is one of a session, and all go on at once. */
async function play(scheduler: fc.Scheduler, events: readonly Event[]) {
  const time = new Time();
  const server = new ModelServer(time);
  const store = new ModelStore();
  store.put({ ...signedIn(server), serial: 1 });
  // The scheduler decides who goes on.
  const step: Step = (what) => scheduler.schedule(Promise.resolve(), what);
  const daemons = Array.from({ length: DAEMONS }, () => new Daemon({ server, store, time, step }));
  const all = [...daemons];
  const seen: string[] = [];
  const errors: unknown[] = [];
  const send = async (daemon: Daemon): Promise<void> => {
    try {
      for (let attempt = 1; attempt <= 3; attempt++) {
        const token = (await daemon.account.current(GOING_ON))?.tokens?.accessToken;
        if (token === undefined) return;
        // Stored before use.
        expect(store.history.some(({ tokens }) => tokens?.accessToken === token)).toBe(true);
        seen.push(token);
        await step('sent');
        if (server.takes(token)) return;
        if (attempt > 1) daemon.account.rejectNew(token);
        else await daemon.account.refused(token, GOING_ON);
      }
    } catch (error) {
      errors.push(error);
    }
  };
  const sending: { readonly daemon: Daemon; readonly done: Promise<void> }[] = [];
  for (const event of events) {
    switch (event.kind) {
      case 'call': {
        const daemon = daemons[event.daemon]!;
        sending.push({ daemon, done: send(daemon) });
        break;
      }
      case 'expire':
        server.expire();
        break;
      case 'pass':
        time.pass(event.ms);
        break;
      case 'fault':
        server.faults.push(event.fault);
        break;
      case 'store':
        store.faults.push({ on: event.on, error: new WarderError('keychain-locked', 'locked') });
        break;
      case 'kill':
        daemons[event.daemon]?.kill();
        daemons[event.daemon] = new Daemon({ server, store, time, step });
        all.push(daemons[event.daemon]!);
        break;
    }
    // Some of what is under way goes on before the next.
    await scheduler.waitNext(Math.min(2, scheduler.count()));
  }
  await scheduler.waitFor(
    Promise.all(sending.map(({ daemon, done }) => Promise.race([done, daemon.killed]))).then(() => undefined),
  );
  return { server, store, time, daemons, all, errors, step };
}

function checkOrder({ history }: ModelStore): void {
  const ages = history.map(({ tokens }) => ageOf(tokens?.refreshToken)).filter((age) => age > 0);
  expect(ages).toEqual([...ages].sort((one, other) => one - other));
  const serials = history.map(({ serial }) => serial);
  expect(serials).toEqual([...serials].sort((one, other) => one - other));
}

async function end({
  all,
  step: _step,
}: {
  readonly all: readonly Daemon[];
  readonly step: Step;
}): Promise<void> {
  for (const { account, isDead } of all) if (!isDead) void account[Symbol.asyncDispose]();
}

test(
  'W-AUTH-36 no family is lost: sessions of three daemons, a server that is slow, busy or away, a store that refuses',
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(calm, { minLength: 4, maxLength: 30 }),
        async (scheduler, events) => {
          const played = await play(scheduler, events);
          const { server, store, errors } = played;
          expect(server.replays).toBe(0);
          expect(server.most).toBeLessThanOrEqual(1);
          checkOrder(store);
          for (const error of errors)
            expect(['remote-unreachable', 'keychain-locked', 'sign-in-failed']).toContain(
              (error as WarderError).code,
            );
          expect(store.history.every(({ ended }) => ended === undefined)).toBe(true);
          expect(server.lives(store.history.at(-1)?.tokens?.refreshToken ?? '')).toBe(true);
          await end(played);
        },
      ),
      { numRuns: RUNS },
    );
  },
  TIME,
);

test(
  'W-AUTH-36 kills and lost answers: at most the one family is lost, and it is said once',
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(rough, { minLength: 4, maxLength: 30 }),
        async (scheduler, events) => {
          const played = await play(scheduler, events);
          const { server, store } = played;
          const losses = events.filter(
            (event) => event.kind === 'kill' || (event.kind === 'fault' && event.fault === 'answer'),
          ).length;
          // A spent token is sent again only where its answer was lost, and once.
          expect(server.replays).toBeLessThanOrEqual(losses === 0 ? 0 : 1);
          expect(server.most).toBeLessThanOrEqual(1 + losses);
          checkOrder(store);
          const ended = store.history.filter((record) => record.ended !== undefined);
          for (const record of ended) expect(record.ended).toBe('interrupted');
          await end(played);
        },
      ),
      { numRuns: RUNS },
    );
  },
  TIME,
);
