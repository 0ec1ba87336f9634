// Server-Sent Events (WHATWG HTML, 9.2.6) as bytes. Parsers from the registry decode the stream to strings first: then bytes
// that are no UTF-8 are replaced before anyone can refuse them, a message of many megabytes is copied several times, and what
// an event may hold is unbounded or counted in characters. Here an event's data stays the bytes that came, and is bounded.
import { Gathering } from './gathering.ts';

/** An event. */
export interface SseEvent {
  /** `message` where the stream says none. */
  readonly type: string;
  /** The lines joined by line feeds; undefined where they were over the limit. */
  readonly data: Buffer | undefined;
  /** Bytes of the data, also where it was over the limit. */
  readonly length: number;
}

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
const SPACE = 0x20;
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);
const FEED = Buffer.from('\n');
const DATA = Buffer.from('data:');

/** Bytes of a line beside those of the data in it, and of a field that is no data. */
const FIELD = 4096;

/** Takes a stream apart. What comes after the last empty line when it ends is no event. */
export class SseParser {
  readonly #limit: number;
  readonly #line: Gathering;
  /** Bytes of the line that were let go because it was too long. */
  #dropped = 0;
  #droppedName = '';
  #isFirst = true;
  #afterCr = false;
  #data: Gathering | undefined;
  /** The only line of data so far. */
  #single: Buffer | undefined;
  #length = 0;
  #isOver = false;
  #type = '';
  #id: string | undefined;
  #lastEventId = '';
  #retry: number | undefined;

  /** `limit`: the most bytes of an event's data. */
  constructor(limit: number) {
    this.#limit = limit;
    this.#line = new Gathering(limit + FIELD);
  }

  /** The id of the last event that was whole, each byte a character; empty where there was none. */
  get lastEventId(): string {
    return this.#lastEventId;
  }

  /** Milliseconds to wait before the stream is asked for again, if the stream said so. */
  get retry(): number | undefined {
    return this.#retry;
  }

  /** The events that are whole with this chunk. Their data may be part of it. */
  push(chunk: Buffer): SseEvent[] {
    const events: SseEvent[] = [];
    let at = 0;
    if (this.#afterCr && chunk.length > 0) {
      if (chunk[0] === LF) at = 1;
      this.#afterCr = false;
    }
    let cr = chunk.indexOf(CR, at);
    while (at < chunk.length) {
      if (cr >= 0 && cr < at) cr = chunk.indexOf(CR, at);
      const lf = chunk.indexOf(LF, at);
      const end = cr >= 0 && (lf < 0 || cr < lf) ? cr : lf;
      if (end < 0) {
        this.#gather(chunk.subarray(at));
        break;
      }
      this.#endLine(chunk.subarray(at, end), events);
      at = end + 1;
      if (end === cr) {
        if (at === chunk.length) this.#afterCr = true;
        else if (chunk[at] === LF) at++;
      }
    }
    return events;
  }

  #gather(piece: Buffer): void {
    if (this.#dropped === 0 && this.#line.length + piece.length <= this.#limit + FIELD) {
      this.#line.add(piece);
      return;
    }
    if (this.#dropped === 0) {
      this.#dropped = this.#line.length;
      const begun = Buffer.concat([this.#line.take().subarray(0, FIELD), piece.subarray(0, FIELD)]);
      this.#droppedName = nameOf(begun);
    }
    this.#dropped += piece.length;
  }

  #endLine(rest: Buffer, events: SseEvent[]): void {
    let line = rest;
    if (this.#line.length > 0 || this.#dropped > 0) {
      this.#gather(rest);
      if (this.#dropped > 0) {
        if (this.#droppedName === 'data') this.#addOver(this.#dropped);
        this.#dropped = 0;
        this.#isFirst = false;
        return;
      }
      line = this.#line.take();
    } else if (line.length > this.#limit + FIELD) {
      if (nameOf(line) === 'data') this.#addOver(line.length);
      this.#isFirst = false;
      return;
    }
    if (this.#isFirst) {
      this.#isFirst = false;
      if (line.subarray(0, BOM.length).equals(BOM)) line = line.subarray(BOM.length);
    }
    if (line.length === 0) this.#dispatch(events);
    else this.#field(line);
  }

  #field(line: Buffer): void {
    if (isData(line)) {
      this.#addData(line.subarray(line[DATA.length] === SPACE ? DATA.length + 1 : DATA.length));
      return;
    }
    const colon = line.indexOf(COLON);
    if (colon === 0) return;
    const name = line.toString('latin1', 0, colon < 0 ? Math.min(line.length, 16) : Math.min(colon, 16));
    let value = colon < 0 ? Buffer.alloc(0) : line.subarray(colon + 1);
    if (value[0] === SPACE) value = value.subarray(1);
    if (name === 'data') {
      this.#addData(value);
    } else if (value.length > FIELD) {
      // Nothing that counts is so long.
    } else if (name === 'event') {
      this.#type = value.toString();
    } else if (name === 'id') {
      // What cannot be said in a header cannot be resumed from.
      const id = value.toString('latin1');
      if (/^[\t\x20-\x7e\x80-\xff]*$/.test(id)) this.#id = id;
    } else if (name === 'retry' && /^\d{1,12}$/.test(value.toString('latin1'))) {
      this.#retry = Number(value.toString('latin1'));
    }
  }

  #addData(value: Buffer): void {
    const isFirst = this.#single === undefined && this.#data === undefined && !this.#isOver;
    const length = this.#length + value.length + (isFirst ? 0 : FEED.length);
    if (this.#isOver || length > this.#limit) {
      this.#addOver(value.length);
      return;
    }
    this.#length = length;
    if (isFirst) {
      this.#single = value;
      return;
    }
    if (this.#data === undefined) {
      this.#data = new Gathering(this.#limit);
      this.#data.add(this.#single as Buffer);
      this.#single = undefined;
    }
    this.#data.add(FEED);
    this.#data.add(value);
  }

  #addOver(length: number): void {
    this.#isOver = true;
    this.#length += length;
    this.#single = undefined;
    this.#data = undefined;
  }

  #dispatch(events: SseEvent[]): void {
    if (this.#id !== undefined) this.#lastEventId = this.#id;
    const type = this.#type === '' ? 'message' : this.#type;
    if (this.#isOver) events.push({ type, data: undefined, length: this.#length });
    else if (this.#data !== undefined) events.push({ type, data: this.#data.take(), length: this.#length });
    else if (this.#single !== undefined) events.push({ type, data: this.#single, length: this.#length });
    this.#single = undefined;
    this.#data = undefined;
    this.#length = 0;
    this.#isOver = false;
    this.#type = '';
    this.#id = undefined;
  }
}

/** Whether a line is of the field that most are of. */
function isData(line: Buffer): boolean {
  for (let i = 0; i < DATA.length; i++) if (line[i] !== DATA[i]) return false;
  return true;
}

/** The name of the field that a line begins with. */
function nameOf(line: Buffer): string {
  const start = line.subarray(0, BOM.length).equals(BOM) ? BOM.length : 0;
  const colon = line.indexOf(COLON);
  return colon < 0 ? '' : line.toString('latin1', start, Math.min(colon, start + 16));
}
