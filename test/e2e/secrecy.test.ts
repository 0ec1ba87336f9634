// Where a secret must never appear: arguments of any process, Warder's log, the audit log, messages, the host.
import { randomBytes } from 'node:crypto';
import { globSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Home } from '../fixtures/home.ts';
import { SecretService } from '../fixtures/secret-service.ts';
import { fixtureServer } from '../fixtures/server.ts';

// A new one for each run: the test reads the arguments of all processes, and may run twice on one machine.
const secret = `canary/+~"\\-${randomBytes(12).toString('hex')}`;
const token = 'ghp_0123456789abcdefghijABCDEFGHIJ012345';
const shapes = [
  secret,
  Buffer.from(secret).toString('base64').replace(/=+$/, ''),
  Buffer.from(secret).toString('base64url'),
  encodeURIComponent(secret),
  JSON.stringify(secret).slice(1, -1),
];

/** Fails on any encoding of the secret. */
function clean(where: string, text: string): void {
  for (const shape of shapes) if (text.includes(shape)) throw new Error(`the secret shows in ${where}`);
}

/** Every file below a folder. */
function files(folder: string): string[] {
  return globSync('**/*', { cwd: folder })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
}

/** The arguments of every process. */
function commands(): string {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      } catch {
        return '';
      }
    })
    .join('\n');
}

test('W-CRED-20 a secret is in no argument, log, record, message or result, in any encoding', async () => {
  await using bus = await SecretService.open();
  await using home = new Home({ env: bus.env });
  const said: string[] = [];
  const warder = async (words: string[], input = ''): Promise<void> => {
    const { stdout, stderr } = await home.warder(words, input);
    said.push(stdout, stderr);
  };
  await warder(['init', '--store', 'keychain']);
  await warder(['credential', 'set', 'leaky', 'TOKEN'], secret);
  home.profile('leaky', {
    server: fixtureServer('environ'),
    credentials: { TOKEN: { deliver: 'env' } },
    policy: { default: 'allow' },
  });
  await using host = home.run('leaky');
  await host.initialize();
  for (const as of ['raw', 'base64', 'base64url', 'url', 'json']) {
    for (const to of ['result', 'stderr', 'stdout']) await host.call('leak', { variable: 'TOKEN', as, to });
  }
  expect(await host.call('leak', { variable: 'TOKEN' })).toBe('[redacted:TOKEN]');
  // A host that sends the value itself: it reaches the server, and the record contains only its name.
  expect(await host.call('environ', { token: secret })).toBeTruthy();
  clean('an argument', commands());

  await warder(['credential', 'rotate', 'leaky', 'TOKEN'], `${secret}-next`);
  await warder(['credential', 'list', '--json']);
  await warder(['status', '--json']);
  await warder(['doctor']);
  await warder(['show', 'leaky']);
  await warder(['check', 'leaky']);
  await warder(['audit', 'list', '--json']);
  await warder(['audit', 'export', '--format', 'csv']);
  await warder(['credential', 'set', 'leaky', 'TOKEN', secret]);
  // An argument that looks like a token is refused where it does not belong, and is not repeated.
  const literal = await home.warder(['add', 'second', '--env', `TOKEN=${token}`, '--', 'node', 'server.js']);
  expect(literal).toMatchObject({ code: 64, stderr: expect.not.stringContaining(token) });
  clean('an argument', commands());
  clean('what the command line said', said.join('\n'));
  clean('what the host got', host.lines.join('\n'));
  clean('what the host got on stderr', host.stderr);
  host.close();
  await host.ended;
  for (const path of [home.places.config, home.places.state].flatMap(files))
    clean(path, readFileSync(path, 'latin1'));
});
