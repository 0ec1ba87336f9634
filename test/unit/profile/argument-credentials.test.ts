import { expect, test } from 'vitest';
import {
  hasBrokenReference,
  referencedCredentials,
  substituteCredentials,
  withoutReferences,
} from '../../../src/profile/argument-credentials.ts';
import { parseProfile } from '../../../src/profile/format.ts';
import { detectSecret } from '../../../src/profile/variable.ts';

const URL_ARGUMENT = `postgres://me:\${credential:PASSWORD}@db.example.com/\${credential:NAME}`;

test('references are found, in order and once, also within a word', () => {
  expect(referencedCredentials([])).toEqual([]);
  expect(referencedCredentials(['--key', '$KEY', `\${KEY}`, '$(x)'])).toEqual([]);
  expect(referencedCredentials([URL_ARGUMENT, `--again=\${credential:PASSWORD}`])).toEqual([
    'PASSWORD',
    'NAME',
  ]);
});

test('values replace references and are not read again', () => {
  const values = { PASSWORD: `$& $1 \${credential:NAME}`, NAME: 'shop' };
  expect(substituteCredentials([URL_ARGUMENT, '-v'], values)).toEqual([
    `postgres://me:$& $1 \${credential:NAME}@db.example.com/shop`,
    '-v',
  ]);
  expect(substituteCredentials([URL_ARGUMENT], {})).toEqual([URL_ARGUMENT]);
  // A value of the prototype is none.
  expect(substituteCredentials([`\${credential:constructor}`], { PASSWORD: 'x' })).toEqual([
    `\${credential:constructor}`,
  ]);
});

test('what only begins like a reference is seen', () => {
  for (const arg of [`\${credential:}`, `\${credential:A-B}`, `x\${credential:1}`, `\${credential:A`]) {
    expect(hasBrokenReference(arg)).toBe(true);
  }
  for (const arg of [URL_ARGUMENT, `\${credentials:A}`, '']) expect(hasBrokenReference(arg)).toBe(false);
});

test('W-PROF-9 a reference is no secret; one beside it is', () => {
  expect(detectSecret(withoutReferences(URL_ARGUMENT))).toBeUndefined();
  expect(
    detectSecret(withoutReferences(`ghp_0123456789abcdefghijklmnopqrstuvwxyz\${credential:A}`)),
  ).toBeDefined();
});

const problems = (args: string, credentials: string, env = '{}'): string => {
  try {
    parseProfile(
      `server: {command: server, args: [${args}]}\nenv: ${env}\ncredentials: ${credentials}\n`,
      'a.yaml',
      'a',
    );
    return '';
  } catch (error) {
    return (error as Error).message;
  }
};

test.each([
  [`"\${credential:KEY}"`, '{KEY: {deliver: arg}}', ''],
  [`"--key=\${credential:KEY}"`, '{KEY: {hosts: [api.example.com]}}', ''],
  [`"\${credential:OTHER}"`, '{KEY: {deliver: env}}', 'names "OTHER", which is not under "credentials"'],
  [`"\${credential:KEY}"`, '{KEY: {deliver: env}}', 'names "KEY", which has "deliver: env"'],
  [`"\${credential:KEY}"`, '{KEY: {deliver: file}}', 'names "KEY", which has "deliver: file"'],
  [`"\${credential:}"`, '{KEY: {deliver: env}}', `contains "\${credential:" and no name`],
  ['--key', '{KEY: {deliver: arg}}', `is "arg", but no argument contains "\${credential:KEY}"`],
  [`"\${credential:toString}"`, '{}', 'names "toString", which is not under "credentials"'],
])('W-PROF-5 arguments and deliveries agree: %s with %s', (args, credentials, expected) => {
  if (expected === '') expect(problems(args, credentials)).toBe('');
  else expect(problems(args, credentials)).toContain(expected);
});

test.each([
  [`'{"Authorization":"Bearer \${credential:KEY}"}'`, '{KEY: {hosts: [api.example.com]}}', ''],
  [`"\${credential:OTHER}"`, '{KEY: {hosts: [api.example.com]}}', 'env.HEADERS: names "OTHER", which is not'],
  [`"\${credential:KEY}"`, '{KEY: {deliver: env}}', 'names "KEY", which has "deliver: env"'],
  [`"\${credential:KEY}"`, '{KEY: {deliver: arg}}', 'names "KEY", which has "deliver: arg"'],
  [`"\${credential:}"`, '{}', `contains "\${credential:" and no name`],
  [`"\${credential:__proto__}"`, '{}', 'names "__proto__", which is not under "credentials"'],
])(
  'W-PROF-5 W-SEAL-9 inside of a variable only a sealed credential may be: %s with %s',
  (value, credentials, expected) => {
    const said = problems(
      expected.includes('arg') ? `"\${credential:KEY}"` : '',
      credentials,
      `{HEADERS: ${value}}`,
    );
    if (expected === '') expect(said).toBe('');
    else expect(said).toContain(expected);
  },
);
