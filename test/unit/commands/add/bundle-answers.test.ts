import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { answeredOptions } from '../../../../src/commands/add/bundle-answers.ts';
import type { AddArguments } from '../../../../src/commands/add/options.ts';
import type { Context } from '../../../../src/commands/command.ts';
import type { BundleManifest, BundleOption } from '../../../../src/host/bundle-manifest.ts';

let folder: string;

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'warder-answers-')));
  for (const name of ['a', 'b']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'file'), '');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Answers one after the other; without them nobody can be asked. */
async function answer(
  options: Record<string, BundleOption>,
  { answers, given = [], write = [] }: { answers?: string[]; given?: string[]; write?: string[] } = {},
) {
  const said: string[] = [];
  const next = (question: string): string => {
    said.push(question);
    const text = answers?.shift();
    if (text === undefined) throw new Error(`nobody answers "${question}"`);
    return text;
  };
  const terminal = {
    interactive: answers !== undefined,
    ask: async (question: string) => next(question),
    confirm: async (question: string) => next(question) === 'y',
    err: (line: string) => void said.push(line),
  };
  const manifest = {
    title: 'A',
    args: [],
    env: Object.fromEntries(Object.keys(options).map((key) => [`V_${key}`, `\${user_config.${key}}`])),
    options,
  } as unknown as BundleManifest;
  const args = { 'user-config': given, write } as unknown as AddArguments;
  const found = await answeredOptions({ terminal, json: false } as unknown as Context, manifest, args, {
    HOME: folder,
  });
  expect(answers ?? []).toEqual([]);
  return { ...found, values: Object.fromEntries(found.values), said };
}

const LEVEL: BundleOption = { type: 'number', default: 3, min: 1, max: 5 };
const DIRS: BundleOption = { type: 'directory', multiple: true, required: true, default: [`\${HOME}/a`] };

test('at a terminal a wrong answer is asked for again, and nothing takes what the authors propose', async () => {
  const { values, said, unused } = await answer(
    {
      level: LEVEL,
      other: { type: 'string' },
      name: { type: 'string', required: true, title: 'Name' },
      on: { type: 'boolean' },
    },
    { answers: ['9', 'x', '', '', '', 'Ann', 'maybe', 'Y'] },
  );
  expect(values).toEqual({ level: ['3'], name: ['Ann'], on: ['true'] });
  expect(unused).toEqual(['other']);
  expect(said).toEqual([
    'level, a number [3]: ',
    '"level" must be at most 5',
    'level, a number [3]: ',
    '"level" must be a number',
    'level, a number [3]: ',
    'other [none]: ',
    'Name: ',
    '"name" has to be given',
    'Name: ',
    'on, true or false [false]: ',
    '"on" must be true or false',
    'on, true or false [false]: ',
  ]);
});

test('W-HOST-10 folders may be read, and changed only where the person says so', async () => {
  const { values, read, write } = await answer(
    { dirs: DIRS, file: { type: 'file' } },
    { answers: ['/gone', '~/a', `${folder}/b`, '', 'n', 'y', `${folder}/file`, ''] },
  );
  expect(values).toEqual({ dirs: [`${folder}/a`, `${folder}/b`], file: [`${folder}/file`] });
  expect([read, write]).toEqual([[`${folder}/a`, `${folder}/file`], [`${folder}/b`]]);
});

test('W-HOST-10 Enter opens no folder, be it proposed: it means none, or the folder has to be given', async () => {
  const proposed = `a folder (its authors propose ${folder}/a)`;
  const optional = await answer({ dirs: { ...DIRS, required: false } }, { answers: [''] });
  expect(optional).toMatchObject({ values: {}, unused: ['dirs'], read: [], write: [] });
  expect(optional.said).toEqual([`dirs, ${proposed} [none]: `]);
  const needed = await answer({ dirs: DIRS }, { answers: ['', `${folder}/b`, '', 'n'] });
  expect(needed).toMatchObject({ values: { dirs: [`${folder}/b`] }, read: [`${folder}/b`], write: [] });
  expect(needed.said.slice(0, 2)).toEqual([`dirs, ${proposed}: `, '"dirs" has to be given']);
});

test('W-HOST-10 where nobody is asked, no folder is taken from the manifest', async () => {
  await expect(answer({ dirs: DIRS })).rejects.toThrow(`"A" needs dirs (its authors propose ${folder}/a)`);
  await expect(answer({ dirs: { ...DIRS, required: false } })).rejects.toThrow('needs dirs');
  await expect(answer({ name: { type: 'string', required: true } })).rejects.toMatchObject({
    hint: 'give it with --user-config name=VALUE',
  });
  const given = [`dirs=${folder}/a`, `dirs=${folder}/b`, 'level=2'];
  expect(await answer({ dirs: DIRS, level: LEVEL }, { given, write: [`${folder}/b`] })).toMatchObject({
    values: { dirs: [`${folder}/a`, `${folder}/b`], level: ['2'] },
    read: [`${folder}/a`],
    write: [],
  });
});

test.each([
  ['dirs=/gone', '"dirs" needs a folder, and /gone is none'],
  ['level=9', '"level" must be at most 5'],
  ['level=', '"level" must be a number'],
  ['gone=1', '--user-config number 1 is not KEY=VALUE with a key of the bundle'],
  ['level', '--user-config number 1 is not KEY=VALUE with a key of the bundle'],
  [`name=\${credential:X}`, `"name" has "\${" in it`],
  ['key=hidden', '"key" is a secret, which no option takes'],
  [`name=ghp_${'a1B2'.repeat(9)}`, '"name" is a secret, which no option takes'],
])('W-HOST-11 the answer %s is refused, and no secret repeated', async (option, message) => {
  const options: Record<string, BundleOption> = {
    dirs: DIRS,
    level: LEVEL,
    name: { type: 'string' },
    key: { type: 'string', sensitive: true },
  };
  const given = option.startsWith('dirs') ? [option] : [option, `dirs=${folder}/a`];
  const refused = answer(options, { given });
  await expect(refused).rejects.toThrow(message);
  await expect(refused).rejects.not.toThrow(/hidden|ghp_/);
});

test('one value is taken where the manifest has room for one', async () => {
  await expect(answer({ level: LEVEL }, { given: ['level=1', 'level=2'] })).rejects.toThrow(
    'takes one value',
  );
});
