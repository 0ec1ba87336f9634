import { expect, test } from 'vitest';
import { places } from '../../../src/wire/places.ts';

const linux = { platform: 'linux', env: {}, home: '/home/ada', uid: 1000 };

test('on Linux all paths follow from the home folder', () => {
  expect(places(linux)).toEqual({
    config: '/home/ada/.config/warder',
    profiles: '/home/ada/.config/warder/profiles',
    state: '/home/ada/.local/state/warder',
    audit: '/home/ada/.local/state/warder/audit',
    run: '/home/ada/.local/state/warder/run',
    socket: '/home/ada/.local/state/warder/run/daemon.sock',
    lock: '/home/ada/.local/state/warder/run/daemon.lock',
    log: '/home/ada/.local/state/warder/daemon.log',
    launchCommand: '/home/ada/.local/share/warder/bin/warder',
    own: [
      '/home/ada/.config/warder',
      '/home/ada/.local/state/warder',
      '/home/ada/.local/state/warder/run',
      '/home/ada/.local/share/warder/bin',
    ],
    variables: {},
  });
});

test('XDG variables move folders, and are listed so that a host can repeat them', () => {
  const env = { XDG_CONFIG_HOME: '/conf/', XDG_STATE_HOME: '/state', XDG_DATA_HOME: '/data' };
  const found = places({ ...linux, env });
  expect(found.profiles).toBe('/conf/warder/profiles');
  expect(found.socket).toBe('/state/warder/run/daemon.sock');
  expect(found.launchCommand).toBe('/data/warder/bin/warder');
  expect(found.variables).toEqual(env);
});

test('XDG variables that equal the default, or are not absolute, change nothing', () => {
  const env = { XDG_CONFIG_HOME: '/home/ada/.config', XDG_STATE_HOME: 'state' };
  expect(places({ ...linux, env })).toEqual(places(linux));
});

test('WARDER_HOME contains everything, on every system', () => {
  for (const platform of ['linux', 'darwin']) {
    const found = places({ ...linux, platform, env: { WARDER_HOME: '/w/', XDG_STATE_HOME: '/state' } });
    expect(found).toMatchObject({ config: '/w/config', state: '/w/state', run: '/w/run' });
    expect(found.launchCommand).toBe('/w/bin/warder');
    expect(found.variables).toEqual({ WARDER_HOME: '/w/' });
  }
});

test('on macOS everything is below the library folder', () => {
  const { config, socket, launchCommand } = places({ ...linux, platform: 'darwin', home: '/Users/ada' });
  expect(launchCommand).toBe('/Users/ada/Library/Application Support/warder/bin/warder');
  expect(config).toBe('/Users/ada/Library/Application Support/warder/config');
  expect(socket).toBe('/Users/ada/Library/Application Support/warder/run/daemon.sock');
});

test("a socket's path that is too long for the system becomes a short one of that instance's own", () => {
  const at = (home: string, platform = 'linux') => places({ ...linux, platform, home }).socket;
  const tail = '/.local/state/warder/run/daemon.sock';
  const longest = `/${'h'.repeat(107 - tail.length - 1)}`;
  expect(at(longest)).toBe(`${longest}${tail}`);
  const short = at(`${longest}h`);
  expect(short).toMatch(/^\/tmp\/warder-1000-[0-9a-f]{16}\/daemon\.sock$/);
  expect(at(`${longest}h`)).toBe(short);
  expect(at(`${longest}i`)).not.toBe(short);
  expect(at(`/${'é'.repeat(40)}`)).toMatch(/^\/tmp\//);
  expect(at(`/${'h'.repeat(60)}`, 'darwin')).toMatch(/^\/tmp\//);
});

test.each([
  { env: { WARDER_HOME: 'here' }, home: '/home/ada' },
  { env: {}, home: 'ada' },
  { env: {}, home: '' },
])('a place that is not absolute is refused: $env $home', ({ env, home }) => {
  expect(() => places({ ...linux, env, home })).toThrow(expect.objectContaining({ code: 'usage' }));
});
