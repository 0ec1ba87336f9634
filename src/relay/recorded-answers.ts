// What a server has answered to what asks only what it is and what it offers, kept as it came from session to session:
// with it a host can be answered before the server is started. A server may answer hosts differently, so that each host
// has its own, told apart by what it says of itself.
//
// It is no part of what the user has accepted. What is answered from it passes the same checks as a server's answers.
import { type Envelope, readEnvelope } from '../json/envelope.ts';
import { type Range, readMember, whole } from '../json/read.ts';
import { TRIAL_CLIENT } from '../wire/trial-client.ts';
import { canonicalOf, digest } from './canonical.ts';
import { LIST_SHAPES } from './listed-kinds.ts';
import type { Replay } from './upstream/replay.ts';

/** Results as JSON text. */
export interface RecordedAnswers {
  /** Of `initialize`, or of `server/discover`; undefined: the host has not asked. */
  readonly introduction: string | undefined;
  /** Of lists, by their methods: the pages in their order. */
  readonly lists: ReadonlyMap<string, readonly string[]>;
  /** The code of the error by which the server has answered `server/discover`, as one does that is older: see `isRefusal`. */
  readonly refused?: number | undefined;
}

/** Where answers are kept. */
export interface AnswerStore {
  /** `host` tells hosts apart: see `sessionHost` and `statelessHost`. */
  keep(host: string, answers: RecordedAnswers): void;
}

const SESSION = 'initialize';
const DISCOVER = 'server/discover';
const VERSION = 'io.modelcontextprotocol/protocolVersion';
const CLIENT = 'io.modelcontextprotocol/clientInfo';
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';

/** Invalid request, method not found, invalid params: JSON-RPC 2.0, section 5.1. */
const REFUSALS: ReadonlySet<unknown> = new Set([-32600, -32601, -32602]);

/** Whether an error says for good that a server does not know `server/discover`. Others have to do with the host, or pass. */
export function isRefusal(code: unknown): code is number {
  return REFUSALS.has(code);
}

/** The longest part of what a host says of itself that is looked at, in bytes. */
const MAX_SAID = 65_536;

/** The host of a session, by what it has said so far. */
export function hostOfSession({
  isOpened,
  initialize,
  meta,
}: Pick<Replay, 'isOpened' | 'initialize' | 'meta'>): string | undefined {
  return isOpened ? sessionHost(initialize) : statelessHost(meta);
}

/** A host that has said `initialize`, by its `params`: the version of the protocol, its capabilities, its name. */
export function sessionHost(params: Buffer | undefined): string | undefined {
  return params && hostOf('session', params, 'protocolVersion', 'capabilities', 'clientInfo');
}

/** A host of the protocol from 2026-07-28, by the `_meta` of a request. */
function statelessHost(meta: Buffer | undefined): string | undefined {
  if (meta?.includes(VERSION) !== true) return undefined;
  return hostOf('stateless', meta, VERSION, CAPABILITIES, CLIENT);
}

/** The host that a request comes from, by what it says of itself; undefined: it says nothing that tells. */
export function hostOfRequest(message: Envelope, bytes: Buffer): string | undefined {
  const { kind, fault, id, method, paramsStart, paramsEnd, metaStart, metaEnd } = message;
  if (kind !== 'request' || fault !== undefined || id === undefined) return undefined;
  if (method === SESSION) return sessionHost(part(bytes, paramsStart, paramsEnd));
  return statelessHost(part(bytes, metaStart, metaEnd));
}

function part(bytes: Buffer, start: number, end: number): Buffer | undefined {
  return start === -1 ? undefined : bytes.subarray(start, end);
}

function hostOf(
  era: string,
  said: Buffer,
  version: string,
  capabilities: string,
  client: string,
): string | undefined {
  if (said.length > MAX_SAID) return undefined;
  const info = readMember(said, 0, said.length, client);
  if (info === 'ambiguous') return undefined;
  const members = [
    readMember(said, 0, said.length, version),
    readMember(said, 0, said.length, capabilities),
    info === 'absent' ? info : readMember(said, info.start, info.end, 'name'),
  ];
  if (members.includes('ambiguous')) return undefined;
  const texts = members.map((member) =>
    typeof member === 'string' ? member : canonicalOf(said.subarray(member.start, member.end)).text,
  );
  // Who tries a server wants to know what it answers now.
  if (texts[2] === JSON.stringify(TRIAL_CLIENT)) return undefined;
  return digest(Buffer.from(JSON.stringify([era, ...texts])));
}

/** What a server says that it is capable of, in the result of its introduction; undefined: nothing that can be read. */
function capabilitiesIn(introduction: Buffer): Range | undefined {
  const member = readMember(introduction, 0, introduction.length, 'capabilities');
  return typeof member === 'string' ? undefined : member;
}

/** Whether a server says that it has a capability. */
export function declares(introduction: Buffer, capability: string): boolean {
  const within = capabilitiesIn(introduction);
  return within !== undefined && readMember(introduction, within.start, within.end, capability) !== 'absent';
}

/** A host, and what it is answered. */
export interface KnownHost {
  readonly host: string;
  readonly answers: RecordedAnswers;
}

/** The host whose first line that is, if its session can begin with what is known. */
export function knownHost(
  line: Buffer,
  of: (host: string) => RecordedAnswers | undefined,
): KnownHost | undefined {
  const message = readEnvelope(line, 0, line.length);
  const host = hostOfRequest(message, line);
  const answers = host === undefined ? undefined : of(host);
  return host !== undefined && answers !== undefined && canBegin(message.method, answers)
    ? { host, answers }
    : undefined;
}

/**
 * Whether a session can begin with what is kept: where the host has been introduced to the server, that has to be known, and its tools where
 * it says that it has some.
 */
export function canBegin(method: string, { introduction, lists, refused }: RecordedAnswers): boolean {
  if (method === DISCOVER && refused !== undefined) return true;
  if (introduction === undefined) return method !== SESSION && method !== DISCOVER && lists.has(TOOLS);
  return lists.has(TOOLS) || !declares(Buffer.from(introduction), 'tools');
}

const TOOLS = 'tools/list';

/** The page of a list that a cursor asks for, which is JSON text; undefined: it is not known. */
export function pageOf(pages: readonly string[], cursor: Buffer | undefined): string | undefined {
  if (cursor === undefined) return pages[0];
  const wanted = canonicalOf(cursor).text;
  const before = pages.findIndex((page) => nextCursorOf(page) === wanted);
  return before === -1 ? undefined : pages[before + 1];
}

function nextCursorOf(page: string): string | undefined {
  const bytes = Buffer.from(page);
  const { start, end } = whole(bytes);
  const next = readMember(bytes, start, end, 'nextCursor');
  return typeof next === 'string' ? undefined : canonicalOf(bytes.subarray(next.start, next.end)).text;
}

/** The methods of lists. */
export const LIST_METHODS: ReadonlySet<string> = new Set(LIST_SHAPES.map(({ method }) => method));
