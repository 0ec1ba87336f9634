import fc from 'fast-check';
import { expect, test } from 'vitest';
import { questionLines } from '../../../src/consent/question.ts';
import { excerptOf, wrappedLines } from '../../../src/consent/ways/excerpt.ts';
import { makeQuestion } from '../../fixtures/question.ts';

test('an excerpt fits, begins as the question begins, and is whole only if nothing is missing', () => {
  fc.assert(
    fc.property(fc.json(), fc.integer({ min: 120, max: 2000 }), (json, room) => {
      const question = makeQuestion({ arguments: json });
      const { text, isWhole } = excerptOf(question, (part) => part.length <= room);
      const whole = questionLines(question).join('\n');
      expect(text.length).toBeLessThanOrEqual(room);
      if (isWhole) expect(text).toBe(whole);
      else expect(whole.startsWith((text.split('… and more.')[0] ?? '').replace(/…?\n$/, ''))).toBe(true);
      expect(isWhole).toBe(whole.length <= room);
    }),
  );
});

test('what the server says of itself is not in an excerpt', () => {
  const { text, isWhole } = excerptOf(makeQuestion({ claims: ['read-only'] }), () => true);
  expect(text).not.toContain('read-only');
  expect(isWhole).toBe(true);
});

test('lines are counted as they are wrapped', () => {
  expect(wrappedLines('a\n\nb', 10)).toBe(3);
  expect(wrappedLines('x'.repeat(25), 10)).toBe(3);
  expect(wrappedLines('漢'.repeat(10), 10)).toBe(2);
});
