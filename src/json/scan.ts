// Reads the envelope of a long line a part at a time: what `readEnvelope` says of the line, and in the same pass what
// else the relay has to know of a message. Nothing of the line is looked at again.
//
// The scan goes on over a buffer up to where it is told, and no token but a string is longer than `MAX_TOKEN`: so it can
// be run in slices over a whole line, or follow the bytes of one that is still coming, `MAX_TOKEN` bytes behind.
import {
  AFTER,
  BLANK,
  COLON,
  FAULTY,
  FIRST_KEY,
  FIRST_VALUE,
  KEY,
  NAME,
  NOTED,
  type ScanPlace,
  START,
  scanDeep,
  TEXT,
  TRAILING,
  VALUE,
} from './deep-scan.ts';
import { OpenNames } from './duplicates.ts';
import {
  ARGUMENTS,
  BATCH,
  classify,
  type Envelope,
  ID,
  IN_PARAMS,
  IN_RESULT,
  isTrailing,
  MESSAGE,
  NOT_JSON,
  note,
  PARAMS,
  RESULT,
  Reading,
  SCALAR,
} from './envelope.ts';
import {
  BROKEN,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COMMA,
  MAX_DEPTH,
  MAX_NUMBER,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
  skipStringUntil,
  skipValue,
} from './json.ts';
import { keysOf, MAX_NAME, matchKey, NO_KEY } from './member.ts';
import type { Member } from './read.ts';

/** Bytes that the scan may go beyond where it is told to stop. */
export const MAX_TOKEN = MAX_NUMBER;

/** Members of `params` or `result` that the relay may have to find. */
const WANTED = [
  '_meta',
  'cacheScope',
  'contents',
  'cursor',
  'inputRequests',
  'inputResponses',
  'nextCursor',
  'prompts',
  'requestState',
  'resourceTemplates',
  'resources',
  'resultType',
  'status',
  'task',
  'taskId',
  'tools',
  'ttlMs',
] as const;
export type Wanted = (typeof WANTED)[number];
const WANTED_KEYS = keysOf(Object.fromEntries(WANTED.map((name, index) => [name, index])));

/** What a line is, and what it holds. */
export interface Scanned {
  readonly message: Envelope;
  /** The line has nothing but white space. */
  readonly isBlank: boolean;
  /** An object in `params`, or in its `arguments`, has a member twice, or more than can be kept in mind: see duplicates.ts. */
  readonly isTwiceInParams: boolean;
  readonly isTwiceInArguments: boolean;
  /** A member of `params` or `result`, as `readMember` finds it. */
  find(name: Wanted): Member;
}

/** The scan of one line. */
export class LineScan {
  #bytes: Buffer;
  #end: number;
  readonly #reading = new Reading();
  /** Where the line's value begins. */
  #rootStart = 0;
  readonly #place: ScanPlace = {
    at: 0,
    next: START,
    depth: 0,
    textStart: 0,
    isObject: new Uint8Array(MAX_DEPTH + 1),
  };
  /** Of the member that is being read: its slot, and where name and value begin; of the message, and of `params` or `result`. */
  #outerSlot = NO_KEY;
  #outerStart = 0;
  #slot = NO_KEY;
  #wanted = NO_KEY;
  #valueStart = 0;
  #nameStart = 0;
  readonly #found: (Member | undefined)[] = WANTED.map(() => undefined);
  /** The names in `params`. */
  #names: OpenNames | undefined;
  #isTwiceInParams = false;
  #isTwiceInArguments = false;
  #isBlank = false;

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.#place.at = start;
    this.#end = end;
  }

  /** The line goes on up to `end` by now, with the same bytes as before, wherever they are. */
  follow(bytes: Buffer, end: number): void {
    this.#end = end;
    if (bytes === this.#bytes) return;
    this.#bytes = bytes;
    this.#names?.follow(bytes);
  }

  /** It is no JSON, whatever follows. */
  get isFaulty(): boolean {
    return this.#place.next === FAULTY;
  }

  /** Where the message's id is, as far as it was read; -1: it was not seen yet. */
  get idStart(): number {
    return this.#reading.idStart;
  }

  get idEnd(): number {
    return this.#reading.idEnd;
  }

  /** Up to where the line was read but for an id whose end was not: what is before is in no id that was not seen. */
  get settled(): number {
    const isInId = this.#place.depth === 1 && this.#outerSlot === ID && this.#place.next === TEXT;
    return isInId ? this.#outerStart : this.#place.at;
  }

  /** Goes on up to `until`, or a token beyond. What it has passed over must not change. True: the whole line is read. */
  step(until: number): boolean {
    const last = Math.min(until, this.#end);
    while (this.#place.at < last && this.#place.next !== FAULTY) this.#read(last);
    if (this.#place.next !== FAULTY && this.#place.at < this.#end) return false;
    if (this.#place.next === START || this.#place.next === BLANK) this.#isBlank = true;
    return true;
  }

  /** What the line is, once it is read. */
  get result(): Scanned {
    return {
      message: this.#envelope(),
      isBlank: this.#isBlank,
      isTwiceInParams: this.#isTwiceInParams,
      isTwiceInArguments: this.#isTwiceInArguments,
      find: (name) => this.#found[WANTED.indexOf(name)] ?? 'absent',
    };
  }

  #envelope(): Envelope {
    if (this.#place.next !== TRAILING) {
      const broken = new Reading();
      broken.fault = NOT_JSON;
      return broken;
    }
    const reading = this.#reading;
    const first = this.#bytes[this.#rootStart];
    if (first === OPEN_OBJECT) classify(this.#bytes, reading);
    else {
      reading.isBatch = first === OPEN_ARRAY;
      reading.fault = reading.isBatch ? BATCH : SCALAR;
    }
    return reading;
  }

  /** Reads one token, or a part of one. */
  #read(until: number): void {
    const bytes = this.#bytes;
    const place = this.#place;
    switch (place.next) {
      case TEXT:
      case NAME:
        this.#readText(until);
        return;
      case TRAILING:
      case BLANK:
        while (place.at < until && isTrailing(bytes[place.at])) place.at++;
        if (place.at < until) place.next = FAULTY;
        return;
      default:
    }
    if (place.depth > NOTED && this.#names === undefined) {
      scanDeep(place, bytes, until, this.#end);
      if (place.next === FAULTY) return;
    }
    while (place.at < until && (bytes[place.at] === 0x20 || bytes[place.at] === 0x09)) place.at++;
    if (place.at >= until) return;
    const byte = bytes[place.at] as number;
    switch (place.next) {
      case START:
        this.#rootStart = place.at;
        if (byte === 0x0d) place.next = BLANK;
        else this.#readValue(byte);
        return;
      case FIRST_VALUE:
        if (byte === CLOSE_ARRAY) this.#close();
        else this.#readValue(byte);
        return;
      case VALUE:
        this.#readValue(byte);
        return;
      case FIRST_KEY:
        if (byte === CLOSE_OBJECT) this.#close();
        else this.#openName(byte);
        return;
      case KEY:
        this.#openName(byte);
        return;
      case COLON:
        place.at++;
        place.next = byte === 0x3a ? VALUE : FAULTY;
        return;
      default:
        this.#readAfter(byte);
    }
  }

  #readAfter(byte: number): void {
    const isObject = this.#place.isObject[this.#place.depth] === 1;
    if (byte === COMMA) {
      this.#place.at++;
      this.#place.next = isObject ? KEY : VALUE;
    } else if (byte === (isObject ? CLOSE_OBJECT : CLOSE_ARRAY)) this.#close();
    else this.#place.next = FAULTY;
  }

  #readValue(byte: number): void {
    if (this.#place.depth === 1) this.#outerStart = this.#place.at;
    else if (this.#place.depth === 2) this.#valueStart = this.#place.at;
    if (byte === QUOTE) {
      this.#place.textStart = this.#place.at;
      this.#place.at++;
      this.#place.next = TEXT;
    } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      this.#open(byte === OPEN_OBJECT);
    } else {
      const after = skipValue(this.#bytes, this.#place.at, this.#end, this.#place.depth);
      if (after < 0) this.#place.next = FAULTY;
      else {
        this.#place.at = after;
        this.#endValue();
      }
    }
  }

  #open(isObject: boolean): void {
    if (++this.#place.depth > MAX_DEPTH) {
      this.#place.next = FAULTY;
      return;
    }
    this.#place.at++;
    this.#place.isObject[this.#place.depth] = isObject ? 1 : 0;
    this.#place.next = isObject ? FIRST_KEY : FIRST_VALUE;
    if (this.#place.depth === 2) this.#slot = NO_KEY;
    if (this.#place.depth === 2 && this.#outerSlot === PARAMS && this.#place.isObject[1] === 1)
      this.#names = new OpenNames(this.#bytes);
    if (isObject) this.#names?.enter();
  }

  #close(): void {
    if (this.#place.isObject[this.#place.depth] === 1) this.#names?.leave();
    if (--this.#place.depth === 1) this.#names = undefined;
    this.#place.at++;
    this.#endValue();
  }

  /** A value has ended, where the scan is. */
  #endValue(): void {
    if (this.#place.depth === 0) {
      this.#place.next = TRAILING;
      return;
    }
    this.#place.next = AFTER;
    if (this.#place.isObject[this.#place.depth] === 0) return;
    if (this.#place.depth === 1) {
      if (this.#outerSlot !== NO_KEY)
        note(this.#bytes, this.#reading, this.#outerSlot, this.#outerStart, this.#place.at);
    } else if (this.#place.depth === 2) {
      if (this.#slot !== NO_KEY)
        note(this.#bytes, this.#reading, this.#slot, this.#valueStart, this.#place.at);
      if (this.#wanted >= 0) this.#keep(this.#wanted);
    }
  }

  /** A member that may have to be found. */
  #keep(index: number): void {
    this.#found[index] =
      this.#found[index] === undefined ? { start: this.#valueStart, end: this.#place.at } : 'ambiguous';
  }

  #openName(byte: number): void {
    this.#nameStart = this.#place.at;
    this.#place.textStart = this.#place.at;
    this.#place.at++;
    this.#place.next = byte === QUOTE ? NAME : FAULTY;
  }

  #readText(until: number): void {
    const after = skipStringUntil(
      this.#bytes,
      this.#place.at,
      until,
      this.#end,
      this.#place.at - this.#place.textStart,
    );
    if (after === BROKEN) this.#place.next = FAULTY;
    else if (after < 0) this.#place.at = ~after;
    else {
      this.#place.at = after;
      if (this.#place.next === TEXT) this.#endValue();
      else this.#endName();
    }
  }

  #endName(): void {
    this.#place.next = COLON;
    const from = this.#nameStart + 1;
    const to = this.#place.at - 1;
    if (this.#place.depth === 1) this.#outerSlot = matchKey(this.#bytes, from, to, MESSAGE);
    else if (this.#place.depth === 2 && this.#place.isObject[1] === 1) {
      const keys =
        this.#outerSlot === PARAMS ? IN_PARAMS : this.#outerSlot === RESULT ? IN_RESULT : undefined;
      this.#slot = keys === undefined ? NO_KEY : matchKey(this.#bytes, from, to, keys);
      this.#wanted = keys === undefined ? NO_KEY : matchKey(this.#bytes, from, to, WANTED_KEYS);
      // Spelled so that some see it.
      if (to - from > MAX_NAME) this.#found.fill('ambiguous');
      else if (this.#wanted < NO_KEY) this.#found[-2 - this.#wanted] = 'ambiguous';
    }
    if (this.#names === undefined || this.#names.add(this.#nameStart, this.#place.at)) return;
    this.#isTwiceInParams = true;
    if (this.#place.depth > 2 && this.#slot === ARGUMENTS) this.#isTwiceInArguments = true;
  }
}
