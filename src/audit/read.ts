// Reads a log for people: newest first, filtered, and joined to calls. Nothing is verified here. The daemon
// may append meanwhile, and retention may remove a segment: its records are then left out.
import { setTimeout as delay } from 'node:timers/promises';
import { matches } from '../policy/pattern.ts';
import { type Entry, parse } from './chain/chain.ts';
import { type LineText, listSegments, readLines, readLinesBackward, wholeLength } from './file/segments.ts';

/** Selects records. Names may contain `*`; times are milliseconds since the epoch, both ends included. */
export interface Filter {
  readonly profile?: string | undefined;
  readonly tool?: string | undefined;
  readonly event?: string | undefined;
  /** The beginning of a session id. */
  readonly session?: string | undefined;
  readonly decision?: string | undefined;
  readonly outcome?: string | undefined;
  readonly since?: number | undefined;
  readonly until?: number | undefined;
}

/** A line of the log and the record on it. */
export interface LogRecord {
  readonly line: string;
  readonly entry: Entry;
}

/** A tool call: its `tool.call` record, joined with its `tool.result` once there is one. */
export interface Call {
  readonly seq: number;
  readonly time: string;
  readonly session: string;
  readonly call: string;
  readonly profile: string;
  readonly tool: string;
  readonly decision: string;
  readonly rule: string;
  readonly reason: string | null;
  /** `null`: there is no result, or not yet. */
  readonly outcome: string | null;
  readonly ms: number | null;
  readonly bytes: number | null;
}

/** Returns a predicate for the filter. */
export function matcher(filter: Filter): (entry: Entry) => boolean {
  const { since = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY } = filter;
  const names = (['profile', 'tool', 'event', 'decision', 'outcome'] as const).flatMap((member) => {
    const pattern = filter[member];
    return pattern === undefined ? [] : [{ member, pattern }];
  });
  return (entry) => {
    if (!names.every(({ member, pattern }) => matches(pattern, text(entry[member])))) return false;
    if (filter.session !== undefined && !String(entry.session ?? '').startsWith(filter.session)) return false;
    if (filter.since === undefined && filter.until === undefined) return true;
    const time = Date.parse(entry.time);
    return since <= time && time <= until;
  };
}

/** All records, oldest first. */
export async function* records(folder: string): AsyncGenerator<LogRecord> {
  for (const { path } of await listSegments(folder)) {
    yield* unlessRemoved(async function* () {
      for await (const { lines } of readLines(path)) yield* parsed(lines);
    });
  }
}

/** All records, newest first. */
async function* newestRecords(folder: string): AsyncGenerator<LogRecord> {
  for (const { path } of (await listSegments(folder)).toReversed()) {
    yield* unlessRemoved(async function* () {
      const { whole } = await wholeLength(path);
      for await (const lines of readLinesBackward(path, whole)) yield* parsed(lines);
    });
  }
}

/** The newest `limit` records that match, oldest first. */
export async function listRecords(folder: string, filter: Filter, limit: number): Promise<LogRecord[]> {
  const isSelected = matcher(filter);
  const list: LogRecord[] = [];
  for await (const record of newestRecords(folder)) {
    if (list.length === limit) break;
    if (isSelected(record.entry)) list.push(record);
  }
  return list.reverse();
}

/** The newest `limit` calls that match, oldest first. */
export async function listCalls(folder: string, filter: Filter, limit: number): Promise<Call[]> {
  const { outcome, ...rest } = filter;
  const isSelected = matcher({ ...rest, event: 'tool.call' });
  const results = new Map<string, Entry>();
  const list: Call[] = [];
  for await (const { entry } of newestRecords(folder)) {
    if (list.length === limit) break;
    if (entry.event === 'tool.result') results.set(String(entry.call), entry);
    if (entry.event !== 'tool.call') continue;
    const result = results.get(String(entry.call));
    results.delete(String(entry.call));
    if (!isSelected(entry) || (outcome !== undefined && !matches(outcome, text(result?.outcome)))) continue;
    list.push(joinCall(entry, result));
  }
  return list.reverse();
}

/** A call or another record, with the records that belong to it. */
export interface RecordDetails {
  /** The requested record; for a call, its `tool.call`. */
  readonly record: Entry;
  /** The `session.open` of its session. */
  readonly session: Entry | null;
  /** Records of the same call, and uses of credentials in the session before it ended, oldest first. */
  readonly events: readonly Entry[];
  readonly result: Entry | null;
  /** The `session.close` of its session. */
  readonly close: Entry | null;
}

/**
 * Finds a record by its number, or a call by the beginning of its id, with the records that belong to it. If
 * several ids begin with it, their list is returned, unless one is equal to it.
 */
export async function findDetails(
  folder: string,
  key: string,
): Promise<RecordDetails | { readonly calls: string[] }> {
  const { record, calls } = await find(folder, key);
  if (record === undefined) return { calls };
  const { session, call } = record;
  const details = { record, session: null, result: null, close: null } as {
    -readonly [K in keyof RecordDetails]: RecordDetails[K];
  };
  const events: Entry[] = [];
  for await (const { entry } of records(folder)) {
    const ofCall = call !== undefined && entry.call === call;
    if (entry.seq === record.seq) continue;
    if (entry.event === 'tool.result' && ofCall) details.result = entry;
    else if (ofCall) events.push(entry);
    else if (session === undefined || entry.session !== session) continue;
    else if (entry.event === 'session.open') details.session = entry;
    else if (entry.event === 'session.close') details.close = entry;
    else if (entry.event === 'credential.use' && entry.call === undefined && details.result === null)
      events.push(entry);
  }
  return { ...details, events };
}

async function find(folder: string, key: string): Promise<{ record: Entry | undefined; calls: string[] }> {
  const seq = /^[1-9]\d{0,15}$/.test(key) ? Number(key) : undefined;
  const calls = new Map<string, Entry>();
  for await (const { entry } of newestRecords(folder)) {
    if (entry.seq === seq) {
      // The number of a result selects its call.
      if (entry.event !== 'tool.result') return { record: entry, calls: [] };
      return find(folder, String(entry.call));
    }
    const id = entry.event === 'tool.call' ? String(entry.call) : '';
    if (id === key) return { record: entry, calls: [] };
    if (id.startsWith(key) && id !== '') calls.set(id, entry);
  }
  const [only] = calls.values();
  return { record: calls.size === 1 ? only : undefined, calls: [...calls.keys()] };
}

/** A position in the log: after byte `end` of a segment. */
export interface Position {
  readonly name: string;
  readonly end: number;
}

/** The current end of the log. */
export async function position(folder: string): Promise<Position> {
  const last = (await listSegments(folder)).at(-1);
  return last === undefined
    ? { name: '', end: 0 }
    : { name: last.name, end: (await wholeLength(last.path)).whole };
}

/** Yields the records after a position as they are written, until `signal`. Polls every `poll` milliseconds. */
export async function* follow(
  folder: string,
  from: Position,
  signal: AbortSignal,
  poll: number,
): AsyncGenerator<LogRecord> {
  let { name, end } = from;
  while (!signal.aborted) {
    const segments = (await listSegments(folder)).filter((segment) => segment.name >= name);
    for (const segment of segments) {
      if (segment.name !== name) end = 0;
      name = segment.name;
      yield* unlessRemoved(async function* () {
        for await (const piece of readLines(segment.path, end)) {
          yield* parsed(piece.lines);
          end = piece.end;
        }
      });
    }
    await delay(poll, undefined, { signal }).catch(() => undefined);
  }
}

function* parsed(lines: readonly LineText[]): Generator<LogRecord> {
  for (const line of lines) {
    const entry = line === undefined ? undefined : parse(line);
    if (line !== undefined && entry !== undefined) yield { line, entry };
  }
}

/** Treats a file that retention has just removed as empty. */
async function* unlessRemoved<T>(read: () => AsyncGenerator<T>): AsyncGenerator<T> {
  try {
    yield* read();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function joinCall(entry: Entry, result: Entry | undefined): Call {
  return {
    seq: entry.seq,
    time: entry.time,
    session: text(entry.session),
    call: text(entry.call),
    profile: text(entry.profile),
    tool: text(entry.tool),
    decision: text(entry.decision),
    rule: text(entry.rule),
    reason: entry.reason === undefined ? null : text(entry.reason),
    outcome: result === undefined ? null : text(result.outcome),
    ms: typeof result?.ms === 'number' ? result.ms : null,
    bytes: typeof result?.bytes === 'number' ? result.bytes : null,
  };
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
