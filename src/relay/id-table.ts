// Values by ids, for the few requests that are open at a time. A `Map` that empties makes itself a new table each time, one
// tied to the next, and the garbage collector has to follow them all; this one makes nothing unless it grows.
import { randomInt } from 'node:crypto';
import type { Id } from '../json/envelope.ts';

/** Places at first; always a power of two, and at least twice as many as there are ids. */
const LEAST = 32;
/** A table with more places is not kept once it is empty. */
const MOST_KEPT = 1024;
/** Odd, and near 2^32 divided by the golden ratio. */
const SPREAD = 0x9e3779b1;
/** Of this process alone: a host that knew both could choose ids of one place. */
const SECRET = randomInt(2 ** 32);
const MULTIPLIER = 8 * randomInt(2 ** 29) + 5;

/** Linear probing: an id is at the place that its hash names, or behind it without a free place between. */
export class IdTable<Value extends object> {
  #ids: (Id | undefined)[] = new Array(LEAST).fill(undefined);
  #values: (Value | undefined)[] = new Array(LEAST).fill(undefined);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: Id): Value | undefined {
    return this.#values[this.#placeOf(id)];
  }

  has(id: Id): boolean {
    return this.get(id) !== undefined;
  }

  /** Adds a value, or puts it in the place of the one that has its id. */
  set(id: Id, value: Value): void {
    const at = this.#placeOf(id);
    if (this.#values[at] === undefined) this.#size++;
    this.#ids[at] = id;
    this.#values[at] = value;
    if (2 * this.#size > this.#ids.length) this.#resize(2 * this.#ids.length);
  }

  /** Whether there was one. */
  delete(id: Id): boolean {
    let free = this.#placeOf(id);
    const ids = this.#ids;
    const values = this.#values;
    if (values[free] === undefined) return false;
    const last = ids.length - 1;
    // Those behind it move up, as far as their own places let them.
    for (let at = (free + 1) & last; values[at] !== undefined; at = (at + 1) & last) {
      const own = hashOf(ids[at] as Id) & last;
      if (((at - own) & last) < ((at - free) & last)) continue;
      ids[free] = ids[at];
      values[free] = values[at];
      free = at;
    }
    ids[free] = undefined;
    values[free] = undefined;
    this.#size--;
    if (this.#size === 0 && ids.length > MOST_KEPT) this.#resize(LEAST);
    return true;
  }

  /** In no order. */
  values(): Value[] {
    return this.#values.filter((value) => value !== undefined);
  }

  /** The place of an id, or the one where it belongs. */
  #placeOf(id: Id): number {
    const last = this.#ids.length - 1;
    let at = hashOf(id) & last;
    while (this.#values[at] !== undefined && this.#ids[at] !== id) at = (at + 1) & last;
    return at;
  }

  #resize(places: number): void {
    const ids = this.#ids;
    const values = this.#values;
    this.#ids = new Array(places).fill(undefined);
    this.#values = new Array(places).fill(undefined);
    for (const [from, value] of values.entries()) {
      if (value === undefined) continue;
      const at = this.#placeOf(ids[from] as Id);
      this.#ids[at] = ids[from];
      this.#values[at] = value;
    }
  }
}

/**
 * Spreads ids that are counted up, by whatever step: those that lie side by side would have to move whenever the first of them is
 * gone, and those of one place would all be looked at.
 */
function hashOf(id: Id): number {
  if (typeof id === 'number') {
    const low = id | 0;
    return spread(low === id ? low : low ^ Math.imul(Math.floor(id / 2 ** 32), MULTIPLIER));
  }
  const text = typeof id === 'bigint' ? id.toString() : id;
  let hash = text.length;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, MULTIPLIER) + text.charCodeAt(i)) | 0;
  return spread(hash);
}

/** Every bit of the number counts in each bit of the result. */
function spread(number: number): number {
  const given = number ^ SECRET;
  const once = Math.imul(given ^ (given >>> 16), SPREAD);
  return once ^ (once >>> 15);
}
