// Reads a log for people: newest first, filtered, and joined to calls. Nothing is verified here. The daemon
// may append meanwhile, and retention may take a segment away: what is gone is left out.
import { setTimeout as delay } from 'node:timers/promises';
import { matches } from '../policy/pattern.ts';
import { type Entry, parse } from './chain/chain.ts';
import { type Line, listSegments, readLines, readLinesBackward, wholeLength } from './file/segments.ts';

/** What to look for. Names may have `*` in them; times are milliseconds since the epoch, both ends included. */
export interface Filter {
  readonly profile?: string | undefined;
  readonly tool?: string | undefined;
  readonly event?: string | undefined;
  /** The beginning of a session's id. */
  readonly session?: string | undefined;
  readonly decision?: string | undefined;
  readonly outcome?: string | undefined;
  readonly since?: number | undefined;
  readonly until?: number | undefined;
}

/** A line of the log and what it holds. */
export interface Record {
  readonly line: string;
  readonly entry: Entry;
}

/** A call on one line: its `tool.call`, and its `tool.result` once there is one. */
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
  /** `null`: no result yet, or none ever. */
  readonly outcome: string | null;
  readonly ms: number | null;
  readonly bytes: number | null;
}

/** Whether a record is looked for. */
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
export async function* records(folder: string): AsyncGenerator<Record> {
  for (const { path } of await listSegments(folder)) {
    yield* tolerant(async function* () {
      for await (const { lines } of readLines(path)) yield* found(lines);
    });
  }
}

/** All records, newest first. */
async function* newestRecords(folder: string): AsyncGenerator<Record> {
  for (const { path } of (await listSegments(folder)).toReversed()) {
    yield* tolerant(async function* () {
      const { whole } = await wholeLength(path);
      for await (const lines of readLinesBackward(path, whole)) yield* found(lines);
    });
  }
}

/** The newest `limit` records that match, oldest first. */
export async function listRecords(folder: string, filter: Filter, limit: number): Promise<Record[]> {
  const wanted = matcher(filter);
  const list: Record[] = [];
  for await (const record of newestRecords(folder)) {
    if (list.length === limit) break;
    if (wanted(record.entry)) list.push(record);
  }
  return list.reverse();
}

/** The newest `limit` calls that match, oldest first. */
export async function listCalls(folder: string, filter: Filter, limit: number): Promise<Call[]> {
  const { outcome, ...rest } = filter;
  const wanted = matcher({ ...rest, event: 'tool.call' });
  const results = new Map<string, Entry>();
  const list: Call[] = [];
  for await (const { entry } of newestRecords(folder)) {
    if (list.length === limit) break;
    if (entry.event === 'tool.result') results.set(String(entry.call), entry);
    if (entry.event !== 'tool.call') continue;
    const result = results.get(String(entry.call));
    results.delete(String(entry.call));
    if (!wanted(entry) || (outcome !== undefined && !matches(outcome, text(result?.outcome)))) continue;
    list.push(joined(entry, result));
  }
  return list.reverse();
}

/** One call, or one record, and all that belongs to it. */
export interface Shown {
  /** The record asked for: of a call its `tool.call`. */
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
 * Finds a record by its number, or a call by the beginning of its id, and what belongs to it. More than one
 * id that begins so gives their list; an id that is exactly so wins.
 */
export async function show(folder: string, key: string): Promise<Shown | { readonly calls: string[] }> {
  const { record, calls } = await find(folder, key);
  if (record === undefined) return { calls };
  const { session, call } = record;
  const shown = { record, session: null, result: null, close: null } as {
    -readonly [K in keyof Shown]: Shown[K];
  };
  const events: Entry[] = [];
  for await (const { entry } of records(folder)) {
    const own = call !== undefined && entry.call === call;
    if (entry.seq === record.seq) continue;
    if (entry.event === 'tool.result' && own) shown.result = entry;
    else if (own) events.push(entry);
    else if (session === undefined || entry.session !== session) continue;
    else if (entry.event === 'session.open') shown.session = entry;
    else if (entry.event === 'session.close') shown.close = entry;
    else if (entry.event === 'credential.use' && entry.call === undefined && shown.result === null)
      events.push(entry);
  }
  return { ...shown, events };
}

async function find(folder: string, key: string): Promise<{ record: Entry | undefined; calls: string[] }> {
  const seq = /^[1-9]\d{0,15}$/.test(key) ? Number(key) : undefined;
  const calls = new Map<string, Entry>();
  for await (const { entry } of newestRecords(folder)) {
    if (entry.seq === seq) {
      // A result is asked for: the call is meant.
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

/** Where the log ends. */
export interface Position {
  readonly name: string;
  readonly end: number;
}

/** Where the log ends now. */
export async function position(folder: string): Promise<Position> {
  const last = (await listSegments(folder)).at(-1);
  return last === undefined
    ? { name: '', end: 0 }
    : { name: last.name, end: (await wholeLength(last.path)).whole };
}

/** The records after a position, as they come, across segments, until `signal`. Looks every `poll` milliseconds. */
export async function* follow(
  folder: string,
  from: Position,
  signal: AbortSignal,
  poll: number,
): AsyncGenerator<Record> {
  let { name, end } = from;
  while (!signal.aborted) {
    const segments = (await listSegments(folder)).filter((segment) => segment.name >= name);
    for (const segment of segments) {
      if (segment.name !== name) end = 0;
      name = segment.name;
      yield* tolerant(async function* () {
        for await (const piece of readLines(segment.path, end)) {
          yield* found(piece.lines);
          end = piece.end;
        }
      });
    }
    await delay(poll, undefined, { signal }).catch(() => undefined);
  }
}

function* found(lines: readonly Line[]): Generator<Record> {
  for (const line of lines) {
    const entry = line === undefined ? undefined : parse(line);
    if (line !== undefined && entry !== undefined) yield { line, entry };
  }
}

/** A file that retention has just taken away has no lines. */
async function* tolerant<T>(read: () => AsyncGenerator<T>): AsyncGenerator<T> {
  try {
    yield* read();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function joined(entry: Entry, result: Entry | undefined): Call {
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
