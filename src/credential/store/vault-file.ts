// The vault's file, version 1: JSON that anyone can read, but that nobody can change unnoticed without the key.
//
//     { format, version, key: {kind, salt, N, r, p}, wrapped, sum,
//       counter, index: [{kind, name, version, updated, digest}], mac, boxes: [{kind, name, box}] }
//
// A random data key encrypts the values. `wrapped` is the data key, encrypted with the wrapping key of the user or the
// machine (`vault-key.ts`). `sum` is a plain SHA-256 of everything before it: not a protection, but it distinguishes a
// corrupted file from a wrong passphrase. HKDF derives two keys from the data key: one for the boxes, one for `mac`, an
// HMAC over `sum`, `counter` and `index`. A box is AES-256-GCM with the entry's kind and name as additional data, and
// the index contains its SHA-256, so that no single entry can be renamed, swapped, removed, added or rolled back. A
// damaged box affects one entry; a damaged index affects all.
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import * as z from 'zod';
import { WarderError } from '../../errors.ts';

/** A credential's value, or other binary data. Each kind has its own namespace. */
export type EntryKind = 'credential' | 'blob';

/** scrypt's parameters (RFC 7914, section 2). */
export interface Cost {
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

/** The most memory for scrypt, in bytes. The parameters in a file are not trusted. */
export const COST_LIMIT = 512 * 2 ** 20;
const MIN_N = 2 ** 10;
const MAX_P = 4;
/** AES-256-GCM (NIST SP 800-38D): nonce and tag, in bytes. */
const NONCE = 12;
const TAG = 16;
const FORMAT = 'warder-vault';
const VERSION = 1;

const entryKind = z.enum(['credential', 'blob']);
const name = z.string().min(1).max(1024);
const hex = z.string().regex(/^[0-9a-f]{64}$/);
const salt = z.base64().length(44);
const cost = z.int().positive();

const file = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(VERSION),
  key: z.discriminatedUnion('kind', [
    z
      .strictObject({ kind: z.literal('passphrase'), salt, N: cost, r: cost, p: cost })
      .refine(
        ({ N, r, p }) =>
          N >= MIN_N && Number.isInteger(Math.log2(N)) && 128 * N * r <= COST_LIMIT && p <= MAX_P,
      ),
    z.strictObject({ kind: z.literal('bytes'), salt }),
  ]),
  wrapped: z.base64(),
  sum: hex,
  counter: z.int().nonnegative(),
  index: z.array(
    z.strictObject({ kind: entryKind, name, version: z.string(), updated: z.iso.datetime(), digest: hex }),
  ),
  mac: hex,
  boxes: z.array(z.strictObject({ kind: entryKind, name, box: z.base64() })),
});

/** The file's content. Only its shape has been checked. */
export type VaultFile = z.infer<typeof file>;
/** How the wrapping key of the data key is derived. */
export type KeyDerivation = VaultFile['key'];
type Indexed = VaultFile['index'][number];

/** The keys derived from the data key. */
export interface Keys {
  readonly box: Buffer;
  readonly mac: Buffer;
}

/** One entry: its record in the index, and its box. Either may be missing in a file that was tampered with. */
export interface Entry {
  readonly kind: EntryKind;
  readonly name: string;
  readonly indexed: Indexed | undefined;
  readonly box: string | undefined;
}

const RESTORE_HINT =
  'restore its file from a backup, or move it away, run "warder init" and set the credentials again';

/** The error for a file that differs from what Warder wrote. */
export function damaged(what: string): WarderError {
  return new WarderError('vault-damaged', `the vault is damaged: ${what}`, {
    hint: RESTORE_HINT,
  });
}

/** Parses the file's text. It must be exactly what `render` gives. Throws `vault-damaged`. */
export function parse(text: string): VaultFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw damaged('its file is not JSON');
  }
  const head = z.object({ format: z.literal(FORMAT), version: z.int().gt(VERSION) }).safeParse(value);
  if (head.success) {
    throw new WarderError('vault-damaged', `the vault is of version ${head.data.version}, which is unknown`, {
      hint: 'a newer version of Warder wrote it: use that one',
    });
  }
  const parsed = file.safeParse(value);
  if (!parsed.success || render(parsed.data) !== text) throw damaged('its file is not as it was written');
  if (parsed.data.sum !== sum(parsed.data)) throw damaged('its head is not as it was written');
  return parsed.data;
}

/** Renders the file's text. */
export function render({ key, wrapped, counter, index, mac, boxes, ...head }: VaultFile): string {
  const { kind, salt } = key;
  const whole: VaultFile = {
    format: head.format,
    version: head.version,
    key: kind === 'bytes' ? { kind, salt } : { kind, salt, N: key.N, r: key.r, p: key.p },
    wrapped,
    sum: head.sum,
    counter,
    index: index.map(({ kind, name, version, updated, digest }) => ({
      kind,
      name,
      version,
      updated,
      digest,
    })),
    mac,
    boxes: boxes.map(({ kind, name, box }) => ({ kind, name, box })),
  };
  return `${JSON.stringify(whole, null, 1)}\n`;
}

/** Creates an empty vault with a new data key, encrypted with `wrapping`. */
export function create(key: KeyDerivation, wrapping: Buffer): { content: VaultFile; keys: Keys } {
  const dataKey = randomBytes(32);
  const wrapped = encrypt(wrapping, dataKey, wrapContext(key));
  const head = { format: FORMAT, version: VERSION, key, wrapped } as const;
  const keys = derive(dataKey);
  const content = replaceIndex(
    { ...head, sum: sum(head), counter: 0, index: [], mac: '', boxes: [] },
    keys,
    [],
    [],
  );
  return { content, keys };
}

/** Decrypts the data key. `undefined`: `wrapping` is the wrong key. */
export function unwrap({ key, wrapped }: VaultFile, wrapping: Buffer): Keys | undefined {
  const dataKey = decrypt(wrapping, wrapped, wrapContext(key));
  return dataKey?.length === 32 ? derive(dataKey) : undefined;
}

/** Verifies the index and joins it with the boxes. Throws `vault-damaged`. */
export function readEntries(content: VaultFile, keys: Keys): Map<string, Entry> {
  if (!timingSafeEqual(macOf(content, keys), Buffer.from(content.mac, 'hex'))) {
    throw damaged('its index is not as it was written');
  }
  const found = new Map<string, Entry>();
  for (const indexed of content.index) {
    const { kind, name } = indexed;
    found.set(context(kind, name), { kind, name, indexed, box: undefined });
  }
  const seen = new Set<string>();
  for (const { kind, name, box } of content.boxes) {
    const id = context(kind, name);
    if (seen.has(id)) throw damaged(`"${name}" occurs twice`);
    seen.add(id);
    found.set(id, { kind, name, indexed: found.get(id)?.indexed, box });
  }
  return found;
}

/** Finds the entry of a name. */
export function findEntry(all: ReadonlyMap<string, Entry>, kind: EntryKind, name: string): Entry | undefined {
  return all.get(context(kind, name));
}

/**
 * Decrypts an entry's box. Throws `credential-misbound` for the box of another name of this vault, and
 * `vault-damaged`.
 */
export function openEntry(all: ReadonlyMap<string, Entry>, entry: Entry, keys: Keys): Buffer {
  const { kind, name, indexed, box } = entry;
  if (box === undefined) throw entryError(entry, 'was removed', 'vault-damaged');
  const bytes = decrypt(keys.box, box, context(kind, name));
  if (bytes !== undefined && indexed !== undefined && indexed.digest === digest(box)) return bytes;
  if (bytes !== undefined) throw entryError(entry, 'was replaced by an older one', 'vault-damaged');
  for (const [id, other] of all) {
    if (decrypt(keys.box, box, id) !== undefined)
      throw entryError(entry, `was set for "${other.name}"`, 'credential-misbound');
  }
  throw entryError(entry, 'is damaged', 'vault-damaged');
}

/** Returns the file with one entry set. */
export function withEntry(
  content: VaultFile,
  keys: Keys,
  { kind, name, version, updated }: Omit<Indexed, 'digest'>,
  bytes: Uint8Array,
): VaultFile {
  const box = encrypt(keys.box, bytes, context(kind, name));
  const { index, boxes } = withoutEntry(content, keys, kind, name);
  return replaceIndex(
    content,
    keys,
    [...index, { kind, name, version, updated, digest: digest(box) }],
    [...boxes, { kind, name, box }],
  );
}

/** Returns the file without an entry. */
export function withoutEntry(content: VaultFile, keys: Keys, kind: EntryKind, name: string): VaultFile {
  const other = (one: { kind: EntryKind; name: string }): boolean => one.kind !== kind || one.name !== name;
  return replaceIndex(content, keys, content.index.filter(other), content.boxes.filter(other));
}

function replaceIndex(
  content: VaultFile,
  keys: Keys,
  index: VaultFile['index'],
  boxes: VaultFile['boxes'],
): VaultFile {
  const next = { ...content, counter: content.counter + 1, index, boxes };
  return { ...next, mac: macOf(next, keys).toString('hex') };
}

function entryError(
  { kind, name }: Entry,
  what: string,
  code: 'vault-damaged' | 'credential-misbound',
): WarderError {
  return new WarderError(code, `the value kept as "${name}" ${what}`, {
    hint: kind === 'blob' ? RESTORE_HINT : `set it again: warder credential set --name ${name}`,
  });
}

function derive(dataKey: Buffer): Keys {
  const key = (info: string): Buffer =>
    Buffer.from(hkdfSync('sha256', dataKey, '', `${FORMAT} ${VERSION} ${info}`, 32));
  const keys = { box: key('box'), mac: key('mac') };
  dataKey.fill(0);
  return keys;
}

function macOf({ sum, counter, index }: VaultFile, keys: Keys): Buffer {
  const flat = index.map(({ kind, name, version, updated, digest }) => [
    kind,
    name,
    version,
    updated,
    digest,
  ]);
  return createHmac('sha256', keys.mac)
    .update(JSON.stringify([FORMAT, VERSION, sum, counter, flat]))
    .digest();
}

function sum({ key, wrapped }: Pick<VaultFile, 'key' | 'wrapped'>): string {
  return digest(JSON.stringify([wrapContext(key), wrapped]));
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The additional data of a box, and the id of the entry. A kind contains no space, so no two entries share one. */
function context(kind: EntryKind, name: string): string {
  return `${FORMAT} ${VERSION} ${kind} ${name}`;
}

function wrapContext(key: KeyDerivation): string {
  const { kind, salt } = key;
  return JSON.stringify([FORMAT, VERSION, kind, salt, ...(kind === 'bytes' ? [] : [key.N, key.r, key.p])]);
}

/** Nonce, ciphertext and tag in base64. Nonces are random: safe for 2^32 writes of a vault. */
function encrypt(key: Buffer, bytes: Uint8Array, context: string): string {
  const nonce = randomBytes(NONCE);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG }).setAAD(
    Buffer.from(context),
  );
  return Buffer.concat([nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]).toString('base64');
}

function decrypt(key: Buffer, box: string, context: string): Buffer | undefined {
  const all = Buffer.from(box, 'base64');
  if (all.length < NONCE + TAG) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', key, all.subarray(0, NONCE), { authTagLength: TAG })
    .setAAD(Buffer.from(context))
    .setAuthTag(all.subarray(-TAG));
  const bytes = decipher.update(all.subarray(NONCE, -TAG));
  try {
    return Buffer.concat([bytes, decipher.final()]);
  } catch {
    return undefined;
  }
}
