import { expect, test } from 'vitest';
import { waitBeforeRetry } from '../../../../src/remote/transport/follow-stream.ts';

test('the wait is what the server said, at least; each failure doubles it, up to a minute; jitter only adds', () => {
  expect(waitBeforeRetry(undefined, 0, 0)).toBe(1000);
  expect(waitBeforeRetry(500, 0, 0)).toBe(500);
  expect(waitBeforeRetry(500, 0, 1)).toBe(600);
  expect(waitBeforeRetry(0, 0, 0)).toBe(100);
  expect([1, 2, 3, 4].map((failures) => waitBeforeRetry(500, failures, 0))).toEqual([1000, 2000, 4000, 8000]);
  expect(waitBeforeRetry(5000, 1, 0)).toBe(5000);
  expect(waitBeforeRetry(undefined, 100, 0)).toBe(60_000);
  expect(waitBeforeRetry(999_999_999_999, 0, 0)).toBe(600_000);
});
