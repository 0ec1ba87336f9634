import { expect, test } from 'vitest';
import { EraVerdicts } from '../../../../src/remote/transport/verdicts.ts';

const DAY = 86_400_000;

test('a verdict is kept for a day at most; the last one counts', () => {
  let now = 0;
  const verdicts = new EraVerdicts({ now: () => 0, monotonic: () => now });
  verdicts.set('a', 'stateless');
  verdicts.set('b', 'sse');
  now = DAY - 1;
  expect(verdicts.get('a')).toBe('stateless');
  verdicts.set('b', 'session');
  expect(verdicts.get('b')).toBe('session');
  now = DAY;
  expect(verdicts.get('a')).toBeUndefined();
});
