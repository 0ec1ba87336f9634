import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hasDuplicateMembers } from '../../../src/json/duplicates.ts';

const numRuns = process.env.SLOW === undefined ? 1000 : 100_000;

/** A value as a tree whose objects are lists of members, so that it can be written with one of them twice. */
type Tree = string | readonly Tree[] | { readonly members: readonly (readonly [string, Tree])[] };

const name = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 3 }),
  fc.constantFrom('a', 'b', '__proto__', 'constructor', ''),
);
const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom('1', 'null', '"a"', '"{\\"a\\":1,\\"a\\":2}"'),
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.record({ members: fc.array(fc.tuple(name, tie('tree')), { maxLength: 12 }) }),
  ),
}));

function hasTwice(value: Tree): boolean {
  if (typeof value === 'string') return false;
  if (!('members' in value)) return value.some(hasTwice);
  const names = value.members.map(([text]) => text.toWellFormed());
  return new Set(names).size < names.length || value.members.some(([, member]) => hasTwice(member));
}

/** JSON text of a name, each character plain or as an escape, as `escapes` says. */
function spell(text: string, escapes: Iterator<boolean>): string {
  const units = Array.from(text, (character) =>
    escapes.next().value === true || !character.isWellFormed()
      ? character
          .split('')
          .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
          .join('')
      : JSON.stringify(character).slice(1, -1),
  );
  return `"${units.join('')}"`;
}

function write(value: Tree, escapes: Iterator<boolean>): string {
  if (typeof value === 'string') return value;
  if (!('members' in value)) return `[${value.map((item) => write(item, escapes)).join(',')}]`;
  const members = value.members.map(([text, item]) => `${spell(text, escapes)}:${write(item, escapes)}`);
  return `{${members.join(',')}}`;
}

test('W-RELAY-20 a member that is there twice is found, however its name is spelled', () => {
  fc.assert(
    fc.property(tree, fc.infiniteStream(fc.boolean()), (value, escapes) => {
      const bytes = Buffer.from(write(value, escapes));
      expect(hasDuplicateMembers(bytes, 0, bytes.length)).toBe(hasTwice(value));
    }),
    { numRuns },
  );
});
