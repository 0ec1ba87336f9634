// What must not change in a message, as the host or the protocol goes by it:
//
//     names of members, numbers, true, false and null
//     jsonrpc, id, method; ids, tokens, cursors and tickets in params and result
//     names of tools, prompts and their arguments; URIs of resources; types and roles of content
//     schemas, but for their descriptions, titles, defaults and examples
import type { Match } from '../finder.ts';

/** Bytes of a line. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A token that must not change. */
export interface FixedToken extends Span {
  /** What it is, such as "the name of a tool". */
  readonly place: string;
  /** The first match that touches it. */
  readonly index: number;
}

/** An open array or object. */
interface Frame {
  readonly isObject: boolean;
  /** See `ROUTED`; `undefined` where nothing is routed. */
  readonly path: string | undefined;
  /** In a schema. */
  readonly isSchema: boolean;
  /** The next string of the object is a member's name. */
  expectsName: boolean;
  member: string | undefined;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
/** Deeper than any message of the relay. */
const MAX_DEPTH = 1024;
/** Long work yields after so many bytes. */
const SLICE = 65_536;
/** The longest name of a member that the rules mention, in bytes of JSON. */
const MAX_NAME = 256;

const MEMBER_NAME = "a member's name";
const NOT_STRING = 'a number';
const SCHEMA = 'a schema';
const ENVELOPE = 'the message itself';
const ID = 'an id or token that the host must send back';
const URI = 'the URI of a resource';
const CONTENT_TYPE = 'the type of content';

/** By the path from the message; `*` stands for the elements of an array. */
const ROUTED: ReadonlyMap<string, string> = new Map([
  ['jsonrpc', ENVELOPE],
  ['id', ENVELOPE],
  ['method', ENVELOPE],
  ['params.name', 'a name'],
  ['params.uri', URI],
  ['params.mode', ENVELOPE],
  ['params.level', ENVELOPE],
  ['params.requestId', ID],
  ['params.progressToken', ID],
  ['params.taskId', ID],
  ['params.elicitationId', ID],
  ['params.cursor', ID],
  ['params._meta.progressToken', ID],
  ['params._meta.io.modelcontextprotocol/subscriptionId', ID],
  ['params.messages.*.role', CONTENT_TYPE],
  ['params.messages.*.content.type', CONTENT_TYPE],
  ['result.protocolVersion', ENVELOPE],
  ['result.resultType', ENVELOPE],
  ['result.nextCursor', ID],
  ['result.requestState', ID],
  ['result.taskId', ID],
  ['result.task.taskId', ID],
  ['result.tasks.*.taskId', ID],
  ['result._meta.io.modelcontextprotocol/subscriptionId', ID],
  ['result.tools.*.name', 'the name of a tool'],
  ['result.prompts.*.name', 'the name of a prompt'],
  ['result.prompts.*.arguments.*.name', 'the name of an argument'],
  ['result.resources.*.uri', URI],
  ['result.resourceTemplates.*.uriTemplate', URI],
  ['result.contents.*.uri', URI],
  ['result.contents.*.mimeType', CONTENT_TYPE],
  ['result.content.*.type', CONTENT_TYPE],
  ['result.content.*.mimeType', CONTENT_TYPE],
  ['result.content.*.uri', URI],
  ['result.content.*.resource.uri', URI],
  ['result.content.*.resource.mimeType', CONTENT_TYPE],
  ['result.messages.*.role', CONTENT_TYPE],
  ['result.messages.*.content.type', CONTENT_TYPE],
  ['result.messages.*.content.uri', URI],
  ['result.messages.*.content.resource.uri', URI],
]);
const SCHEMAS = new Set([
  'params.requestedSchema',
  'result.tools.*.inputSchema',
  'result.tools.*.outputSchema',
]);
/** Members of a schema that are text. */
const SCHEMA_TEXT = new Set(['description', 'title', 'default', 'examples', '$comment']);
/** The beginnings of the paths, to the depth at which the rest cannot be routed. */
const PREFIXES = new Set(
  [...ROUTED.keys(), ...SCHEMAS].flatMap((path) => {
    const parts = splitPath(path);
    return parts.map((_, index) => parts.slice(0, index + 1).join('.'));
  }),
);

/** The tokens of a message or a batch that matches touch and that must not change. `undefined` after each slice of work. */
export function* fixedTokens(line: Buffer, matches: readonly Match[]): Generator<FixedToken | undefined> {
  const frames: Frame[] = [];
  let index = 0;
  let slice = SLICE;
  for (let at = 0; at < line.length && index < matches.length; ) {
    if (at > slice) {
      slice = at + SLICE;
      yield undefined;
    }
    const start = at;
    const byte = line[at] as number;
    const frame = frames.at(-1);
    let place: string | undefined;
    if (byte === QUOTE) {
      at = yield* endOfString(line, at);
      if (frame?.expectsName === true) {
        place = MEMBER_NAME;
        frame.member = nameAt(line, start, at);
        frame.expectsName = false;
      } else place = placeOf(frame);
    } else if (isWord(byte)) {
      do at++;
      while (isWord(line[at] ?? 0));
      place = NOT_STRING;
    } else {
      at++;
      if (byte === 0x7b || byte === 0x5b) {
        if (frames.length >= MAX_DEPTH) place = ENVELOPE;
        frames.push(open(frame, byte === 0x7b));
      } else if (byte === 0x7d || byte === 0x5d) frames.pop();
      else if (byte === COMMA && frame?.isObject === true) frame.expectsName = true;
    }
    while ((matches[index]?.end ?? line.length) <= start) index++;
    const touched = (matches[index]?.start ?? line.length) < at;
    if (frames.length > MAX_DEPTH) {
      yield { start, end: line.length, place: ENVELOPE, index };
      return;
    }
    if (place !== undefined && touched) yield { start, end: at, place, index };
  }
}

function open(frame: Frame | undefined, isObject: boolean): Frame {
  // The messages of a batch are the elements of the outermost array.
  const path = frame === undefined ? '' : pathOf(frame);
  const isSchema =
    frame?.isSchema === true
      ? !(frame.isObject && SCHEMA_TEXT.has(frame.member ?? ''))
      : path !== undefined && SCHEMAS.has(path);
  return { isObject, path, isSchema, expectsName: isObject, member: undefined };
}

/** The path of the value that comes next in a frame; `undefined` where nothing is routed. */
function pathOf({ isObject, path, member }: Frame): string | undefined {
  if (path === undefined) return undefined;
  const step = isObject ? member : '*';
  if (step === undefined) return undefined;
  // A batch: its elements are messages.
  if (path === '' && !isObject) return '';
  const next = path === '' ? step : `${path}.${step}`;
  return PREFIXES.has(next) ? next : undefined;
}

/** What a string value of a frame is, if it must not change. */
function placeOf(frame: Frame | undefined): string | undefined {
  if (frame === undefined) return undefined;
  if (frame.isSchema) return frame.isObject && SCHEMA_TEXT.has(frame.member ?? '') ? undefined : SCHEMA;
  const path = pathOf(frame);
  return path === undefined ? undefined : ROUTED.get(path);
}

/** The position after the string that begins at `start`. */
function* endOfString(line: Buffer, start: number): Generator<undefined, number> {
  let at = start + 1;
  for (;;) {
    const until = Math.min(line.length, at + SLICE);
    while (at < until && line[at] !== QUOTE) at += line[at] === BACKSLASH ? 2 : 1;
    if (at < until || at >= line.length) return Math.min(at + 1, line.length);
    yield undefined;
  }
}

/** The name of a member, from quote to quote; `undefined` if no rule mentions it. */
function nameAt(line: Buffer, start: number, end: number): string | undefined {
  if (end - start > MAX_NAME) return undefined;
  const text = line.toString('utf8', start, end);
  if (!text.includes('\\')) return text.slice(1, -1);
  try {
    const name: unknown = JSON.parse(text);
    return typeof name === 'string' ? name : undefined;
  } catch {
    return undefined;
  }
}

/** A path's members; the name of a subscription's id contains dots. */
function splitPath(path: string): string[] {
  const at = path.indexOf('io.modelcontextprotocol/');
  return at < 0 ? path.split('.') : [...path.slice(0, at - 1).split('.'), path.slice(at)];
}

/** Whether a byte may be part of a number, `true`, `false` or `null`. */
export function isWord(byte: number): boolean {
  const lower = byte | 0x20;
  if (lower >= 0x61 && lower <= 0x7a) return true;
  return (byte >= 0x30 && byte <= 0x39) || byte === 0x2b || byte === 0x2d || byte === 0x2e;
}
