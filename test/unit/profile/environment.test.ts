// What every child's environment takes from the machine and its user.
import { describe, expect, test } from 'vitest';
import { searchPath, type UserEnvironment, userEnvironment } from '../../../src/profile/environment.ts';

describe('the environment of the user', () => {
  const from = (env: Record<string, string>): UserEnvironment =>
    userEnvironment({ execPath: '/opt/node/bin/node', home: '/home/ada', user: 'ada', env });
  const user = { nodeDir: '/opt/node/bin', home: '/home/ada', user: 'ada' };

  test('follows the daemon, with defaults for a stripped environment', () => {
    expect(from({})).toEqual({ ...user, lang: 'C.UTF-8', tz: undefined });
    expect(from({ LANG: 'en_GB.UTF-8', TZ: 'Europe/Vienna' })).toEqual({
      ...user,
      lang: 'en_GB.UTF-8',
      tz: 'Europe/Vienna',
    });
    expect(from({ LANG: 'de_AT.UTF-8', LC_ALL: 'en_GB.UTF-8', TZ: 'Etc/GMT+3' })).toMatchObject({
      lang: 'en_GB.UTF-8',
      tz: 'Etc/GMT+3',
    });
  });

  test('a language or time zone that is a path is not passed on', () => {
    expect(from({ LANG: '../../tmp/evil', TZ: ':/tmp/evil' })).toEqual(from({}));
    expect(from({ TZ: '../../tmp/evil' }).tz).toBeUndefined();
  });
});

test('a search path names each folder once, and none with a colon in its name', () => {
  expect(searchPath(['/usr/bin', '/opt/a:b', '/bin', '/usr/bin'])).toBe('/usr/bin:/bin');
});
