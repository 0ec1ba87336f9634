import { expect, test } from 'vitest';
import { chooseSandbox } from '../../../src/sandbox/choose.ts';
import type { Finding } from '../../../src/sandbox/probe.ts';

const ok: Finding = { layer: 'bubblewrap', state: 'ok', detail: 'version 0.8.0' };
const forbidden: Finding = { layer: 'user namespace', state: 'missing', detail: 'Permission denied' };
const alone: Finding = { layer: 'egress network', state: 'weak', detail: 'no "nsenter"' };
const unlimited: Finding = { layer: 'limit on memory', state: 'missing', detail: 'nobody holds it' };

test.each([
  ['all layers are there', 1000, 7, 'x64', [ok], 'bubblewrap'],
  ['only a limit is missing', 1000, 7, 'x64', [ok, unlimited], 'bubblewrap'],
  ['only hosts cannot be reached', 1000, 7, 'x64', [ok, alone], 'bubblewrap'],
  ['user namespaces are forbidden', 1000, 7, 'x64', [ok, forbidden], 'landlock'],
  ['they are, and the user is root', 0, 7, 'x64', [ok, forbidden], 'bubblewrap'],
  ['they are, and Landlock is too old', 1000, 2, 'x64', [ok, forbidden], 'bubblewrap'],
  ['they are, and there is no system call filter', 1000, 7, undefined, [ok, forbidden], 'bubblewrap'],
] as const)('where %s the sandbox is made by %#', (_what, uid, landlock, architecture, tried, kind) => {
  expect(chooseSandbox({ uid, landlock, architecture }, tried)).toBe(kind);
});
