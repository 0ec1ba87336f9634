// Follows the requests of an HTTP connection without TLS to a host without a sealed credential. Bytes pass as they are:
// any method, range, coding and trailer, a change of protocol (WebSocket, h2c), HTTP/2 with prior knowledge. What is
// checked is that each request names the host that was connected to, and that no placeholder leaves in the clear.
//
// The framing of RFC 9112 is read in its strictest sense, so that no reader finds a request where this one finds a body:
// one length, line ends of CR LF, no folded lines, no other coding than chunked. What is ambiguous is refused.
import { isRequestLine } from '../connection/peek.ts';
import { Denial, type Field, type PlaceholderSearch } from './substitution.ts';

export interface RequestGuardParts {
  /** A request begins. */
  readonly onRequest: () => void;
  /** Checks a request. Throws `Denial`. */
  readonly check: (head: GuardedHead) => void;
  /** What is searched for; undefined where nothing is sealed. */
  readonly search: PlaceholderSearch | undefined;
  /** The denial for a placeholder, by its index in the search. */
  readonly denyPlaceholder: (head: GuardedHead, index: number) => Denial;
}

/** A request's head. */
export interface GuardedHead {
  readonly method: string;
  readonly target: string;
  readonly fields: readonly Field[];
}

/** What a host's first answer says about a change of protocol that was asked for. */
export type UpgradeAnswer = 'switched' | 'declined';

/** The longest head, and what is held back of a request until it was searched. */
const MAX_HEAD = 64 * 1024;
const MAX_HELD = 64 * 1024;
/** The longest line of a chunk's size, with its extensions. */
const MAX_CHUNK_LINE = 4096;
/** HTTP/2's first line, as a head (RFC 9113 3.4). */
const HTTP2_PREFACE = 'PRI * HTTP/2.0\r\n\r\n';
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const REQUEST_LINE = new RegExp(`^(${TOKEN}) ([\\x21-\\x7e\\x80-\\xff]+) HTTP/1\\.[01]$`);
const FIELD_LINE = new RegExp(`^(${TOKEN}):[ \\t]*([\\t\\x20-\\x7e\\x80-\\xff]*?)[ \\t]*$`);
const CHUNK_LINE = /^([0-9a-f]{1,12})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?$/i;
const NO_BYTES: Buffer = Buffer.alloc(0);

type State =
  | { readonly at: 'head' | 'chunk-size' | 'trailers' | 'opaque' | 'waiting' }
  /** `next`: what follows the bytes that are left. */
  | { readonly at: 'body'; left: number; readonly next: 'head' | 'chunk-end' }
  | { readonly at: 'chunk-end' };

/** What decides on the bytes of a connection. */
export interface Guard {
  /** Whether the host must answer before more is taken: it was asked to change the protocol. */
  readonly isWaiting: boolean;
  /** Takes bytes and returns those that may be passed on. Throws `Denial`; nothing may be pushed after that. */
  push(chunk: Buffer): Buffer[];
  /** The answer to the request for a change of protocol. Returns what may be passed on now. */
  answer(answer: UpgradeAnswer): Buffer[];
}

/**
 * A connection that began so slowly that nobody could tell what it is: it is passed on, and refused if its first line
 * turns out to be a request, whose beginning has not been checked.
 */
export class SlowStartGuard implements Guard {
  readonly isWaiting = false;
  #line: Buffer | undefined = NO_BYTES;

  push(chunk: Buffer): Buffer[] {
    if (this.#line === undefined) return [chunk];
    this.#line = Buffer.concat([this.#line, chunk]);
    const line = this.#line.toString('latin1').replace(/^[\r\n]+/, '');
    const end = line.indexOf('\n');
    if (isRequestLine(end < 0 ? line : line.slice(0, end)) || (end < 0 && line.length > MAX_HEAD))
      throw new Denial(400, 'its first line came too slowly');
    if (end >= 0) this.#line = undefined;
    return [chunk];
  }

  answer(): Buffer[] {
    return [];
  }
}

export class RequestGuard implements Guard {
  readonly #parts: RequestGuardParts;
  #state: State = { at: 'head' };
  #rest = NO_BYTES;
  #requests = 0;
  #asksForUpgrade = false;
  #current: GuardedHead = { method: '', target: '', fields: [] };
  /** Passes on what was searched; undefined where nothing is sealed. */
  #searching: ReturnType<PlaceholderSearch['finder']['stream']> | undefined;
  /** Searches a chunked body without its chunks' lines; passes nothing on. */
  #searchingChunks: ReturnType<PlaceholderSearch['finder']['stream']> | undefined;
  /** A short request that was not received and searched as a whole yet. */
  #held: Buffer[] | undefined;

  constructor(parts: RequestGuardParts) {
    this.#parts = parts;
  }

  get isWaiting(): boolean {
    return this.#state.at === 'waiting';
  }

  push(chunk: Buffer): Buffer[] {
    const passed: Buffer[] = [];
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#step(passed));
    return passed;
  }

  answer(answer: UpgradeAnswer): Buffer[] {
    if (!this.isWaiting) return [];
    this.#state = { at: answer === 'switched' ? 'opaque' : 'head' };
    return this.push(NO_BYTES);
  }

  /** Takes one part of what has arrived. Returns whether there may be another. */
  #step(passed: Buffer[]): boolean {
    const state = this.#state;
    switch (state.at) {
      case 'waiting':
        return false;
      case 'opaque':
        if (this.#rest.length > 0) passed.push(this.#take(this.#rest.length));
        return false;
      case 'head':
        return this.#readHead(passed);
      case 'body': {
        if (state.left === 0) {
          if (state.next === 'head') this.#endRequest(passed);
          else this.#state = { at: 'chunk-end' };
          return true;
        }
        if (this.#rest.length === 0) return false;
        const piece = this.#take(Math.min(state.left, this.#rest.length));
        state.left -= piece.length;
        if (state.next === 'chunk-end') this.#searchingChunks?.push(piece);
        this.#pass(piece, passed);
        return true;
      }
      case 'chunk-size': {
        const line = this.#readLine(passed);
        if (line === undefined) return false;
        const [, digits] = CHUNK_LINE.exec(line) ?? [];
        if (digits === undefined) throw new Denial(400, 'the length of a chunk cannot be read');
        const left = Number.parseInt(digits, 16);
        this.#state = left === 0 ? { at: 'trailers' } : { at: 'body', left, next: 'chunk-end' };
        return true;
      }
      case 'chunk-end':
        if (this.#rest.length < 2) return false;
        if (this.#rest[0] !== 0x0d || this.#rest[1] !== 0x0a)
          throw new Denial(400, 'a chunk does not end where it should');
        this.#pass(this.#take(2), passed);
        this.#state = { at: 'chunk-size' };
        return true;
      case 'trailers': {
        const line = this.#readLine(passed);
        if (line === undefined) return false;
        if (line === '') this.#endRequest(passed);
        else if (!FIELD_LINE.test(line)) throw new Denial(400, 'a trailer cannot be read');
        return true;
      }
    }
  }

  #readHead(passed: Buffer[]): boolean {
    // Servers skip empty lines before a request (RFC 9112 2.2); these are dropped.
    let empty = 0;
    while (this.#rest[empty] === 0x0d && this.#rest[empty + 1] === 0x0a) empty += 2;
    this.#rest = this.#rest.subarray(empty);
    const end = this.#rest.indexOf('\r\n\r\n');
    if (end < 0 ? this.#rest.length > MAX_HEAD : end > MAX_HEAD)
      throw new Denial(431, 'the head of the request is too long');
    if (end < 0) return false;
    const bytes = this.#take(end + 4);
    this.#parts.onRequest();
    if (this.#requests === 0 && bytes.toString('latin1') === HTTP2_PREFACE) {
      this.#state = { at: 'opaque' };
      passed.push(bytes);
      return true;
    }
    this.#beginRequest(readHead(bytes), bytes, passed);
    return true;
  }

  #beginRequest(head: GuardedHead, bytes: Buffer, passed: Buffer[]): void {
    const { check, search } = this.#parts;
    this.#requests++;
    this.#current = head;
    check(head);
    const values = (name: string): string[] =>
      head.fields.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
    const [length] = values('content-length');
    if (length !== undefined && !/^\d{1,15}$/.test(length))
      throw new Denial(400, 'the length of the body cannot be read');
    const isChunked = values('transfer-encoding').length > 0;
    const asks = values('upgrade').length > 0;
    // Only the first answer of a connection is read. Whoever passes a request on may take the offer out of it.
    const isFirst = this.#requests === 1;
    this.#asksForUpgrade = asks && isFirst;
    const newSearch = () =>
      search?.finder.stream(({ index }) => {
        throw this.#parts.denyPlaceholder(this.#current, index);
      });
    this.#searching = newSearch();
    this.#searchingChunks = isChunked ? newSearch() : undefined;
    const waits = values('expect').length > 0 || isChunked || Number(length ?? 0) > MAX_HELD;
    this.#held = this.#searching === undefined || waits ? undefined : [];
    this.#state = isChunked ? { at: 'chunk-size' } : { at: 'body', left: Number(length ?? 0), next: 'head' };
    this.#pass(asks && !isFirst ? withoutUpgrade(head) : bytes, passed);
  }

  #endRequest(passed: Buffer[]): void {
    this.#searchingChunks?.flush();
    const rest = this.#searching?.flush() ?? [];
    passed.push(...(this.#held ?? []), ...rest);
    this.#held = undefined;
    this.#searching = undefined;
    this.#state = { at: this.#asksForUpgrade ? 'waiting' : 'head' };
  }

  /** Passes on a part of a request, searched. */
  #pass(bytes: Buffer, passed: Buffer[]): void {
    (this.#held ?? passed).push(...(this.#searching?.push(bytes) ?? [bytes]));
  }

  /** A line without its end, which is passed on; undefined where it is incomplete. */
  #readLine(passed: Buffer[]): string | undefined {
    const end = this.#rest.indexOf('\r\n');
    if (end < 0 ? this.#rest.length > MAX_CHUNK_LINE : end > MAX_CHUNK_LINE)
      throw new Denial(400, 'a line in the body is too long');
    if (end < 0) return undefined;
    const line = this.#take(end + 2);
    this.#pass(line, passed);
    return line.toString('latin1', 0, end);
  }

  #take(length: number): Buffer {
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return taken;
  }
}

/** The head of a request that does not offer to change the protocol (RFC 9110 7.8). */
function withoutUpgrade({ method, target, fields }: GuardedHead): Buffer {
  const isLast = fields.some(([name, value]) => /^connection$/i.test(name) && /\bclose\b/i.test(value));
  const kept = fields.filter(([name]) => !/^(?:upgrade|http2-settings|connection)$/i.test(name));
  const lines = [...kept, ['Connection', isLast ? 'close' : 'keep-alive']].map(
    ([name, value]) => `${name}: ${value}`,
  );
  return Buffer.from([`${method} ${target} HTTP/1.1`, ...lines, '', ''].join('\r\n'), 'latin1');
}

/** Reads a head that ends with an empty line. Throws `Denial`. */
function readHead(bytes: Buffer): GuardedHead {
  const malformed = new Denial(400, 'the request is malformed');
  const [first = '', ...lines] = bytes.toString('latin1', 0, bytes.length - 4).split('\r\n');
  const [, method, target] = REQUEST_LINE.exec(first) ?? [];
  if (method === undefined || target === undefined) throw malformed;
  const fields = lines.map((line): Field => {
    const [, name, value] = FIELD_LINE.exec(line) ?? [];
    if (name === undefined || value === undefined) throw malformed;
    return [name, value];
  });
  return { method, target, fields };
}

/** Reads the beginning of a host's answers, until it says whether the protocol changes. */
export class UpgradeWatch {
  #head = NO_BYTES;
  #over = false;

  /** Takes the host's bytes. Returns the answer once it is clear. */
  push(chunk: Buffer): UpgradeAnswer | undefined {
    if (this.#over) return undefined;
    this.#head = Buffer.concat([this.#head, chunk]);
    for (;;) {
      const text = this.#head.toString('latin1', 0, 13);
      if (text.length < 13) return undefined;
      const [, status] = /^HTTP\/1\.[01] ([1-5]\d\d)[ \r]/.exec(text) ?? [];
      if (status === '101' || status === undefined || !status.startsWith('1')) {
        this.#over = true;
        this.#head = NO_BYTES;
        return status === '101' ? 'switched' : 'declined';
      }
      const end = this.#head.indexOf('\r\n\r\n');
      if (end < 0 && this.#head.length <= MAX_HEAD) return undefined;
      this.#head = end < 0 ? Buffer.from('not a head that ends') : this.#head.subarray(end + 4);
    }
  }
}
