// The launch command, as hosts use it: from `init` and `add`, through an upgrade of Node, to a profile that is removed.
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Client } from '../fixtures/client.ts';
import { Home, program, server } from '../fixtures/home.ts';

/** The script of a launch command: itself, or the one beside a native launcher. */
function scriptOf(launch: string): string {
  return existsSync(`${launch}.sh`) ? `${launch}.sh` : launch;
}

/** A Node of its own in a home, as a version manager has it. */
function ownNode(home: Home, version: string): string {
  const folder = join(home.dir, `.nvm/versions/node/v${version}/bin`);
  mkdirSync(folder, { recursive: true });
  copyFileSync(process.execPath, join(folder, 'node'));
  return join(folder, 'node');
}

test('W-HOST-1 an entry goes on working after the Node of its day is gone, and what it starts is recorded again', async () => {
  await using home = new Home();
  const [, script = ''] = program;
  const old = ownNode(home, '24.1.0');
  home.program = [old, script];
  const added = JSON.parse(
    await home.done([
      'add',
      'everything',
      '--no-test',
      '--allow',
      'echo',
      '--json',
      '--',
      ...server('everything'),
    ]),
  );
  const launch = join(home.dir, '.local/share/warder/bin/warder');
  expect(added.host).toEqual({ command: launch, args: ['run', 'everything'] });
  expect(statSync(launch).mode & 0o777).toBe(0o700);
  expect((await home.facts('show', 'everything')).host).toEqual(added.host);

  const calls = async (): Promise<unknown> => {
    await using client = new Client([added.host.command, ...added.host.args], home.env, home.dir);
    await client.initialize();
    return await client.request('tools/call', { name: 'echo', arguments: { message: 'here' } });
  };
  const answer = { result: { content: [{ type: 'text', text: 'Echo: here' }] } };
  expect(await calls()).toMatchObject(answer);
  await home.done(['stop']);

  rmSync(old);
  const found = ownNode(home, '24.2.0');
  home.program = [found, script];
  expect(await calls()).toMatchObject(answer);
  expect(readFileSync(scriptOf(launch), 'utf8')).toContain(`\nnode='${found}'\n`);
  expect(existsSync(old)).toBe(false);
});

test('`init` says what hosts start; `doctor` tells what is wrong with it, and any verb mends a Node that is gone', async () => {
  await using home = new Home();
  const launch = join(home.dir, '.local/share/warder/bin/warder');
  const key = join(home.dir, 'key');
  const made = await home.done(['init', '--store', 'vault', '--key-file', key]);
  expect(made).toContain(`hosts start servers with ${launch}`);
  const state = async (): Promise<{ state: string; detail: string; hint?: string }> => {
    const { stdout } = await home.warder(['doctor', '--json']);
    return JSON.parse(stdout).checks.find(({ name }: { name: string }) => name === 'launch command');
  };
  expect(await state()).toMatchObject({ state: 'ok' });
  const script = scriptOf(launch);
  const text = readFileSync(script, 'utf8');
  writeFileSync(script, text.replace(/^node='.*'$/m, "node='/gone/node'"));
  expect(await state()).toMatchObject({ state: 'ok' });
  expect(readFileSync(script, 'utf8')).toBe(text);
  writeFileSync(launch, '#!/bin/sh\n');
  expect(await state()).toMatchObject({ state: 'fail', hint: expect.stringMatching(/warder init/) });
  rmSync(launch);
  expect(await state()).toMatchObject({ state: 'warn', hint: expect.stringMatching(/warder init/) });
});

test('W-HOST-5 the launch command is in no sandbox: a server cannot change what hosts start', async () => {
  await using home = new Home();
  const folder = join(home.dir, '.local/share/warder');
  mkdirSync(join(folder, 'bin'), { recursive: true });
  for (const [index, write] of [join(folder, 'bin'), folder, join(folder, 'bin/warder')].entries()) {
    if (index === 2) writeFileSync(join(folder, 'bin/warder'), '');
    home.profile('x', { server: { command: '/bin/true' }, sandbox: { write: [write] } });
    const { code, stdout, stderr } = await home.warder(['check', 'x']);
    expect(code, `${write}: ${stdout}${stderr}`).not.toBe(0);
  }
});

test('with WARDER_HOME the launch command is below it, and the entry says so', async () => {
  await using home = new Home();
  home.env.WARDER_HOME = join(home.dir, 'second');
  const added = JSON.parse(await home.done(['add', 'x', '--no-test', '--json', '--', '/bin/true']));
  expect(added.host).toEqual({
    command: join(home.dir, 'second/bin/warder'),
    args: ['run', 'x'],
    env: { WARDER_HOME: join(home.dir, 'second') },
  });
  const removed = await home.done(['remove', 'x', '--yes']);
  expect(removed).toContain(`it was the last profile; ${added.host.command} stays`);
  await home.done(['stop']);
});
