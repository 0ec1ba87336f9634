import { expect, test } from 'vitest';
import { SecretMirror } from '../../../../src/egress/thread/secret-mirror.ts';

const FIRST = 'ghp_16C7e42F292c6912E7710c838347Ae178B4a';
const SECOND = 'ghp_aNewValueThatIsAsLongAsTheOld0123456';

test('a text is redacted by what the thread has told last, former values included [W-EGR-20] [W-SEAL-1]', () => {
  const mirror = new SecretMirror();
  expect(mirror.redact(`it is ${FIRST}`)).toBe(`it is ${FIRST}`);
  mirror.set([FIRST], ['ghp_placeholder']);
  expect(mirror.redact(`it is ${FIRST}, or ${Buffer.from(FIRST).toString('hex')}`)).not.toContain(FIRST);
  mirror.set([SECOND, FIRST], ['ghp_placeholder', 'ghp_placeholder']);
  const text = mirror.redact(`${FIRST} then ${SECOND}`);
  expect(text).not.toContain(FIRST);
  expect(text).not.toContain(SECOND);
  expect(text).toContain(' then ');
});

test('a value that was there before is the same object: the search for it is not made anew', () => {
  const mirror = new SecretMirror();
  mirror.set([FIRST], ['a']);
  const [before] = mirror.secrets;
  mirror.set([SECOND, FIRST], ['b', 'a']);
  expect(mirror.secrets[1]).toBe(before);
});
