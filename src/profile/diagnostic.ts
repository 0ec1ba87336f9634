// Mistakes in a file that a person wrote: each names its line, column, key and the nearest thing that was
// perhaps meant. All of them are told at once, because mending a file one error at a time is tiresome.
import type * as z from 'zod';
import { type ErrorCode, WarderError } from '../errors.ts';
import type { Document, Path } from './document.ts';

/** One mistake: where it is, in which key (`credentials.TOKEN.hosts`; empty for the whole file), and what. */
export interface Mistake {
  readonly line: number;
  readonly column: number;
  readonly key: string;
  readonly what: string;
  readonly hint?: string | undefined;
}

/** How many mistakes one error tells of. */
const TOLD = 12;

/**
 * One error for all mistakes of `file`: the first on the message's first line, the others on lines of their
 * own. `subject` opens the message (`profile "github" is broken`).
 */
export function broken(
  code: ErrorCode,
  subject: string,
  file: string,
  mistakes: readonly Mistake[],
): WarderError {
  const sorted = [...mistakes].sort((a, b) => a.line - b.line || a.column - b.column);
  const lines = sorted.map(
    (m) => `${file}:${m.line}:${m.column}: ${m.key === '' ? '' : `${m.key}: `}${m.what}`,
  );
  const told = [...new Set(lines)];
  const rest = told.length > TOLD ? [`and ${told.length - TOLD} more`] : [];
  const hint = sorted.find((mistake) => mistake.hint !== undefined)?.hint;
  return new WarderError(
    code,
    `${subject}: ${[...told.slice(0, TOLD), ...rest].join('\n  ')}`,
    hint === undefined ? {} : { hint },
  );
}

/** A path as people write it: `server.args[0]`. Keys with odd characters are quoted. */
export function keyOf(path: Path): string {
  return path
    .map((part, index) => {
      if (typeof part === 'number') return `[${part}]`;
      const text = /^[\w*/-]{1,64}$/.test(part) ? part : quote(part);
      return index === 0 ? text : `.${text}`;
    })
    .join('');
}

/** A text in quotes, on one line and not endless. Not for values that may be secret. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}

/** The one of `known` that was perhaps meant by `word`, or `undefined` when none is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const plain = (text: string): string => text.toLowerCase().replaceAll('_', '-');
  const limit = Math.max(1, Math.min(3, Math.floor(word.length / 3)));
  const near = known
    .map((name) => ({ name, distance: distance(plain(word), plain(name)) }))
    .filter((candidate) => candidate.distance <= limit)
    .sort((a, b) => a.distance - b.distance);
  return near[0]?.name;
}

/** Damerau-Levenshtein distance (neighbours swapped count one). */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 3) return 4;
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((next[j - 1] ?? 0) + 1, (row[j] ?? 0) + 1, (row[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      }
      next.push(cost);
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}

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
