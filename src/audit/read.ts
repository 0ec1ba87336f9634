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
  readonly method?: string | undefined;
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

/**
 * A tool call, another request of a host, or a question of a server: its `tool.call`, `request` or `question`
 * record, joined with its `tool.result`, `answer` or `reply` once there is one. Also a host that the gate refused to
 * a server: its `egress.connect` record.
 */
export interface Call {
  readonly seq: number;
  readonly event: string;
  readonly time: string;
  readonly session: string;
  readonly call: string;
  readonly profile: string;
  /** `null` unless it is a tool call. */
  readonly tool: string | null;
  readonly method: string;
  /** What another request acts on: a URI, or the name of a prompt; `host:port` of a refused connection. */
  readonly target: string | null;
  readonly decision: string;
  readonly rule: string;
  readonly reason: string | null;
  /** `null`: there is no result, or not yet. */
  readonly outcome: string | null;
  readonly ms: number | null;
  readonly bytes: number | null;
}

/** The rule of what the gate refuses. */
const GATE_RULE = 'sandbox.network';

/** The events that begin a call, and those that end one. */
const CALLS: readonly string[] = ['tool.call', 'request', 'question'];
const RESULTS: readonly string[] = ['tool.result', 'answer', 'reply'];

/** Returns a predicate for the filter. */
export function matcher(filter: Filter): (entry: Entry) => boolean {
  const { since = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY } = filter;
  const names = (['profile', 'tool', 'method', 'event', 'decision', 'outcome'] as const).flatMap((member) => {
    const pattern = filter[member];
    return pattern === undefined ? [] : [{ member, pattern }];
  });
  return (entry) => {
    if (
      !names.every(({ member, pattern }) =>
        matches(pattern, member === 'method' ? methodOf(entry) : text(entry[member])),
      )
    )
      return false;
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

/** Records written since a time, newest first; at most `limit` of the newest are read. */
export async function* recentRecords(
  folder: string,
  since: number,
  limit: number,
): AsyncGenerator<LogRecord> {
  let read = 0;
  for await (const record of newestRecords(folder)) {
    if (++read > limit || Date.parse(record.entry.time) < since) return;
    yield record;
  }
}

/** The newest `limit` records that match, oldest first. At most `search` records are looked at. */
export async function listRecords(
  folder: string,
  filter: Filter,
  limit: number,
  search = Number.POSITIVE_INFINITY,
): Promise<LogRecord[]> {
  const isSelected = matcher(filter);
  const list: LogRecord[] = [];
  let left = search;
  for await (const record of newestRecords(folder)) {
    if (list.length === limit || left-- <= 0) break;
    if (isSelected(record.entry)) list.push(record);
  }
  return list.reverse();
}

/** The newest `limit` calls that match, oldest first. */
export async function listCalls(folder: string, filter: Filter, limit: number): Promise<Call[]> {
  const { outcome, ...rest } = filter;
  const isSelected = matcher(rest);
  const results = new Map<string, Entry>();
  const list: Call[] = [];
  for await (const { entry } of newestRecords(folder)) {
    if (list.length === limit) break;
    if (RESULTS.includes(entry.event)) results.set(String(entry.call), entry);
    if (isRefusedHost(entry)) {
      const refused = describeRefusal(entry);
      if (outcome === undefined && isSelected(refused)) list.push(joinCall(refused, undefined));
      continue;
    }
    if (!CALLS.includes(entry.event)) continue;
    const result = results.get(String(entry.call));
    results.delete(String(entry.call));
    if (!isSelected(entry) || (outcome !== undefined && !matches(outcome, text(result?.outcome)))) continue;
    list.push(joinCall(entry, result));
  }
  return list.reverse();
}

/** A record without a host only sums up those before it. */
function isRefusedHost({ event, outcome, host }: Entry): boolean {
  return event === 'egress.connect' && outcome === 'refused' && host !== '';
}

/** A refused connection, with the members that a call has. Port 53: its name was looked up. */
function describeRefusal(entry: Entry): Entry {
  const { host, port, reason, count } = entry;
  const times = typeof count === 'number' && count > 1 ? `, ${count} times` : '';
  return {
    ...entry,
    method: port === 53 ? 'look-up' : 'connect',
    target: port === 53 ? text(host) : `${text(host)}:${String(port)}`,
    decision: 'deny',
    rule: GATE_RULE,
    reason: `${text(reason)}${times}`,
  };
}

/** A call or another record, with the records that belong to it. */
export interface RecordDetails {
  /** The requested record; for a call, that which begins it. */
  readonly record: Entry;
  /** The `session.open` of its session. */
  readonly session: Entry | null;
  /**
   * Records of the same call, of others that continue it (the same task, or made again with what the server asked
   * for), and uses of credentials in the session before it ended, oldest first.
   */
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
  const isOfCall = callMatcher(record);
  for await (const { entry } of records(folder)) {
    const ofCall = isOfCall(entry);
    if (entry.seq === record.seq) continue;
    if (ofCall && entry.call === call && RESULTS.includes(entry.event) && details.result === null)
      details.result = entry;
    else if (ofCall) events.push(entry);
    else if (session === undefined || entry.session !== session) continue;
    else if (entry.event === 'session.open') details.session = entry;
    else if (entry.event === 'session.close') details.close = entry;
    else if (entry.event === 'credential.use' && entry.call === undefined && details.result === null)
      events.push(entry);
  }
  return { ...details, events };
}

/** Returns a predicate for the records of a call and of those that continue it. Takes them oldest first. */
function callMatcher({ session, call }: Entry): (entry: Entry) => boolean {
  const calls = new Set<unknown>([call]);
  const links = new Set<unknown>();
  return (entry) => {
    if (call === undefined || (entry.call !== call && entry.session !== session)) return false;
    if (!calls.has(entry.call) && !links.has(entry.task) && !links.has(entry.state)) return false;
    if (entry.call !== undefined) calls.add(entry.call);
    for (const link of [entry.task, entry.state]) if (link !== undefined) links.add(link);
    return true;
  };
}

async function find(folder: string, key: string): Promise<{ record: Entry | undefined; calls: string[] }> {
  const seq = /^[1-9]\d{0,15}$/.test(key) ? Number(key) : undefined;
  const calls = new Map<string, Entry>();
  for await (const { entry } of newestRecords(folder)) {
    if (entry.seq === seq) {
      // The number of a result selects its call.
      if (!RESULTS.includes(entry.event)) return { record: entry, calls: [] };
      return find(folder, String(entry.call));
    }
    const id = CALLS.includes(entry.event) ? String(entry.call) : '';
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
    event: entry.event,
    time: entry.time,
    session: text(entry.session),
    call: text(entry.call),
    profile: text(entry.profile),
    tool: entry.event === 'tool.call' ? text(entry.tool) : null,
    method: methodOf(entry),
    target: entry.target === undefined ? null : text(entry.target),
    decision: text(entry.decision),
    rule: text(entry.rule),
    reason: entry.reason === undefined ? null : text(entry.reason),
    outcome: result === undefined ? null : text(result.outcome),
    ms: typeof result?.ms === 'number' ? result.ms : null,
    bytes: typeof result?.bytes === 'number' ? result.bytes : null,
  };
}

/** The method of a record. That of a tool call is always the same, and is not recorded. */
function methodOf({ event, method }: Entry): string {
  return event === 'tool.call' || event === 'tool.result' ? 'tools/call' : text(method);
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
