// The parts of `edit` and `remove` that need a terminal.
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Context } from '../../../src/commands/command.ts';
import { editCommand } from '../../../src/commands/edit.ts';
import { removeCommand } from '../../../src/commands/remove.ts';
import type { WarderError } from '../../../src/errors.ts';
import { type Places, places } from '../../../src/wire/places.ts';

let home: string;
let here: Places;
let printed: string[];
let requests: string[];

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'warder-edit-test-'));
  here = places({
    platform: process.platform,
    env: { WARDER_HOME: home },
    home,
    uid: process.getuid?.() ?? 0,
  });
  mkdirSync(here.profiles, { recursive: true, mode: 0o700 });
  writeFileSync(file(), 'server: {command: cat}\n', { mode: 0o600 });
  printed = [];
  requests = [];
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true, force: true });
});

function file(): string {
  return join(here.profiles, 'github.yaml');
}

/** A context whose user gives these answers, one to each question. */
function contextWith(...answers: boolean[]): Context {
  const say = (line: string): void => void printed.push(line);
  const asked = async (question: string): Promise<boolean> => {
    say(question);
    const answer = answers.shift();
    if (answer === undefined) throw new Error(`nobody answers ${question}`);
    return answer;
  };
  const terminal = {
    interactive: true,
    color: false,
    out: say,
    err: say,
    confirm: asked,
    paint: (_: string, text: string) => text,
  };
  const control = async () => ({
    closed: Promise.resolve(),
    request: async (verb: string) => void requests.push(verb),
    async [Symbol.asyncDispose]() {},
  });
  const context = { places: here, terminal, json: false, control };
  return context as unknown as Context;
}

/** An editor whose first call breaks the file, and whose second call repairs it. */
function editor(): void {
  const script = join(home, 'editor');
  writeFileSync(
    script,
    `#!/bin/sh\nif grep -q comand "$1"; then sed -i s/comand.*/command:\\ tac}/ "$1"; else sed -i s/command/comand/ "$1"; fi\n`,
  );
  chmodSync(script, 0o700);
  vi.stubEnv('VISUAL', script);
}

const argv = { _: [], $0: 'warder', name: 'github' };

test('a broken text is reported, and can be edited again', async () => {
  editor();
  await editCommand(contextWith(true)).handler(argv);
  expect(printed.join('\n')).toContain('unknown key; did you mean "command"?');
  expect(printed).toContain('edit again?');
  expect(readFileSync(file(), 'utf8')).toBe('server: {command: tac}\n');
});

test('giving up keeps the old profile, and the edited text', async () => {
  editor();
  vi.stubEnv('TMPDIR', home);
  const error = await Promise.resolve(editCommand(contextWith(false)).handler(argv)).catch(
    (error: unknown) => error,
  );
  expect(error).toMatchObject({ code: 'profile-invalid', message: '"github" was not changed' });
  const draft = /your text is in (.*)/.exec((error as WarderError).hint ?? '')?.[1] ?? '';
  expect(readFileSync(draft, 'utf8')).toContain('comand');
  expect(readFileSync(file(), 'utf8')).toContain('command: cat');
});

test('remove asks with the path of the file', async () => {
  await expect(
    removeCommand(contextWith(false)).handler({
      ...argv,
      yes: false,
      'keep-home': false,
      keepHome: false,
      'delete-home': false,
      deleteHome: false,
    }),
  ).rejects.toMatchObject({
    code: 'refused',
  });
  expect(readFileSync(file(), 'utf8')).toContain('cat');
  expect(printed).toEqual([`remove ${file()}?`]);
  expect(requests).toEqual([]);
  await removeCommand(contextWith(true)).handler({
    ...argv,
    yes: false,
    'keep-home': false,
    keepHome: false,
    'delete-home': false,
    deleteHome: false,
  });
  expect(() => readFileSync(file())).toThrow(expect.objectContaining({ code: 'ENOENT' }));
  expect(requests).toEqual(['trust.forget']);
});
