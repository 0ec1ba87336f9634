// Many messages that come together: while other sessions have something to do, so many are taken in a turn, in their order.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Inbox, MOST_AT_ONCE } from '../../../../src/relay/flow/inbox.ts';

/** An inbox, the numbers of the lines that it has taken by turn, and the turns that wait. */
function open(isAlone: () => boolean) {
  const turns: number[][] = [[]];
  const later: (() => void)[] = [];
  const inbox = new Inbox<never>({
    slices: {
      get isAlone() {
        return isAlone();
      },
      later: (turn) => void later.push(turn),
      run: () => {},
    },
    inspect: () => {
      throw new Error('no line is long');
    },
    take: (bytes, start, end) => void turns.at(-1)?.push(Number(bytes.toString('latin1', start, end))),
    oversize: () => {},
  });
  return {
    inbox,
    turns,
    /** A piece with so many lines, which are numbered from `first` on. */
    piece(first: number, count: number) {
      const lines = Array.from({ length: count }, (_, at) => String(first + at).padStart(6, '0'));
      const bytes = Buffer.from(lines.join('\n'));
      for (let at = 0; at < count; at++) inbox.line(bytes, at * 7, at * 7 + 6);
    },
    /** Others have had their turn. */
    next() {
      turns.push([]);
      later.shift()?.();
    },
    later,
  };
}

const numbers = (count: number) => Array.from({ length: count }, (_, at) => at);

test('W-RELAY-6 while others are busy a piece with many messages is taken in several turns', () => {
  const { inbox, turns, piece, next, later } = open(() => false);
  piece(0, 40);
  expect(turns).toEqual([numbers(MOST_AT_ONCE)]);
  // It is to be read no further meanwhile.
  expect(inbox.isIdle).toBe(false);
  next();
  next();
  expect(turns.map(({ length }) => length)).toEqual([MOST_AT_ONCE, MOST_AT_ONCE, 40 - 2 * MOST_AT_ONCE]);
  expect(turns.flat()).toEqual(numbers(40));
  expect(inbox.isIdle).toBe(true);
  expect(later).toEqual([]);
});

test('one that is alone takes all at once, and few are never split', () => {
  const alone = open(() => true);
  alone.piece(0, 400);
  expect(alone.turns).toEqual([numbers(400)]);
  const busy = open(() => false);
  for (let first = 0; first < 160; first += MOST_AT_ONCE) busy.piece(first, MOST_AT_ONCE);
  expect(busy.turns).toEqual([numbers(160)]);
});

test('W-RELAY-6 whatever comes meanwhile, each message is taken once and in its order', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ count: fc.nat(60), alone: fc.boolean(), turns: fc.nat(3) })),
      (pieces) => {
        let isAlone = false;
        const { turns, piece, next, later } = open(() => isAlone);
        let first = 0;
        for (const { count, alone, turns: between } of pieces) {
          isAlone = alone;
          piece(first, count);
          first += count;
          for (let turn = 0; turn < between; turn++) next();
        }
        while (later.length > 0) next();
        expect(turns.flat()).toEqual(numbers(first));
      },
    ),
  );
});

test('what rests is given back when the session is over, and no later turn takes it', () => {
  const { inbox, turns, piece, next } = open(() => false);
  piece(0, 20);
  expect(inbox.clear()).toHaveLength(20 - MOST_AT_ONCE);
  expect(inbox.isIdle).toBe(true);
  next();
  expect(turns.flat()).toEqual(numbers(MOST_AT_ONCE));
});
