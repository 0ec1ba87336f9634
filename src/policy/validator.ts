// Compiles JSON Schemas (2020-12) by `ajv`. What would let a call's arguments hold the event loop, or make a schema
// say less than it seems to, is shut out: regular expressions run in time linear in the text (`re2js`), so does
// `uniqueItems`, nothing is fetched, and a keyword or format that is not known is an error.
import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';
import { RE2JS } from 're2js';
import { fold } from './fold.ts';

/** Judges a value by a compiled schema: undefined, or why it does not fit. */
export type Validator = (value: unknown) => string | undefined;

/** Compiles a schema. Returns why it cannot be compiled, if so. */
export function compileSchema(schema: Readonly<Record<string, unknown>>): Validator | string {
  try {
    const validate = makeCompiler().compile(schema);
    if ('$async' in validate) return '"$async" is not a keyword of JSON Schema';
    return (value) => (validate(value) === true ? undefined : describe(validate.errors ?? []));
  } catch (error) {
    return (error as Error).message;
  }
}

/** One for each schema: what one defines is not there for another. */
function makeCompiler(): Ajv2020 {
  const compiler = new Ajv2020({
    strictSchema: true,
    strictTypes: false,
    strictRequired: false,
    ownProperties: true,
    logger: false,
    code: { regExp: Object.assign(linearPattern, { code: 'linearPattern' }) },
  });
  compiler.removeKeyword('uniqueItems');
  compiler.addKeyword({
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    validate: (isWanted: boolean, items: readonly unknown[]) =>
      !isWanted || new Set(items.map(canonical)).size === items.length,
  });
  return compiler;
}

function linearPattern(source: string): { test(text: string): boolean; toString(): string } {
  const pattern = RE2JS.compile(RE2JS.translateRegExp(source));
  // The compiler takes patterns that have one text for the same pattern.
  return { test: (text) => pattern.matcher(text).find(), toString: () => source };
}

/** Tells of a name whether it fits each pattern as it is written, or in no spelling. Time is linear in the name. */
export function plainNames(sources: readonly string[]): (name: string) => boolean {
  const patterns = sources.map((source) => {
    const text = RE2JS.translateRegExp(source);
    return { exact: RE2JS.compile(text), loose: RE2JS.compile(text, RE2JS.CASE_INSENSITIVE) };
  });
  return (name) =>
    patterns.every(
      ({ exact, loose }) =>
        exact.matcher(name).find() || !(loose.matcher(name).find() || loose.matcher(fold(name)).find()),
    );
}

/** A text that equal values share, and no others. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}

function describe([error]: readonly ErrorObject[]): string {
  if (error === undefined) return 'the arguments do not meet the condition';
  const { instancePath, message = 'does not fit', params } = error;
  const place = instancePath === '' ? 'the arguments' : JSON.stringify(instancePath.slice(1));
  const wanted: unknown = params.allowedValue ?? params.allowedValues;
  return `${place} ${message}${wanted === undefined ? '' : ` ${JSON.stringify(wanted)}`}`;
}
