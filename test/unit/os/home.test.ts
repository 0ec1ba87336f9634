// Where the home folder comes from when the environment does not name it.
import { afterEach, expect, test, vi } from 'vitest';
import { homeFolder } from '../../../src/os/home.ts';

const os = process.getBuiltinModule('node:os');
afterEach(() => vi.restoreAllMocks());

test('HOME is the home folder, and without it the user database says which', () => {
  expect(homeFolder({ HOME: '/home/ada' })).toBe('/home/ada');
  vi.spyOn(os, 'userInfo').mockReturnValue({ ...os.userInfo(), homedir: '/home/of/the/database' });
  expect(homeFolder({})).toBe('/home/of/the/database');
  expect(homeFolder({ HOME: '' })).toBe('/home/of/the/database');
});

test('a user without HOME and without an entry in the database is told to set HOME', () => {
  const error = expect.objectContaining({ code: 'usage', hint: expect.stringContaining('HOME') });
  vi.spyOn(os, 'userInfo').mockImplementation(() => {
    throw new Error('ENOENT');
  });
  expect(() => homeFolder({})).toThrow(error);
  vi.spyOn(os, 'userInfo').mockReturnValue({ username: 'x', uid: 1, gid: 1, shell: null, homedir: '' });
  expect(() => homeFolder({ HOME: '' })).toThrow(error);
});
