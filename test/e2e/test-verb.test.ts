// `warder test`: a server that works, one that lacks a file and a host, and one that cannot start.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Home } from '../fixtures/home.ts';

const fixture = join(import.meta.dirname, '../fixtures/servers/needy.mjs');

let home: Home;

beforeAll(() => {
  home = new Home();
});

afterAll(() => home[Symbol.asyncDispose]());

const profile = (env: object, more: object = {}): object => ({
  server: { command: process.execPath, args: [fixture] },
  env,
  policy: { default: 'allow' },
  ...more,
});

test('a server that works is started once, lists its tools, and ends', async () => {
  home.profile('works', profile({}));
  // $ warder test works
  expect(await home.done(['test', 'works'])).toBe(
    [
      'works: ok',
      '  server  fixture 1.0.0',
      '  tools   1: hello',
      '  refused nothing that Warder knows of',
      '',
    ].join('\n'),
  );
  expect((await home.facts('status')).sessions).toEqual([]);
  expect(home.audit('session.open')).toHaveLength(1);
});

test('what was refused is shown, and the printed lines allow it', async () => {
  const file = join(home.dir, 'data.json');
  writeFileSync(file, '{}');
  const env = { FILE: file, HOST: 'refused.example.com' };
  const network = ['listed.example.com'];
  home.profile('lacks', profile(env, { sandbox: { network } }));
  const { code, stdout } = await home.warder(['test', 'lacks', '--json']);
  expect(code).toBe(1);
  const result = JSON.parse(stdout);
  expect(result).toMatchObject({ name: 'lacks', ok: false, error: expect.any(String) });
  expect(result.refused).toEqual([
    {
      kind: 'host',
      what: 'refused.example.com',
      reason: 'not listed',
      count: expect.any(Number),
      allow: 'warder allow lacks refused.example.com',
    },
    {
      kind: 'file',
      what: file,
      reason: 'is not in the sandbox',
      count: 1,
      allow: `sandbox: {read: ["${file}"]}`,
    },
  ]);
  const text = await home.warder(['test', 'lacks']);
  expect(text.stdout).toContain(`to allow it: sandbox: {read: ["${file}"]}`);

  home.profile(
    'lacks',
    profile(env, { sandbox: { read: [file], network: [...network, 'refused.example.com'] } }),
  );
  expect(await home.facts('test', 'lacks')).toMatchObject({ ok: true, tools: ['hello'], refused: [] });
});

test('tools that are asked about are shown', async () => {
  home.profile('asks', profile({}, { policy: { default: 'ask' } }));
  expect(await home.facts('test', 'asks')).toMatchObject({ asked: ['hello'], refused: [] });
  expect(await home.done(['test', 'asks'])).toContain(
    'asked   all of them; "warder policy choose asks" allows some without a question',
  );
});

test('a start that Warder refuses keeps its exit code', async () => {
  home.profile('gone', profile({}, { server: { command: '/no/such/program' } }));
  const { code, stdout } = await home.warder(['test', 'gone']);
  expect(code).not.toBe(0);
  expect(stdout).toMatch(/^gone: failed$/m);
  expect(stdout).toContain('/no/such/program');
});

test('W-BOX-8 a server that lacks a Unix socket is told why, and the printed line allows it', async () => {
  const listens = join(home.dir, 'listens.mjs');
  writeFileSync(
    listens,
    `import { createServer } from 'node:net';
    createServer().listen(process.env.TMPDIR + '/own.sock', () => import(${JSON.stringify(fixture)}));`,
  );
  const list = (more: object): object => ({
    server: { command: process.execPath, args: [listens] },
    sandbox: { read: [join(fixture, '..')], ...more },
    policy: { default: 'allow' },
  });
  home.profile('listens', list({}));
  const refused = await home.warder(['test', 'listens']);
  expect(refused.code).not.toBe(0);
  expect(refused.stdout).toContain('refused Unix sockets: sockets of other programs may be in');
  expect(refused.stdout).toContain('to allow it: sandbox: {unix-sockets: true}');
  home.profile('listens', list({ 'unix-sockets': true }));
  expect(await home.done(['test', 'listens'])).toContain('listens: ok');
});
