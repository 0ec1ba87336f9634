// Turns the errors of zod into messages for people, and into diagnostics with a line and a column.
import type * as z from 'zod';
import { type Diagnostic, type Path, quote } from './diagnostic.ts';
import type { YamlDocument } from './document.ts';
import { suggest } from './suggestion.ts';

/** An error map for zod: pass it to `safeParse`, then pass the result's error to `mistakesOf`. */
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

/** `must be a or b, not "c"`, with a suggestion if the input is a misspelt value. */
export function describeEnum(input: unknown, values: readonly string[]): string {
  if (input === undefined) return 'is missing';
  const suggestion = typeof input === 'string' ? suggest(input, values) : undefined;
  const hint = suggestion === undefined ? '' : `; did you mean "${suggestion}"?`;
  const is = typeof input === 'string' ? quote(input) : typeName(input);
  return `must be ${values.join(' or ')}, not ${is}${hint}`;
}

function describeUnknownKey(key: string, known: readonly string[]): string {
  const suggestion = suggest(key, known);
  if (suggestion !== undefined) return `unknown key; did you mean "${suggestion}"?`;
  return known.length === 0 ? 'unknown key' : `unknown key; known here: ${known.join(', ')}`;
}

/** A diagnostic for each error that zod found, with its place in the document. */
export function toDiagnostics(error: z.core.$ZodError, document: YamlDocument): Diagnostic[] {
  return error.issues.flatMap((issue) => issueDiagnostics(issue, [], document));
}

function issueDiagnostics(issue: z.core.$ZodIssue, base: Path, document: YamlDocument): Diagnostic[] {
  const path = [...base, ...issue.path.map((part) => (typeof part === 'number' ? part : String(part)))];
  if (issue.code === 'unrecognized_keys') {
    const messages = issue.message.split('\n');
    return issue.keys.map((key, index) =>
      document.diagnose([...path, key], messages[index] ?? 'unknown key', { key: true }),
    );
  }
  if (issue.code === 'invalid_union') {
    // The intended branch is the one of the right type: its errors are about a member, or about unknown keys.
    const branch = issue.errors.find((inner) =>
      inner.every((nested) => nested.path.length > 0 || nested.code === 'unrecognized_keys'),
    );
    if (branch !== undefined) return branch.flatMap((inner) => issueDiagnostics(inner, path, document));
  }
  return [document.diagnose(path, issue.message, { key: issue.code === 'invalid_key' })];
}
