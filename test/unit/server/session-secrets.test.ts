import { expect, test } from 'vitest';
import type { Log } from '../../../src/os/log.ts';
import { Redactors } from '../../../src/server/redactors.ts';
import { SessionSecrets } from '../../../src/server/session-secrets.ts';
import type { NamedValue } from '../../../src/server/started-server.ts';

const log = { warn: () => {} } as unknown as Log;
const value = (name: string, text: string) => ({ name, variable: name.toUpperCase(), value: text });

test('sessions of a profile with the same values share what redacts them; with others each has its own', () => {
  const redactors = new Redactors();
  const session = (profile: string) => new SessionSecrets(profile, log, redactors, () => []);
  const [one, two, other, foreign] = [session('a'), session('a'), session('a'), session('b')];
  const old = one.add([value('token', 'the-old-value-1')]);
  expect(two.add([value('token', 'the-old-value-1')])).toBe(old);
  // A value under another name is shown under that name.
  expect(
    session('a')
      .add([value('key', 'the-old-value-1')])
      .text('the-old-value-1'),
  ).toBe('[redacted:KEY]');
  expect(foreign.add([value('token', 'the-old-value-1')])).not.toBe(old);

  expect(other.add([value('token', 'the-new-value-2')]).text('the-old-value-1 the-new-value-2')).toBe(
    'the-old-value-1 [redacted:TOKEN]',
  );
  // One that gets a further value leaves the others as they are, and so does one that gets a token.
  two.add([value('token', 'the-new-value-2')]);
  one.replaceTokens([value('access', 'a-fresh-token-3')]);
  const text = 'the-old-value-1 the-new-value-2 a-fresh-token-3';
  expect(two.redact(text)).toBe('[redacted:TOKEN] [redacted:TOKEN] a-fresh-token-3');
  expect(one.redact(text)).toBe('[redacted:TOKEN] the-new-value-2 [redacted:ACCESS]');
  expect(old.text(text)).toBe('[redacted:TOKEN] the-new-value-2 a-fresh-token-3');
  expect(other.redact(text)).toBe('the-old-value-1 [redacted:TOKEN] a-fresh-token-3');
});

const numbered = (number: number, name = 'token') => value(name, `${name}-value-${number}`);
/** The numbers of the values that are not redacted. */
const shown = (secrets: SessionSecrets, name = 'token'): number[] =>
  Array.from({ length: 30 }, (_, number) => number).filter(
    (number) => secrets.redact(numbered(number, name).value) === numbered(number, name).value,
  );

test('W-CRED-51 the last eight values of each credential are redacted, and no more are kept', () => {
  const secrets = new SessionSecrets('demo', log, new Redactors(), () => []);
  secrets.add([numbered(0, 'other')]);
  for (let number = 0; number < 30; number++) secrets.add([numbered(number)]);
  expect(shown(secrets)).toEqual(Array.from({ length: 22 }, (_, number) => number));
  // One that comes back is the newest again.
  secrets.add([numbered(22)]);
  secrets.add([numbered(0)]);
  expect(shown(secrets)).not.toContain(22);
  expect(shown(secrets)).toContain(23);
  expect(shown(secrets, 'other')).not.toContain(0);
});

test('W-CRED-51 what the running server has is redacted, however many servers were given another since', () => {
  let used: NamedValue[] = [];
  const secrets = new SessionSecrets('demo', log, new Redactors(), () => used);
  used = [numbered(0)];
  for (let number = 0; number < 30; number++) secrets.add([numbered(number)]);
  expect(shown(secrets)).not.toContain(0);
  used = [numbered(29)];
  secrets.add([numbered(30)]);
  expect(shown(secrets)).toContain(0);
});
