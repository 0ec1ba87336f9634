// What zod finds in a file, in words, as mistakes with a line and a column.
import type * as z from 'zod';
import { type Mistake, type Path, quote } from './diagnostic.ts';
import type { Document } from './document.ts';
import { nearest } from './suggestion.ts';

/** Zod's error map for people: hand it to `safeParse`, then the result's error to `mistakesOf`. */
export const inWords: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = Object.keys((issue.inst as { shape?: object } | undefined)?.shape ?? {});
      return issue.keys.map((key) => unknownKey(key, known)).join('\n');
    }
    case 'invalid_type':
      if (issue.input === undefined) return 'is missing';
      return `must be ${KIND[issue.expected] ?? issue.expected}, not ${kindOf(issue.input)}`;
    case 'invalid_value':
      return oneOf(issue.input, issue.values.map(String));
    case 'invalid_key':
      return issue.issues[0]?.message;
    case 'too_small':
      return issue.minimum === 1 && issue.origin !== 'number'
        ? 'is empty'
        : `must be at least ${issue.minimum}`;
    case 'too_big':
      return issue.origin === 'string'
        ? `is longer than ${issue.maximum} characters`
        : `must be at most ${issue.maximum}`;
    default:
      return undefined;
  }
};

const KIND: Readonly<Record<string, string>> = {
  object: 'a map',
  record: 'a map',
  array: 'a list',
  string: 'text',
  boolean: 'true or false',
  number: 'a number',
  int: 'a whole number',
};

function kindOf(value: unknown): string {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'a map' : (KIND[typeof value] ?? typeof value);
}

/** `must be one of …`, with the nearest when a word was meant. */
export function oneOf(input: unknown, values: readonly string[]): string {
  if (input === undefined) return 'is missing';
  const near = typeof input === 'string' ? nearest(input, values) : undefined;
  const meant = near === undefined ? '' : `; did you mean "${near}"?`;
  const is = typeof input === 'string' ? quote(input) : kindOf(input);
  return `must be ${values.join(' or ')}, not ${is}${meant}`;
}

function unknownKey(key: string, known: readonly string[]): string {
  const near = nearest(key, known);
  if (near !== undefined) return `unknown key; did you mean "${near}"?`;
  return known.length === 0 ? 'unknown key' : `unknown key; known here: ${known.join(', ')}`;
}

/** Every mistake that zod found, placed in the document. */
export function mistakesOf(error: z.core.$ZodError, document: Document): Mistake[] {
  return error.issues.flatMap((issue) => mistakes(issue, [], document));
}

function mistakes(issue: z.core.$ZodIssue, base: Path, document: Document): Mistake[] {
  const path = [...base, ...issue.path.map((part) => (typeof part === 'number' ? part : String(part)))];
  if (issue.code === 'unrecognized_keys') {
    const said = issue.message.split('\n');
    return issue.keys.map((key, index) =>
      document.mistake([...path, key], said[index] ?? 'unknown key', { key: true }),
    );
  }
  if (issue.code === 'invalid_union') {
    // The branch that was meant is the one of the right kind: the mistake lies deeper in, or in a key of it.
    const meant = issue.errors.find((inner) =>
      inner.every((one) => one.path.length > 0 || one.code === 'unrecognized_keys'),
    );
    if (meant !== undefined) return meant.flatMap((inner) => mistakes(inner, path, document));
  }
  return [document.mistake(path, issue.message, { key: issue.code === 'invalid_key' })];
}
