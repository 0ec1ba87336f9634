import { expect, test } from 'vitest';
import { requestedServer } from '../../../../src/commands/add/requested-server.ts';
import { homeFolder } from '../../../../src/os/home.ts';

const none = {
  name: 'notes',
  package: undefined,
  bin: undefined,
  'from-npx': undefined,
  'from-uvx': undefined,
  python: undefined,
};

test('"~/" in the line of a README is the home folder, because no shell has seen it', () => {
  const home = homeFolder(process.env);
  const npx = requestedServer({
    ...none,
    'from-npx': 'npx -y notes-server ~/notes --at=~/x ~',
    '--': ['~/y'],
  });
  expect(npx.args).toEqual([`${home}/notes`, '--at=~/x', home, '~/y']);
  expect(requestedServer({ ...none, 'from-uvx': 'uvx notes-server ~/notes' }).args).toEqual([
    `${home}/notes`,
  ]);
});
