import { expect, test } from 'vitest';
import { chooseSandbox, weakerFindings } from '../../../src/sandbox/choose.ts';
import type { Finding } from '../../../src/sandbox/probe.ts';

const ok: Finding = { layer: 'bubblewrap', state: 'ok', detail: 'version 0.8.0' };
const forbidden: Finding = { layer: 'user namespace', state: 'missing', detail: 'Permission denied' };
const noNetwork: Finding = { layer: 'egress network', state: 'weak', detail: 'no "nsenter"' };
const unlimited: Finding = { layer: 'limit on memory', state: 'missing', detail: 'not enforced' };

test.each([
  ['all layers work', 1000, 7, 'x64', [ok], 'bubblewrap'],
  ['only a limit is missing', 1000, 7, 'x64', [ok, unlimited], 'bubblewrap'],
  ['only hosts cannot be reached', 1000, 7, 'x64', [ok, noNetwork], 'bubblewrap'],
  ['user namespaces are forbidden', 1000, 7, 'x64', [ok, forbidden], 'landlock'],
  ['they are forbidden and the user is root', 0, 7, 'x64', [ok, forbidden], 'bubblewrap'],
  ['they are forbidden and Landlock is too old', 1000, 2, 'x64', [ok, forbidden], 'bubblewrap'],
  [
    'they are forbidden and there is no system call filter',
    1000,
    7,
    undefined,
    [ok, forbidden],
    'bubblewrap',
  ],
] as const)('if %s the right sandbox is chosen', (_what, uid, landlock, architecture, tried, kind) => {
  expect(chooseSandbox({ uid, landlock, architecture }, tried)).toBe(kind);
});

test('W-BOX-23 doctor says what the weaker sandbox does not bound', () => {
  expect(weakerFindings('bubblewrap')).toEqual([]);
  const [{ state, detail } = { state: 'ok', detail: '' }] = weakerFindings('landlock');
  expect(state).toBe('weak');
  for (const what of ['shared memory', 'how many processes', 'private folders', 'outlive', 'signal'])
    expect(detail).toContain(what);
});
