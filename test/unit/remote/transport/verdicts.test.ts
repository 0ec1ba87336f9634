import { expect, test } from 'vitest';
import { EraVerdicts } from '../../../../src/remote/transport/verdicts.ts';

const DAY = 86_400_000;

test('a verdict is kept for a day at most, and may be forgotten before', () => {
  let now = 0;
  const verdicts = new EraVerdicts({ now: () => 0, monotonic: () => now });
  verdicts.set('a', 'stateless');
  verdicts.set('b', 'sse');
  now = DAY - 1;
  expect(verdicts.get('a')).toBe('stateless');
  verdicts.forget('b');
  expect(verdicts.get('b')).toBeUndefined();
  now = DAY;
  expect(verdicts.get('a')).toBeUndefined();
});
