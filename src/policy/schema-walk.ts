// Looks through the JSON Schema of a condition: for the names of members that it speaks of, and for what would let judging take
// longer than the arguments are long, or make the schema say less than it seems to.
import { fold } from './fold.ts';

/** Keywords whose value is data, not a schema. */
const DATA = new Set(['const', 'enum', 'default', 'examples', '$comment', 'title', 'description']);
/** Keywords whose members are schemas, or lists of names, by names of their own. */
const BY_NAME = new Set([
  'properties',
  'patternProperties',
  'dependentSchemas',
  'dependentRequired',
  'dependencies',
  '$defs',
  'definitions',
]);
/** Of these, those whose names are names of members. */
const BY_MEMBER = new Set(['properties', 'dependentSchemas', 'dependentRequired', 'dependencies']);
/** How many subschemas are judged at most for one value, those that are referred to counted each time. */
const MAX_STEPS = 10_000;

type Schema = Readonly<Record<string, unknown>>;

/** What a schema says of the names of members. */
export interface Spoken {
  /** By their folded forms. */
  readonly names: ReadonlyMap<string, string>;
  /** Patterns of names, by RE2's syntax. */
  readonly patterns: readonly string[];
}

/** All names of members that a schema speaks of, at any depth. */
export function spokenOf(schema: Schema): Spoken {
  const names = new Map<string, string>();
  const patterns = new Set<string>();
  const add = (found: unknown): void => {
    for (const name of Array.isArray(found) ? found : [found])
      if (typeof name === 'string') names.set(fold(name), name);
  };
  const open: { readonly schema: unknown; readonly isName: boolean }[] = [{ schema, isName: false }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { isName } = next;
    if (!isObject(next.schema)) continue;
    for (const [keyword, value] of Object.entries(next.schema)) {
      if (keyword === 'required' || (isName && (keyword === 'const' || keyword === 'enum'))) add(value);
      if (isName && keyword === 'pattern' && typeof value === 'string') patterns.add(value);
      if (BY_MEMBER.has(keyword) && isObject(value)) {
        add(Object.keys(value));
        if (keyword.startsWith('depend')) Object.values(value).forEach(add);
      }
      if (keyword === 'patternProperties' && isObject(value))
        for (const pattern of Object.keys(value)) patterns.add(pattern);
      const inner = isName || keyword === 'propertyNames';
      for (const each of schemasIn(keyword, value)) open.push({ schema: each, isName: inner });
    }
  }
  return { names, patterns: [...patterns] };
}

/** Why a schema cannot be used; undefined if it can. */
export function schemaProblem(root: Schema): string | undefined {
  let steps = 0;
  const visit = (schema: unknown, within: readonly unknown[]): string | undefined => {
    if (!isObject(schema)) return undefined;
    if (within.includes(schema)) return 'it refers to itself: its time would not be bounded';
    if (++steps > MAX_STEPS) return 'it is too large with what it refers to';
    const path = [...within, schema];
    for (const [keyword, value] of Object.entries(schema)) {
      if (/^\$(?:dynamicRef|dynamicAnchor|recursiveRef|recursiveAnchor|anchor)$/.test(keyword))
        return `"${keyword}" is not supported: use "$ref" with "#/$defs/…"`;
      if (keyword === '$ref' && !/^#(?:\/|$)/.test(String(value)))
        return `"$ref" leads within the schema only: "#/$defs/…"`;
      if (keyword === '$id' && schema !== root) return 'only the whole schema can have an "$id"';
      if (BY_NAME.has(keyword) && isObject(value) && Object.hasOwn(value, '__proto__'))
        return 'no member can be named "__proto__"';
      // What is only defined is judged where it is referred to.
      const inner =
        keyword === '$ref'
          ? [target(root, value)]
          : keyword === '$defs' || keyword === 'definitions'
            ? []
            : schemasIn(keyword, value);
      for (const each of inner) {
        const problem = visit(each, path);
        if (problem !== undefined) return problem;
      }
    }
    return undefined;
  };
  return visit(root, []);
}

/** What a reference within the schema leads to (RFC 6901); undefined: the compiler reports it. */
function target(root: Schema, reference: unknown): unknown {
  if (typeof reference !== 'string') return undefined;
  let found: unknown = root;
  try {
    for (const part of decodeURIComponent(reference).split('/').slice(1)) {
      const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
      found = typeof found === 'object' && found !== null ? (found as Schema)[name] : undefined;
    }
  } catch {
    return undefined;
  }
  return found;
}

function schemasIn(keyword: string, value: unknown): readonly unknown[] {
  if (DATA.has(keyword)) return [];
  if (BY_NAME.has(keyword)) return isObject(value) ? Object.values(value) : [];
  return Array.isArray(value) ? value : [value];
}

function isObject(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
