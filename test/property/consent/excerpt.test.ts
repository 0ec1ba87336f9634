import fc from 'fast-check';
import { expect, test } from 'vitest';
import { columnsOf, wrapLine } from '../../../src/audit/printable.ts';
import { questionLines } from '../../../src/consent/questions/question.ts';
import { excerptOf } from '../../../src/consent/ways/excerpt.ts';
import { makeQuestion } from '../../fixtures/question.ts';

/** What `wrap` has made of lines, as one text without breaks and indents. */
const flat = (text: string): string => text.replace(/\n */g, '');

test('W-CONS-20 an excerpt fits, begins as the question begins, and is whole only if nothing is missing', () => {
  fc.assert(
    fc.property(fc.json(), fc.integer({ min: 120, max: 2000 }), (json, room) => {
      const question = makeQuestion({ arguments: json });
      const { text, isWhole } = excerptOf(question, { columns: 80, fits: (part) => part.length <= room });
      const whole = flat(questionLines(question).join('\n'));
      expect(text.length).toBeLessThanOrEqual(room);
      if (isWhole) expect(flat(text).replaceAll(' ', '')).toBe(whole.replaceAll(' ', ''));
      const [shown = ''] = text.split('(cut) All of it');
      expect(
        whole.replaceAll(' ', '').startsWith(
          flat(shown)
            .replaceAll(' ', '')
            .replace(/(\.\.\.)?$/, ''),
        ),
      ).toBe(true);
      for (const line of text.split('\n')) expect(columnsOf(line)).toBeLessThanOrEqual(80);
    }),
  );
});

test('what the server says of itself is not in an excerpt', () => {
  const { text, isWhole } = excerptOf(makeQuestion({ claims: ['read-only'] }), {
    columns: 80,
    fits: () => true,
  });
  expect(text).not.toContain('read-only');
  expect(isWhole).toBe(true);
});

test('W-CONS-7 a long argument cannot look like a line of its own', () => {
  const text = `${'x'.repeat(70)}host program /usr/bin/other`;
  expect(wrapLine(`  title: "${text}"`, 80)).toEqual([
    `  title: "${'x'.repeat(70)}`,
    '        host program /usr/bin/other"',
  ]);
  expect(wrapLine('漢字'.repeat(10), 10)[0]).toBe('漢字漢字漢');
  // No room for an indent.
  expect(wrapLine('漢字漢字', 4)).toEqual(['漢字漢字']);
});
