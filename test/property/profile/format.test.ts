import fc from 'fast-check';
import { expect, test } from 'vitest';
import { WarderError } from '../../../src/errors.ts';
import { draftProfile, formatProfile, type ProfileDraft } from '../../../src/profile/draft.ts';
import { parseProfile } from '../../../src/profile/format.ts';
import { parseSettings } from '../../../src/profile/settings.ts';
import { formatDuration, formatSize, parseDuration, parseSize } from '../../../src/profile/units.ts';
import { isLoaderVariable } from '../../../src/profile/variable.ts';
import { policyOf } from '../../fixtures/policy.ts';

const runs = { numRuns: process.env.SLOW ? 20_000 : 150 };

/** Text that is nearly YAML: its punctuation, the words of the format, and arbitrary text. */
const yamlish = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '\n',
        ' ',
        '  ',
        ':',
        ': ',
        '- ',
        '{',
        '}',
        '[',
        ']',
        '&a',
        '*a',
        '!!str ',
        '|\n',
        '>',
        '"',
        "'",
        '#',
      ),
      fc.constantFrom(
        '---\n',
        '...\n',
        '%YAML 1.1\n',
        '? ',
        ',',
        '\t',
        '<<',
        '\r\n',
        '\u0085',
        '\ufeff',
        '\0',
        '\ud800',
      ),
      fc.constantFrom(
        'server',
        'command',
        'env',
        'credentials',
        'policy',
        'tools',
        'sandbox',
        'node',
        'allow',
        'null',
        '1.10',
      ),
      fc.string({ unit: 'binary', maxLength: 8 }),
    ),
    { maxLength: 60 },
  )
  .map((parts) => parts.join(''));

/** Plain data with the keys of the format, and values of wrong types in wrong places. */
const word = fc.constantFrom(
  'server',
  'command',
  'args',
  'env',
  'credentials',
  'from',
  'hosts',
  'policy',
  'tools',
  'allow',
  'x',
);
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { depthSize: 'medium' },
    fc.constantFrom(null, true, 0, -1.5, '', 'node', 'ask', '15m', '/a', 'a.b'),
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.dictionary(word, tie('tree'), { maxKeys: 5 }),
  ),
}));

function onlyWarderErrors(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(WarderError);
  }
}

test('any text is a profile or a WarderError', () => {
  fc.assert(
    fc.property(yamlish, (text) => {
      onlyWarderErrors(() => parseProfile(text, 'f.yaml', 'p'));
      onlyWarderErrors(() => parseSettings(text, 'warder.yaml'));
    }),
    runs,
  );
});

test('any data is a profile or a WarderError', () => {
  fc.assert(
    fc.property(tree, (data) => {
      onlyWarderErrors(() => parseProfile(JSON.stringify(data), 'f.yaml', 'p'));
      onlyWarderErrors(() => parseSettings(JSON.stringify(data), 'warder.yaml'));
    }),
    runs,
  );
});

const printable = fc.string({ minLength: 1, maxLength: 40 }).filter((text) => /^\P{Cc}+$/u.test(text));
const variable = fc
  .stringMatching(/^[A-Z_][A-Z0-9_]{0,12}$/)
  .filter((name) => !isLoaderVariable(name) && name !== '__PROTO__');
/** Text that execve accepts: no NUL, and no lone surrogates. */
const value = fc
  .string({ unit: 'binary', maxLength: 80 })
  .map((text) => text.replaceAll('\0', '').toWellFormed());
const patterns = fc.uniqueArray(
  printable.filter((text) => text !== '__proto__'),
  { maxLength: 4 },
);

const drafts: fc.Arbitrary<ProfileDraft> = fc
  .record({
    description: fc.option(printable, { nil: undefined }),
    server: fc.oneof(
      fc.record({
        command: fc.constantFrom(
          'node',
          '/usr/bin/node',
          '~/bin/server',
          'a b',
          "it's",
          '- x',
          '# y',
          'null',
          '1.0',
          '*',
        ),
      }),
      fc.record({
        package: fc.constantFrom('npm:server@1.0.0', 'npm:@scope/server@2026.1.2-rc.1'),
        bin: fc.constantFrom(undefined, 'server', 'null'),
      }),
    ),
    args: fc.array(value, { maxLength: 6 }),
    cwd: fc.option(
      printable.map((text) => `/${text}`),
      { nil: undefined },
    ),
    env: fc.dictionary(variable, value, { maxKeys: 4 }),
    credentials: fc.uniqueArray(
      variable.map((name) => `T_${name}`),
      { maxLength: 3 },
    ),
    names: patterns,
    schema: fc.constantFrom(undefined, '/opt/warder/profiles/schema.json'),
  })
  .map(({ names, ...rest }) => ({
    ...rest,
    env: Object.fromEntries(Object.entries(rest.env).filter(([name]) => !rest.credentials.includes(name))),
    deny: names.slice(0, 2),
    ask: names.slice(2, 3),
    allow: names.slice(3),
  }));

test('a profile that add writes reads back as the options that were given', () => {
  fc.assert(
    fc.property(drafts, (draft) => {
      const profile = parseProfile(draftProfile(draft), 'f.yaml', 'p');
      expect(parseProfile(formatProfile(profile), 'f.yaml', 'p')).toEqual(profile);
      expect(profile.description).toBe(draft.description);
      expect(profile.server).toEqual({
        kind: 'command' in draft.server ? 'command' : 'package',
        ...draft.server,
        args: draft.args,
        cwd: draft.cwd,
        start: 'lazy',
      });
      expect(profile.env).toEqual(draft.env);
      expect(profile.credentials.map(({ variable, deliver }) => [variable, deliver])).toEqual(
        draft.credentials.map((name) => [name, 'env']),
      );
      const rules = [
        ...draft.deny.map((name) => [name, 'deny'] as const),
        ...draft.ask.map((name) => [name, 'ask'] as const),
        ...draft.allow.map((name) => [name, 'allow'] as const),
      ];
      expect(profile.policy).toEqual(policyOf({ default: 'ask', tools: Object.fromEntries(rules) }));
    }),
    runs,
  );
});

test('units read back as they were written', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 999_999_999_999 }), (value) => {
      expect(parseDuration(formatDuration(value))).toBe(value);
      expect(parseSize(formatSize(value))).toBe(value);
    }),
    runs,
  );
});
