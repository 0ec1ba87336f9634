// The log as CSV (RFC 4180), for a spreadsheet. Names of tools, rules and reasons come from servers and hosts,
// so a cell that a spreadsheet would treat as a formula gets a leading apostrophe.
import { canonical, type JsonObject } from './chain/canonical.ts';
import type { Entry } from './chain/chain.ts';

const COLUMNS = [
  'seq',
  'time',
  'event',
  'profile',
  'session',
  'call',
  'tool',
  'method',
  'target',
  'decision',
  'rule',
  'reason',
  'outcome',
  'ms',
  'bytes',
  'credential',
  'version',
  'action',
] as const;

/** The characters that begin a formula in some spreadsheet. */
const FORMULA = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;

/** The header line. The column `other` holds all other members of a record as JSON. */
export const CSV_HEAD = `${[...COLUMNS, 'other', 'hash'].join(',')}\r\n`;

/** A record as a line of CSV. */
export function csvLine(entry: Entry): string {
  const columns = new Set<string>([...COLUMNS, 'hash', 'prev']);
  const rest: JsonObject = Object.fromEntries(Object.entries(entry).filter(([name]) => !columns.has(name)));
  const other = Object.keys(rest).length === 0 ? '' : canonical(rest);
  return `${[...COLUMNS.map((name) => entry[name] ?? ''), other, entry.hash].map(cell).join(',')}\r\n`;
}

function cell(value: unknown): string {
  if (typeof value === 'number') return String(value);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const safe = FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
