// Canonical JSON (RFC 8785) of what a record may hold: null, booleans, strings, arrays, objects, and integers up to 2^53 - 1. A
// lone surrogate in a string becomes U+FFFD, since SHA-256 is over UTF-8.
import { WarderError } from '../../errors.ts';

/** What a record may hold. Members that are `undefined` are left out. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

/** An object of a record. */
export interface JsonObject {
  readonly [member: string]: Json | undefined;
}

/** The deepest nesting: more than any record needs, and too little for a hostile line to exhaust the stack. */
const MAX_DEPTH = 64;

/**
 * RFC 8785 canonical JSON of the subset above. Member names are ordered by UTF-16 code units, as the RFC
 * requires. Throws `audit-unwritable` for a number that is not a safe integer, and beyond 64 levels.
 */
export function canonical(value: Json, depth = 0): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) return String(value);
    throw new WarderError('audit-unwritable', `an audit record cannot hold the number ${value}`);
  }
  if (value === null || typeof value === 'boolean') return String(value);
  if (depth === MAX_DEPTH) throw new WarderError('audit-unwritable', 'an audit record cannot nest so deep');
  if (isList(value)) return `[${value.map((item) => canonical(item, depth + 1)).join(',')}]`;
  let text = '';
  for (const name of sorted(Object.keys(value))) {
    const member = value[name];
    if (member === undefined) continue;
    text += `${text === '' ? '' : ','}${quote(name)}:${canonical(member, depth + 1)}`;
  }
  return `{${text}}`;
}

/** Texts that are the same in JSON: nearly all that records have. */
export const PLAIN = /^[ !#-[\]-~]*$/;

/** A string as JSON. */
export function quote(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  return JSON.stringify(text.isWellFormed() ? text : text.toWellFormed());
}

/** Sorts in place. The names of a record that was read are in order already. */
function sorted(names: string[]): readonly string[] {
  for (let i = 1; i < names.length; i += 1) {
    if (String(names[i - 1]) > String(names[i])) return names.sort();
  }
  return names;
}

function isList(value: object): value is readonly Json[] {
  return Array.isArray(value);
}
