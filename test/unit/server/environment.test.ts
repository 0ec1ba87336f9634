import { describe, expect, test } from 'vitest';
import { WarderError } from '../../../src/errors.ts';
import type { UserEnvironment } from '../../../src/profile/environment.ts';
import { type DeliveredCredential, environment } from '../../../src/server/environment.ts';

const machine: UserEnvironment = {
  nodeDir: '/opt/node/bin',
  home: '/home/ada',
  user: 'ada',
  lang: 'en_GB.UTF-8',
  tz: 'Europe/Vienna',
};
const own = { marker: '0123456789abcdef', tmpdir: '/run/w/tmp', credentials: '/dev/shm/w/0123456789abcdef' };
const base = {
  PATH: '/opt/node/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin',
  HOME: '/home/ada',
  USER: 'ada',
  LANG: 'en_GB.UTF-8',
  TZ: 'Europe/Vienna',
  TMPDIR: '/run/w/tmp',
  WARDER_SESSION: '0123456789abcdef',
};

function make(env: Record<string, string>, credentials: DeliveredCredential[] = []): Record<string, string> {
  return environment('github', machine, own, env, credentials);
}

function refusal(env: Record<string, string>, credentials: DeliveredCredential[] = []): WarderError {
  try {
    make(env, credentials);
  } catch (error) {
    if (error instanceof WarderError) return error;
  }
  throw new Error('not refused');
}

const credential = (
  variable: string,
  deliver: DeliveredCredential['deliver'],
  value = 'hunter2hunter2',
): DeliveredCredential => ({
  variable,
  deliver,
  value,
});

describe('environment', () => {
  test('W-ENV-1 consists of the base, the literals and the credentials, and nothing else', () => {
    expect(make({})).toEqual(base);
    expect(make({ LOG_LEVEL: 'info' }, [credential('TOKEN', 'env'), credential('KEY', 'file')])).toEqual({
      ...base,
      LOG_LEVEL: 'info',
      TOKEN: 'hunter2hunter2',
      CREDENTIALS_DIRECTORY: '/dev/shm/w/0123456789abcdef',
      KEY_FILE: '/dev/shm/w/0123456789abcdef/KEY',
    });
  });

  test('a literal may replace a variable of the base', () => {
    const path = '/home/ada/.local/bin:/usr/bin';
    expect(make({ PATH: path, TZ: 'UTC' })).toEqual({ ...base, PATH: path, TZ: 'UTC' });
  });

  test('W-ENV-2 a loader variable reaches no server, as a literal or as a credential', () => {
    for (const name of ['LD_PRELOAD', 'DYLD_INSERT_LIBRARIES', 'NODE_OPTIONS', 'PYTHONPATH', 'BASH_ENV']) {
      expect(refusal({ [name]: '/tmp/evil' }).code).toBe('profile-invalid');
      expect(refusal({}, [credential(name, 'env')]).code).toBe('profile-invalid');
      expect(refusal({}, [credential(name, 'file')]).code).toBe('profile-invalid');
    }
  });

  test('W-ENV-3 no credential replaces a variable, and nobody sets what Warder sets', () => {
    for (const name of ['PATH', 'HOME', 'USER', 'LANG', 'TZ', 'TMPDIR', 'WARDER_SESSION']) {
      expect(refusal({}, [credential(name, 'env')]).code).toBe('profile-invalid');
    }
    expect(refusal({ WARDER_SESSION: 'x' }).message).toBe(
      'cannot start "github": "WARDER_SESSION" is set twice',
    );
    expect(refusal({ TOKEN: 'x' }, [credential('TOKEN', 'env')]).code).toBe('profile-invalid');
    expect(refusal({ TOKEN_FILE: 'x' }, [credential('TOKEN', 'file')]).code).toBe('profile-invalid');
    expect(refusal({ CREDENTIALS_DIRECTORY: 'x' }, [credential('TOKEN', 'file')]).code).toBe(
      'profile-invalid',
    );
    const both = [credential('TOKEN', 'file'), credential('TOKEN_FILE', 'env')];
    expect(refusal({}, both).code).toBe('profile-invalid');
    expect(make({ CREDENTIALS_DIRECTORY: '/etc/x' }).CREDENTIALS_DIRECTORY).toBe('/etc/x');
  });

  test('the variables of the gate are set, and nobody else may set them', () => {
    const gate = { TOKEN: 'sealed-placeholder', SSL_CERT_FILE: '/run/warder/ca.pem' };
    expect(environment('x', machine, own, {}, [], gate)).toMatchObject(gate);
    const taken = () => environment('x', machine, own, { SSL_CERT_FILE: '/mine' }, [], gate);
    expect(taken).toThrow(expect.objectContaining({ code: 'profile-invalid' }));
  });

  test('a value that cannot be stored in a variable is refused without being shown', () => {
    const error = refusal({}, [credential('TOKEN', 'env', 'secret\0secret')]);
    expect(error.code).toBe('server-unstartable');
    expect(`${error.message} ${error.hint}`).not.toContain('secret\0');
    expect(make({}, [credential('TOKEN', 'file', 'secret\0secret')])).not.toHaveProperty('TOKEN');
  });

  test('a node in a system folder comes first in PATH, and only once', () => {
    const { PATH } = environment('x', { ...machine, nodeDir: '/usr/bin' }, own, {}, []);
    expect(PATH).toBe('/usr/bin:/usr/local/bin:/bin:/usr/sbin:/sbin');
    const odd = environment('x', { ...machine, nodeDir: '/opt/a:b' }, own, {}, []);
    expect(odd.PATH).toBe('/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin');
  });

  test('an unknown time zone is left out', () => {
    expect(environment('x', { ...machine, tz: undefined }, own, {}, [])).not.toHaveProperty('TZ');
  });
});
