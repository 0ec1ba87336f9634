import { expect, test } from 'vitest';
import { HandedDescriptors } from '../../../../src/egress/thread/handed-descriptors.ts';

function handed() {
  const closed: number[] = [];
  /** What is open, by its descriptor. */
  const open = new Map<number, number>();
  const taken = new Int32Array(new SharedArrayBuffer(4));
  const all = new HandedDescriptors(taken, {
    close: (descriptor) => closed.push(descriptor),
    identify(descriptor) {
      const identity = open.get(descriptor);
      if (identity === undefined) throw new Error('it is not open');
      return identity;
    },
  });
  return { closed, open, taken, all };
}

test('when the thread ends, the descriptors that it has not taken are closed, and no other [W-EGR-19]', () => {
  const { closed, taken, all } = handed();
  for (const descriptor of [30, 31, 32]) all.add(descriptor);
  Atomics.add(taken, 0, 2);
  all.add(33);
  Atomics.add(taken, 0, 1);
  all.closeRest();
  expect(closed).toEqual([33]);
  all.closeRest();
  expect(closed).toEqual([33]);
});

test('of a thread that has taken all, none is closed: their numbers may be others by now [W-EGR-19]', () => {
  const { closed, taken, all } = handed();
  for (let descriptor = 30; descriptor < 1030; descriptor++) {
    all.add(descriptor);
    Atomics.add(taken, 0, 1);
  }
  all.closeRest();
  expect(closed).toEqual([]);
});

test('one that was taken, and got no stream before the thread ended, is closed; where its number is another by then, it is not [W-EGR-19]', () => {
  const leaked = handed();
  leaked.open.set(30, 1001).set(31, 1002);
  for (const descriptor of [30, 31]) leaked.all.add(descriptor);
  Atomics.add(leaked.taken, 0, 2);
  // The stream of the first one may be open still, where it ends later.
  leaked.all.closeRest();
  expect(leaked.closed).toEqual([31]);

  const reused = handed();
  reused.open.set(30, 1001);
  reused.all.add(30);
  Atomics.add(reused.taken, 0, 1);
  reused.open.set(30, 1003);
  reused.all.closeRest();
  expect(reused.closed).toEqual([]);

  const ended = handed();
  ended.open.set(30, 1001);
  ended.all.add(30);
  Atomics.add(ended.taken, 0, 1);
  ended.open.delete(30);
  ended.all.closeRest();
  expect(ended.closed).toEqual([]);
});
