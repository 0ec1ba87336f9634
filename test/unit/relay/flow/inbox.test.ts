// Messages that come together: they are taken while there is time for them, the others in later turns, in their order.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Inbox } from '../../../../src/relay/flow/inbox.ts';

/** An inbox, the numbers of the lines that it has taken by turn, and the turns that wait. So many may be taken in a turn. */
function open(most: () => number) {
  const turns: number[][] = [[]];
  const later: (() => void)[] = [];
  const inbox = new Inbox<never>({
    slices: { run: () => {} },
    turns: {
      mayTake: () => (turns.at(-1)?.length ?? 0) < most(),
      later: (turn) => void later.push(turn),
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

test('W-RELAY-6 a piece with more messages than there is time for is taken in several turns', () => {
  const { inbox, turns, piece, next, later } = open(() => 16);
  piece(0, 40);
  expect(turns).toEqual([numbers(16)]);
  // It is to be read no further meanwhile.
  expect(inbox.isIdle).toBe(false);
  next();
  next();
  expect(turns.map(({ length }) => length)).toEqual([16, 16, 8]);
  expect(turns.flat()).toEqual(numbers(40));
  expect(inbox.isIdle).toBe(true);
  expect(later).toEqual([]);
});

test('all that there is time for is taken at once', () => {
  const { turns, piece, later } = open(() => Number.POSITIVE_INFINITY);
  piece(0, 400);
  expect(turns).toEqual([numbers(400)]);
  expect(later).toEqual([]);
});

test('W-RELAY-6 a turn that was waited for takes a message, however little time there is', () => {
  const { turns, piece, next } = open(() => 0);
  piece(0, 3);
  for (let turn = 0; turn < 3; turn++) next();
  expect(turns).toEqual([[], [0], [1], [2]]);
});

test('W-RELAY-6 whatever comes meanwhile, each message is taken once and in its order', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ count: fc.nat(60), most: fc.nat(80), turns: fc.nat(3) })), (pieces) => {
      let most = 0;
      const { turns, piece, next, later } = open(() => most);
      let first = 0;
      for (const { count, most: now, turns: between } of pieces) {
        most = now;
        piece(first, count);
        first += count;
        for (let turn = 0; turn < between; turn++) next();
      }
      while (later.length > 0) next();
      expect(turns.flat()).toEqual(numbers(first));
    }),
  );
});

test('what rests is given back when the session is over, and no later turn takes it', () => {
  const { inbox, turns, piece, next } = open(() => 16);
  piece(0, 20);
  expect(inbox.clear()).toHaveLength(4);
  expect(inbox.isIdle).toBe(true);
  next();
  expect(turns.flat()).toEqual(numbers(16));
});
