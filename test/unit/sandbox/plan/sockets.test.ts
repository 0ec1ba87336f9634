import { expect, test } from 'vitest';
import { decideUnixSockets, socketPolicy } from '../../../../src/sandbox/plan/sockets.ts';

const folder = (path: string, implied = false) => ({ path, folder: true, implied });
const decide = (
  listed: readonly ReturnType<typeof folder>[],
  more: { foreignSocket?: string; unixSockets?: boolean } = {},
) => decideUnixSockets({ listed, foreignSocket: undefined, unixSockets: undefined, ...more });

test('W-BOX-8 Unix sockets of its own, where no folder of the user is listed', () => {
  expect(decide([])).toEqual({ allowed: 'own', because: undefined });
  expect(decide([folder('/home/me/server', true)])).toMatchObject({ allowed: 'own' });
  expect(decide([folder('/usr/share/dict')])).toMatchObject({ allowed: 'own' });
  expect(decide([{ path: '/home/me/settings.json', folder: false, implied: false }])).toMatchObject({
    allowed: 'own',
  });
});

test('W-BOX-8 none beside a listed folder, or a socket in a folder that the command needs', () => {
  expect(decide([folder('/home/me/project')])).toEqual({ allowed: 'none', because: '/home/me/project' });
  const nearby = { foreignSocket: '/home/me/server/tmp/puma.sock' };
  expect(decide([], nearby)).toEqual({ allowed: 'none', because: nearby.foreignSocket });
});

test('a profile can allow sockets beside listed folders, and can forbid them altogether', () => {
  const asked = decide([folder('/home/me/project')], { unixSockets: true });
  expect(asked).toEqual({ allowed: 'any', because: '/home/me/project' });
  expect(decide([], { unixSockets: true }).allowed).toBe('own');
  const forbidden = decide([], { unixSockets: false });
  expect(forbidden.allowed).toBe('none');
  expect([asked, forbidden, decide([])].map(socketPolicy)).toEqual(['all', 'ip', 'all']);
});
