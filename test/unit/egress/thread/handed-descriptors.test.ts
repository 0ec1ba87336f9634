import { expect, test } from 'vitest';
import { HandedDescriptors } from '../../../../src/egress/thread/handed-descriptors.ts';

function handed(): { closed: number[]; taken: Int32Array<SharedArrayBuffer>; all: HandedDescriptors } {
  const closed: number[] = [];
  const taken = new Int32Array(new SharedArrayBuffer(4));
  return { closed, taken, all: new HandedDescriptors(taken, (descriptor) => closed.push(descriptor)) };
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
