// Formats records for people. They contain text from hosts and servers: control characters are escaped here,
// whatever the terminal does, so that none of them moves, hides or colours what is printed.
import type { Json, JsonObject } from './chain/canonical.ts';
import type { Entry } from './chain/chain.ts';
import { escapeUnprintable } from './printable.ts';
import type { Call, RecordDetails } from './read.ts';

/** The columns of a table of calls. */
export const CALL_COLUMNS = ['SEQ', 'TIME', 'PROFILE', 'CALL', 'DECISION', 'OUTCOME', 'MS', 'BYTES', 'RULE'];

/** The columns of a table of records. */
export const RECORD_COLUMNS = ['SEQ', 'TIME', 'EVENT', 'PROFILE', 'DETAIL'];

/** The most characters of a record's detail on one line. */
const MAX_DETAIL = 240;

/** A call as a row of a table. */
export function callRow(call: Call): string[] {
  const { seq, time, profile, decision, outcome, ms, bytes, rule, reason } = call;
  const why = reason === null ? rule : `${rule}: ${reason}`;
  return [seq, time, profile, nameOf(call), decision, outcome ?? '-', ms ?? '-', bytes ?? '-', why].map(
    display,
  );
}

/** A tool's name; of another request its method and what it acts on, and of a question that the server asks. */
function nameOf({ event, tool, method, target }: Call): string {
  if (tool !== null) return tool;
  return event === 'question' ? `server: ${method}` : target === null ? method : `${method} ${target}`;
}

/** A record as a row of a table; a long detail is truncated. */
export function recordRow(entry: Entry): string[] {
  const text = display(detail(entry));
  const short = text.length > MAX_DETAIL ? `${text.slice(0, MAX_DETAIL)}…` : text;
  return [...[entry.seq, entry.time, entry.event, entry.profile ?? '-'].map(display), short];
}

/** A call or another record, with the records that belong to it, as rows. */
export function detailRows({ record, session, events, result, close }: RecordDetails): string[][] {
  const rows: string[][] = [];
  const row = (name: string, ...texts: unknown[]): void => {
    rows.push([name, texts.map(display).join('  ')]);
  };
  row('record', record.seq, record.time, record.event);
  if (record.call !== undefined) row('call', record.call);
  if (record.profile !== undefined) row('profile', record.profile);
  if (session !== null) {
    const { chain = [], cwd = '' } = members(session.host);
    for (const [i, process] of (Array.isArray(chain) ? chain : []).entries()) {
      const { pid, exe = '' } = members(process);
      row(i === 0 ? 'asked by' : '', exe, `pid ${display(pid)}`);
    }
    if (cwd !== '') row('in', cwd);
    row('session', session.session, `since ${session.time}`, `record ${session.seq}`);
    row(
      'server',
      texts(session.command)
        .map((word) => (/\s|^$/.test(word) ? JSON.stringify(word) : word))
        .join(' '),
    );
    row('sandbox', texts(members(session.sandbox).layers).join(', '));
    for (const credential of Array.isArray(session.credentials) ? session.credentials : []) {
      const { name, variable, version, deliver } = members(credential);
      row(
        'credential',
        name,
        `as ${display(variable)}`,
        `version ${display(version)}`,
        `by ${display(deliver)}`,
      );
    }
  }
  if (record.event === 'tool.call') {
    row('tool', record.tool, `request ${display(record.id)}`);
    row('arguments', record.arguments);
    row('decision', record.decision, `by ${display(record.rule)}`, record.reason ?? '');
  } else if (record.event === 'request' || record.event === 'question') {
    const id = record.id === undefined ? 'notification' : `request ${display(record.id)}`;
    row(record.event === 'question' ? 'server asks' : 'method', record.method, id);
    if (record.target !== undefined) row('target', record.target);
    row('params', record.params);
    row('decision', record.decision, `by ${display(record.rule)}`, record.reason ?? '');
  } else row('detail', detail(record));
  for (const entry of events) row(entry.event, `record ${entry.seq}`, entry.time, detail(entry));
  if (result !== null) {
    const { outcome, ms, bytes, seq } = result;
    row(
      'ended',
      outcome,
      `after ${display(ms)} ms`,
      `${display(bytes)} bytes`,
      result.result,
      `record ${seq}`,
    );
  } else if (awaitsResult(record)) {
    row('ended', close === null ? 'no result so far' : 'no result: the session ended first');
  }
  if (close !== null) row('session end', close.time, close.reason, `record ${close.seq}`);
  return rows;
}

/** Whether a record is of something that was let through and has an end. */
function awaitsResult({ event, decision, id }: Entry): boolean {
  return ['tool.call', 'request', 'question'].includes(event) && decision === 'allow' && id !== undefined;
}

/** The other members of a record, on one line. */
function detail(entry: Entry): string {
  const { seq, time, event, profile, prev, hash, session, ...rest } = entry;
  return Object.entries({ session, ...rest })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ');
}

function display(value: unknown): string {
  const text = typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value);
  return escapeUnprintable(text);
}

function members(value: Json | undefined): JsonObject {
  return isObject(value) ? value : {};
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function texts(value: Json | undefined): string[] {
  return Array.isArray(value)
    ? value.map((item) => (typeof item === 'string' ? item : JSON.stringify(item)))
    : [];
}
