// Lines of a log as bytes, one behind the other, in a buffer that is used again: most of what a record costs is to build and to
// copy strings.
import { canonical, type Json, PLAIN, quote } from './canonical.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const TILDE = 0x7e;
const SPACE = 0x20;
const ZERO = 0x30;
/** Bytes of UTF-8 of one UTF-16 code unit, at most. */
const MAX_BYTES = 3;
/** Texts up to this many code units are written one by one: a call costs as much. */
const FEW = 48;
const FIRST_SIZE = 65_536;
/** A buffer that has become larger is not kept. */
const MAX_KEPT = 2 ** 20;

export class Lines {
  #bytes = Buffer.allocUnsafeSlow(FIRST_SIZE);
  /** Bytes that are written. May be set to a smaller value: what is behind it is dropped. */
  length = 0;

  /** What is written is at its beginning. Holds until the next call that writes. */
  get memory(): Uint8Array {
    return this.#bytes;
  }

  /** What is written from `start` on. Holds until the next call that writes. */
  from(start: number): Uint8Array {
    return this.#bytes.subarray(start, this.length);
  }

  /** Drops everything. */
  clear(): void {
    this.length = 0;
    if (this.#bytes.length > MAX_KEPT) this.#bytes = Buffer.allocUnsafeSlow(FIRST_SIZE);
  }

  /** Writes a few bytes. */
  bytes(few: Uint8Array): void {
    const { length } = few;
    this.#reserve(length);
    const bytes = this.#bytes;
    const at = this.length;
    for (let i = 0; i < length; i++) bytes[at + i] = few[i] as number;
    this.length = at + length;
  }

  /** Writes a text in quotes that is the same in JSON. */
  plain(text: string): void {
    this.#reserve(text.length + 2);
    const bytes = this.#bytes;
    const at = this.length;
    bytes[at] = QUOTE;
    bytes.write(text, at + 1, 'latin1');
    bytes[at + 1 + text.length] = QUOTE;
    this.length = at + 2 + text.length;
  }

  /** Writes a label, and ASCII in quotes behind it, between what is there already: at `at`, before what follows. */
  insert(at: number, label: Uint8Array, text: string): void {
    const more = label.length + text.length + 2;
    this.#reserve(more);
    const bytes = this.#bytes;
    bytes.copyWithin(at + more, at, this.length);
    bytes.set(label, at);
    bytes[at + label.length] = QUOTE;
    bytes.write(text, at + label.length + 1, 'latin1');
    bytes[at + more - 1] = QUOTE;
    this.length += more;
  }

  /** Writes a value as canonical JSON, as part of an object. Throws as `canonical` does. */
  value(value: Json): void {
    if (typeof value === 'number' && value >= 0 && Number.isSafeInteger(value)) this.#count(value);
    else if (typeof value !== 'string') this.#text(canonical(value, 1));
    else if (value.length > FEW) this.#long(value);
    else this.#few(value);
  }

  /** Writes an integer that is not negative. */
  #count(value: number): void {
    let digits = 1;
    for (let least = 10; least <= value; least *= 10) digits++;
    this.#reserve(digits);
    const bytes = this.#bytes;
    let left = value;
    for (let at = this.length + digits - 1; at >= this.length; at--) {
      const rest = Math.floor(left / 10);
      bytes[at] = ZERO + (left - 10 * rest);
      left = rest;
    }
    this.length += digits;
  }

  #few(text: string): void {
    this.#reserve(2 * FEW + 2);
    const bytes = this.#bytes;
    let at = this.length;
    bytes[at++] = QUOTE;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit < SPACE || unit > TILDE) {
        this.#text(quote(text));
        return;
      }
      if (unit === QUOTE || unit === BACKSLASH) bytes[at++] = BACKSLASH;
      bytes[at++] = unit;
    }
    bytes[at++] = QUOTE;
    this.length = at;
  }

  #long(text: string): void {
    if (PLAIN.test(text)) this.plain(text);
    else this.#text(quote(text));
  }

  #text(text: string): void {
    this.#reserve(MAX_BYTES * text.length);
    this.length += this.#bytes.write(text, this.length);
  }

  #reserve(more: number): void {
    const needed = this.length + more;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(2 * needed);
    this.#bytes.copy(larger, 0, 0, this.length);
    this.#bytes = larger;
  }
}
