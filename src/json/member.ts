// Names of members, matched as bytes. A name that is not spelled plainly, but that some parser takes for one
// that is looked for, is told apart from one that is merely another.

/** Names that are looked for, each with the number that stands for it. */
export type Keys = readonly {
  readonly name: Buffer;
  readonly length: number;
  /** The name's first byte. */
  readonly first: number;
  readonly folded: string;
  /** The same as bytes, if the name itself is another. */
  readonly plain: Buffer | undefined;
  readonly slot: number;
}[];

/** `{name: slot}` as `matchKey` wants it. Slots are not negative. */
export function keysOf(slots: Readonly<Record<string, number>>): Keys {
  return Object.entries(slots).map(([name, slot]) => {
    const folded = fold(name);
    return {
      name: Buffer.from(name),
      length: Buffer.byteLength(name),
      first: Buffer.from(name)[0] as number,
      folded,
      plain: folded === name ? undefined : Buffer.from(folded),
      slot,
    };
  });
}

/** The longest name, in bytes of JSON text, that is decoded to be compared with a key. */
export const MAX_NAME = 1024;

/** What `matchKey` returns for a name that is none of the keys. */
export const NO_KEY = -1;

/** What `matchKey` returns for a name that is only like a key; of a slot, and back again. */
export function alike(slot: number): number {
  return -2 - slot;
}

/**
 * The slot of the name whose bytes, without its quotes, are from `start` to `end`; `NO_KEY` if it is another;
 * `alike(slot)` if it is spelled otherwise, but a parser may take it for the key: with escapes, in other case,
 * with control or format characters. A name of more than `MAX_NAME` bytes counts as one that a parser may take
 * for the first of the keys: it is not decoded, and no message needs it.
 */
export function matchKey(bytes: Buffer, start: number, end: number, keys: Keys): number {
  const length = end - start;
  if (length > MAX_NAME) return alike(keys[0]?.slot ?? 0);
  const first = bytes[start];
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as Keys[number];
    if (key.length === length && key.first === first && equal(bytes, start, key.name)) return key.slot;
  }
  if (!isPlain(bytes, start, end)) return matchAlike(bytes, start, end, keys);
  for (const { plain, slot } of keys) {
    if (plain !== undefined && plain.length === length && equal(bytes, start, plain)) return alike(slot);
  }
  return NO_KEY;
}

function equal(bytes: Buffer, start: number, name: Buffer): boolean {
  for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name[i]) return false;
  return true;
}

/** Whether folding would leave the name as it is. */
function isPlain(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    if (byte >= 0x7f || byte === 0x5c || byte === 0x20 || (byte >= 0x41 && byte <= 0x5a)) return false;
  }
  return true;
}

function matchAlike(bytes: Buffer, start: number, end: number, keys: Keys): number {
  const folded = fold(String(JSON.parse(bytes.toString('utf8', start - 1, end + 1))));
  const key = keys.find((candidate) => candidate.folded === folded);
  return key === undefined ? NO_KEY : alike(key.slot);
}

/** Case by way of upper case: U+017F becomes `s`, U+212A `k`, U+0131 `i`. */
function fold(name: string): string {
  return name
    .replace(/[\p{Cc}\p{Cf}\s]/gu, '')
    .toUpperCase()
    .toLowerCase();
}
