// What counts as a layer of a sandbox, by what the kernel reports of a process.
import { expect, test } from 'vitest';
import { environmentLayers, hasOwnEnvironment, hasOwnFilter } from '../../../src/sandbox/layers.ts';

const status = (mode: number, filters?: number): string =>
  `Name:\tnode\nNoNewPrivs:\t1\nSeccomp:\t${mode}\n${filters === undefined ? '' : `Seccomp_filters:\t${filters}\n`}Threads:\t1\n`;

test.each([
  ['no filter', status(0, 0), status(0, 0), false],
  ['a filter of its own', status(2, 1), status(0, 0), true],
  ['only the one that Warder has', status(2, 1), status(2, 1), false],
  ['one more than Warder', status(2, 3), status(2, 2), true],
  ['a filter that the kernel does not count', status(2), status(0), true],
  ['the same, where Warder has one too', status(2), status(2), false],
  ['the strict mode', status(1, 0), status(0, 0), false],
])('W-BOX-19 system calls: %s', (_, theirs, own, expected) => {
  expect(hasOwnFilter(theirs, own)).toBe(expected);
});

test('W-BOX-19 the environment is measured at the process', () => {
  const variables = Object.entries(process.env);
  const [first] = variables;
  expect(hasOwnEnvironment(process.pid, {}, { WARDER_TEST_NOWHERE: 'x' })).toBe(true);
  expect(hasOwnEnvironment(process.pid, {}, { [first?.[0] ?? '']: 'another value' })).toBe(true);
  expect(environmentLayers(2 ** 30, {})).toEqual([]);
});
