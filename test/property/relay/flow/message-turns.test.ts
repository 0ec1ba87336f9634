// Between two looks for the input of others, sessions that flood take a bounded time, whatever their messages cost and whichever
// side sends them. The clock is the test's: it goes on by what each message takes.
import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { Inbox } from '../../../../src/relay/flow/inbox.ts';
import { MessageTurns, TURN_BESIDE_IDLE } from '../../../../src/relay/flow/message-turns.ts';
import { Guard } from '../../../../src/relay/guard.ts';
import { Neighbours, TURN } from '../../../../src/relay/neighbours.ts';
import { silentLog } from '../../../fixtures/gate.ts';

afterEach(() => void vi.unstubAllGlobals());

/** Sums of what the clock says differ from the true ones by this much. */
const ROUNDING = 1e-6;

interface Piece {
  /** What each of its messages takes, in milliseconds. */
  readonly costs: readonly number[];
}

/** A daemon with an event loop that goes on when the test says so. */
function daemon() {
  let now = 1e6;
  let immediates: (() => void)[] = [];
  vi.stubGlobal('setImmediate', (turn: () => void) => void immediates.push(turn));
  const clock = { now: () => now, monotonic: () => now };
  const neighbours = new Neighbours(clock);
  const taken: { session: number; ms: number }[] = [];

  function session(number: number) {
    const onFault = (): never => {
      throw new Error('a fault');
    };
    const guard = new Guard({
      session: `s${number}`,
      profile: 'p',
      clock,
      log: silentLog,
      neighbours,
      onFault,
    });
    const turns = new MessageTurns({
      clock,
      neighbours,
      session: guard,
      resume: (turn) => guard.run(turn),
    });
    const sides = [0, 1].map(() => {
      /** What the messages of the piece that is taken cost, by where they begin. */
      let costs: readonly number[] = [];
      const inbox = new Inbox<never>({
        slices: { run: () => {} },
        turns,
        inspect: () => {
          throw new Error('no line is long');
        },
        take: (_bytes, start) => {
          const ms = costs[start / 2] as number;
          now += ms;
          taken.push({ session: number, ms });
        },
        oversize: () => {},
      });
      return {
        /** Bytes have come: they are read if the side is read. */
        read(piece: Piece): boolean {
          if (!inbox.isIdle || piece.costs.length === 0) return false;
          costs = piece.costs;
          const bytes = Buffer.from('x\n'.repeat(costs.length));
          guard.run(() => {
            for (let at = 0; at < costs.length; at++) inbox.line(bytes, at * 2, at * 2 + 1);
          });
          return true;
        },
        isIdle: () => inbox.isIdle,
      };
    });
    return { sides, guard };
  }

  return {
    session,
    pass(ms: number) {
      now += ms;
    },
    /** The next turn of the loop. */
    next() {
      const due = immediates;
      immediates = [];
      for (const turn of due) turn();
    },
    takeTaken: () => taken.splice(0),
  };
}

const sum = (taken: readonly { ms: number }[]) => taken.reduce((all, { ms }) => all + ms, 0);
const cost = fc.double({ min: 0.001, max: 0.05, noNaN: true });
const piece = fc.record({ costs: fc.array(cost, { maxLength: 60 }) });

test('W-RELAY-6 beside a session that is at work a flood takes a bounded time in each turn of the loop, and all of it goes on', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(piece, piece), { minLength: 1, maxLength: 12 }), (rounds) => {
      const { session, next, takeTaken, pass } = daemon();
      const flood = session(1);
      const quiet = session(2);
      let given = 0;
      let got = 0;
      const turn = (pieces: readonly Piece[]): void => {
        // What was waiting goes on, then what has come is read, as libuv does it.
        next();
        quiet.guard.run(() => {});
        for (const [side, each] of pieces.entries())
          if (flood.sides[side]?.read(each) === true) given += each.costs.length;
        const taken = takeTaken();
        got += taken.length;
        const longest = Math.max(0, ...taken.map(({ ms }) => ms));
        expect(sum(taken)).toBeLessThanOrEqual(TURN + longest + ROUNDING);
        pass(0.01);
      };
      quiet.guard.run(() => {});
      for (const pieces of rounds) turn(pieces);
      while (flood.sides.some((side) => !side.isIdle())) turn([]);
      expect(got).toBe(given);
    }),
    { numRuns: 200 },
  );
});

test('W-RELAY-6 however many sessions flood, they take together what one may take', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 8 }), cost, (many, ms) => {
      const { session, next, takeTaken } = daemon();
      const floods = Array.from({ length: many }, (_, at) => session(at));
      const full = { costs: Array.from({ length: 100 }, () => ms) };
      const perTurn: number[] = [];
      const counts = new Map<number, number>();
      for (let turn = 0; turn < 400; turn++) {
        next();
        for (const { sides } of floods) for (const side of sides) side.read(full);
        const taken = takeTaken();
        for (const { session } of taken) counts.set(session, (counts.get(session) ?? 0) + 1);
        perTurn.push(sum(taken));
      }
      // Once each of them has had to wait for the first time. What a side took last counts when it takes more.
      const settled = perTurn.slice(5);
      expect(Math.max(...settled)).toBeLessThanOrEqual(TURN + (1 + 2 * many) * ms + ROUNDING);
      // And each gets at least a third of an equal share: where a message takes as long as a turn, one has two and others one.
      const shares = [...counts.values()];
      expect(shares).toHaveLength(many);
      const all = shares.reduce((sum, count) => sum + count, 0);
      expect(Math.min(...shares)).toBeGreaterThanOrEqual(all / many / 3);
    }),
    { numRuns: 100 },
  );
});

test('a session that is alone takes all at once, and one beside others that were lately at work takes half a millisecond', () => {
  const { session, takeTaken, pass, next } = daemon();
  const [flood, quiet] = [session(1), session(2)];
  const full = { costs: Array.from({ length: 1000 }, () => 0.01) };
  flood.sides[0]?.read(full);
  expect(takeTaken()).toHaveLength(1000);
  quiet.guard.run(() => {});
  pass(1000);
  next();
  flood.sides[0]?.read(full);
  expect(sum(takeTaken())).toBeCloseTo(TURN_BESIDE_IDLE);
  next();
  expect(sum(takeTaken())).toBeCloseTo(TURN_BESIDE_IDLE);
  pass(5000);
  // What waits is not waited with once nobody else is there.
  next();
  expect(takeTaken()).toHaveLength(900);
});

test('W-RELAY-6 a few messages at a time, as a quiet session has them, never wait', () => {
  const { session, takeTaken, next } = daemon();
  const [one, other] = [session(1), session(2)];
  for (let turn = 0; turn < 50; turn++) {
    for (const { sides } of [one, other]) for (const side of sides) side.read({ costs: [0.02] });
    expect(takeTaken()).toHaveLength(4);
    next();
  }
});
