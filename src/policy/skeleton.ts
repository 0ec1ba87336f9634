// What a name looks like: names that people take for each other have the same skeleton (compare UTS #39 section 4).
import { fold } from './fold.ts';

/**
 * Letters and signs that look like a Latin letter or a digit in the fonts of terminals, a Latin character and those that look
 * like it in each entry: of Cyrillic, Greek, Armenian, Cherokee, Latin and signs, in folded form. Written from the look of
 * the characters; UTS #39 has many more, of scripts that no name of a tool is mixed with.
 */
const ALIKE: readonly (readonly [latin: string, others: string])[] = [
  ['a', '\u0430\u03b1\u0251'],
  ['b', '\u044c\u03b2\u0185'],
  ['c', '\u0441\u03f2\u1d04'],
  ['d', '\u0501\u0257'],
  ['e', '\u0435\u03b5\u212e\u04bd'],
  ['f', '\u03dd\u0192'],
  ['g', '\u0261\u050d\u0581'],
  ['h', '\u04bb\u0570\u043d'],
  ['i', '\u0456\u03b9\u0131\u0269\u04cf1l|!'],
  ['j', '\u0458\u03f3'],
  ['k', '\u043a\u03ba\u049b'],
  ['m', '\u043c'],
  ['n', '\u043f\u03b7\u0578\u057c'],
  ['o', '\u043e\u03bf\u0585\u03c3\u09660'],
  ['p', '\u0440\u03c1'],
  ['q', '\u051b\u0563'],
  ['r', '\u0433\u1d26'],
  ['s', '\u0455\ua731'],
  ['t', '\u0442\u03c4'],
  ['u', '\u057d\u03c5\u028b'],
  ['v', '\u0475\u03bd\u1d20'],
  ['w', '\u051d\u03c9\u0461'],
  ['x', '\u0445\u03c7'],
  ['y', '\u0443\u03b3\u04af'],
  ['z', '\u1d22\u0290'],
  ['3', '\u0437\u04e1'],
  ['4', '\u0447'],
  ['6', '\u0431'],
  ['-', '\u2010\u2011\u2012\u2013\u2014\u2015\u2212'],
  ['.', '\u2024\u00b7\u2027'],
  ['/', '\u2215\u2044'],
];

const LATIN = new Map(
  ALIKE.flatMap(([latin, others]) => [...others].map((other) => [other, latin] as const)),
);

/** Combining marks: they hide in small print. */
const MARKS = /\p{Mn}/gu;

/** What names that are taken for each other have in common, and no others. */
export function skeletonOf(name: string): string {
  const folded = fold(name).normalize('NFD').replace(MARKS, '');
  return [...folded].map((character) => LATIN.get(character) ?? character).join('');
}

/**
 * Whether a label of a host name is written to look like another: with letters of several scripts, or with letters that
 * are no Latin ones with an accent and look like Latin ones all the same.
 */
export function isDisguised(label: string): boolean {
  if (LATIN_LETTER.test(label) && FOREIGN_LETTER.test(label)) return true;
  // Not folded: that would make an `i` of the dotless one.
  const plain = label.normalize('NFD').replace(MARKS, '').replaceAll('\u00df', 'ss');
  return ASCII.test(skeletonOf(label)) && !ASCII.test(plain);
}

const ASCII = /^[\x21-\x7e]*$/;
const LATIN_LETTER = /\p{Script=Latin}/u;
const FOREIGN_LETTER = /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}]/u;
