import { expect, test } from 'vitest';
import type { FromThread } from '../../../../src/egress/thread/protocol.ts';
import { SessionUses } from '../../../../src/egress/thread/session-uses.ts';

test('the gates of a session count together, and the main thread is told; others have counts of their own [W-SEAL-5]', () => {
  const told: FromThread[] = [];
  const uses = new SessionUses((message) => told.push(message));
  const first = uses.open(1, 'a', [['TOKEN', 2]]);
  const second = uses.open(2, 'a', [['TOKEN', 0]]);
  const other = uses.open(3, 'b', []);
  first.set('TOKEN', 3);
  expect([first, second, other].map((one) => one.get('TOKEN'))).toEqual([3, 3, undefined]);
  expect(told).toEqual([{ type: 'used', gate: 1, variable: 'TOKEN', count: 3 }]);
});

test('counts stay until the main thread has them: what it opens before that it opens with older ones [W-SEAL-5]', () => {
  const uses = new SessionUses(() => {});
  uses.open(1, 'a', []).set('TOKEN', 1);
  // Gate 1 is closed, and the main thread does not know it yet.
  expect(uses.open(2, 'a', []).get('TOKEN')).toBe(1);
  uses.settled(1);
  uses.settled(1);
  expect(uses.open(3, 'a', []).get('TOKEN')).toBe(1);
  uses.settled(2);
  uses.settled(3);
  uses.settled(4);
  expect(uses.open(5, 'a', [['TOKEN', 4]]).get('TOKEN')).toBe(4);
});
