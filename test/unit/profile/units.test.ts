import { expect, test } from 'vitest';
import { formatDuration, formatSize, parseDuration, parseSize } from '../../../src/profile/units.ts';

test('durations and sizes are a whole number and a unit', () => {
  expect(parseDuration('15m')).toBe(900_000);
  expect(parseDuration('1500ms')).toBe(1500);
  expect(parseDuration('0s')).toBe(0);
  expect(parseDuration('2d')).toBe(172_800_000);
  expect(parseSize('64MiB')).toBe(67_108_864);
  expect(parseSize('64MB')).toBe(64_000_000);
  expect(parseSize('0B')).toBe(0);
});

test.each(['', '15', 'm', '15 m', '-1m', '1.5h', '1e3s', '015m', '15M', '15min', '999999999999d', '١m'])(
  'the duration %j is refused',
  (text) => {
    expect(parseDuration(text)).toBeUndefined();
  },
);

test.each(['', '64', '64mib', '64 MiB', '-1B', '0x10B', '64M', '999999999999GiB'])(
  'the size %j is refused',
  (text) => {
    expect(parseSize(text)).toBeUndefined();
  },
);

test('a formatted number reads back as the same number', () => {
  for (const value of [0, 1, 999, 1000, 1024, 60_000, 90_000, 900_000, 3_600_000, 67_108_864, 123_456_789]) {
    expect(parseDuration(formatDuration(value))).toBe(value);
    expect(parseSize(formatSize(value))).toBe(value);
  }
  expect(formatDuration(900_000)).toBe('15m');
  expect(formatSize(536_870_912)).toBe('512MiB');
});
