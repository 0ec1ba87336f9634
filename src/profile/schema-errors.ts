// What zod finds in a file, in words, as mistakes with a line and a column.
import type * as z from 'zod';
import { type Diagnostic, type Path, quote } from './diagnostic.ts';
import type { YamlDocument } from './document.ts';
import { suggest } from './suggestion.ts';

/** Zod's error map for people: hand it to `safeParse`, then the result's error to `mistakesOf`. */
export const describeIssue: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = Object.keys((issue.inst as { shape?: object } | undefined)?.shape ?? {});
      return issue.keys.map((key) => describeUnknownKey(key, known)).join('\n');
    }
    case 'invalid_type':
      if (issue.input === undefined) return 'is missing';
      return `must be ${TYPE_NAMES[issue.expected] ?? issue.expected}, not ${typeName(issue.input)}`;
    case 'invalid_value':
      return describeEnum(issue.input, issue.values.map(String));
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

const TYPE_NAMES: Readonly<Record<string, string>> = {
  object: 'a map',
  record: 'a map',
  array: 'a list',
  string: 'text',
  boolean: 'true or false',
  number: 'a number',
  int: 'a whole number',
};

function typeName(value: unknown): string {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'a map' : (TYPE_NAMES[typeof value] ?? typeof value);
}

/** `must be one of …`, with the nearest when a word was meant. */
export function describeEnum(input: unknown, values: readonly string[]): string {
  if (input === undefined) return 'is missing';
  const near = typeof input === 'string' ? suggest(input, values) : undefined;
  const meant = near === undefined ? '' : `; did you mean "${near}"?`;
  const is = typeof input === 'string' ? quote(input) : typeName(input);
  return `must be ${values.join(' or ')}, not ${is}${meant}`;
}

function describeUnknownKey(key: string, known: readonly string[]): string {
  const near = suggest(key, known);
  if (near !== undefined) return `unknown key; did you mean "${near}"?`;
  return known.length === 0 ? 'unknown key' : `unknown key; known here: ${known.join(', ')}`;
}

/** Every mistake that zod found, placed in the document. */
export function toDiagnostics(error: z.core.$ZodError, document: YamlDocument): Diagnostic[] {
  return error.issues.flatMap((issue) => issueDiagnostics(issue, [], document));
}

function issueDiagnostics(issue: z.core.$ZodIssue, base: Path, document: YamlDocument): Diagnostic[] {
  const path = [...base, ...issue.path.map((part) => (typeof part === 'number' ? part : String(part)))];
  if (issue.code === 'unrecognized_keys') {
    const said = issue.message.split('\n');
    return issue.keys.map((key, index) =>
      document.diagnose([...path, key], said[index] ?? 'unknown key', { key: true }),
    );
  }
  if (issue.code === 'invalid_union') {
    // The branch that was meant is the one of the right kind: the mistake lies deeper in, or in a key of it.
    const meant = issue.errors.find((inner) =>
      inner.every((one) => one.path.length > 0 || one.code === 'unrecognized_keys'),
    );
    if (meant !== undefined) return meant.flatMap((inner) => issueDiagnostics(inner, path, document));
  }
  return [document.diagnose(path, issue.message, { key: issue.code === 'invalid_key' })];
}
