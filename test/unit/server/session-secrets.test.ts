import { expect, test } from 'vitest';
import type { Log } from '../../../src/os/log.ts';
import { Redactors } from '../../../src/server/redactors.ts';
import { SessionSecrets } from '../../../src/server/session-secrets.ts';

const log = { warn: () => {} } as unknown as Log;
const value = (name: string, text: string) => ({ name, variable: name.toUpperCase(), value: text });

test('sessions of a profile with the same values share what redacts them; with others each has its own', () => {
  const redactors = new Redactors();
  const session = (profile: string) => new SessionSecrets(profile, log, redactors);
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
