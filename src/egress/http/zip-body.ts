// A zip archive, whose entries are decoded one by one.
import { type BodySearch, type BodySearchParts, refuseUnread, WaitingPieces } from './body-search.ts';
import { Decoding } from './decoding.ts';
import { readZipHeader, type ZipEntry, zipDescriptorLength } from './zip.ts';

const NO_BYTES = Buffer.alloc(0);

/** The entries of a zip in order, up to its directory. */
export class ZipBody implements BodySearch {
  readonly #parts: BodySearchParts;
  readonly #content: () => BodySearch;
  readonly #waiting = new WaitingPieces();
  /** Bytes that were not read yet: a part of a header or a descriptor. */
  #unread: Buffer = NO_BYTES;
  #entry: EntryContent | undefined;
  /** `done`: its directory, or what cannot be read, follows. */
  #next: 'header' | 'content' | 'descriptor' | 'done' = 'header';

  /** `content`: searches what an entry decodes to. */
  constructor(parts: BodySearchParts, content: () => BodySearch) {
    this.#parts = parts;
    this.#content = content;
  }

  async push(piece: Buffer): Promise<Buffer[]> {
    let data = this.#unread.length === 0 ? piece : Buffer.concat([this.#unread, piece]);
    for (let rest: Buffer | undefined = data; rest !== undefined; rest = await this.#read(data)) data = rest;
    this.#unread = this.#next === 'done' ? NO_BYTES : data;
    this.#waiting.add(piece);
    return this.#waiting.takePassed();
  }

  async end(): Promise<Buffer[]> {
    if (this.#entry !== undefined) await this.#endEntry(this.#entry);
    return this.#waiting.takeAll();
  }

  close(): void {
    this.#entry?.close();
  }

  /** Reads what comes next, and returns what follows that; `undefined` where it takes more bytes. */
  async #read(data: Buffer): Promise<Buffer | undefined> {
    switch (this.#next) {
      case 'header': {
        const header = readZipHeader(data);
        if (header === 'incomplete') return undefined;
        if (typeof header === 'object') return this.#begin(header, data);
        if (header === 'invalid') refuseUnread(this.#parts, 'a zip with something between its entries');
        this.#next = 'done';
        return undefined;
      }
      case 'content': {
        if (this.#entry === undefined || data.length === 0) return undefined;
        const rest = await this.#entry.push(data, this.#waiting);
        if (rest === undefined) return NO_BYTES;
        await this.#endEntry(this.#entry);
        return rest;
      }
      case 'descriptor': {
        const length = zipDescriptorLength(data);
        if (length === 'incomplete') return undefined;
        if (length === 'invalid') refuseUnread(this.#parts, 'a zip with an entry of unknown length');
        this.#next = length === 'invalid' ? 'done' : 'header';
        return length === 'invalid' ? undefined : data.subarray(length);
      }
      case 'done':
        return undefined;
    }
  }

  #begin(header: ZipEntry, data: Buffer): Buffer | undefined {
    const { coding, size, length } = header;
    if (coding === 'unknown')
      refuseUnread(this.#parts, 'a zip with an encrypted entry, or a compression of its own');
    const isUnknown = coding === 'unknown' || coding === 'stored';
    if (isUnknown && size === undefined) {
      refuseUnread(this.#parts, 'a zip with an entry of unknown length');
      this.#next = 'done';
      return undefined;
    }
    if (size !== 0) {
      this.#entry = new EntryContent(isUnknown ? undefined : coding, size, this.#content());
      this.#next = 'content';
    }
    return data.subarray(length);
  }

  async #endEntry(entry: EntryContent): Promise<void> {
    if (!(await entry.end(this.#waiting)))
      refuseUnread(this.#parts, 'a zip with an entry that cannot be decoded');
    this.#waiting.searched = this.#waiting.decoded;
    this.#next = entry.hasDescriptor ? 'descriptor' : 'header';
    entry.close();
    this.#entry = undefined;
  }
}

/** The content of one entry. */
class EntryContent {
  readonly hasDescriptor: boolean;
  readonly #decoding: Decoding | undefined;
  readonly #content: BodySearch;
  /** Bytes that are to come; `undefined` until the decoder says so. */
  #left: number | undefined;

  constructor(coding: 'deflate' | 'zstd' | undefined, size: number | undefined, content: BodySearch) {
    this.hasDescriptor = size === undefined;
    this.#left = size;
    this.#decoding = coding === undefined ? undefined : new Decoding(coding);
    this.#content = content;
  }

  /** Takes data, and returns what follows the entry in it; `undefined` where the entry goes on. */
  async push(data: Buffer, waiting: WaitingPieces): Promise<Buffer | undefined> {
    const mine = this.#left === undefined ? data : data.subarray(0, this.#left);
    let unread = 0;
    if (this.#decoding === undefined) await waiting.search(this.#content, mine);
    else if (!this.#decoding.isBroken)
      unread = await this.#decoding.write(mine, (decoded) => waiting.search(this.#content, decoded));
    if (this.#left === undefined) {
      if (this.#decoding?.isBroken === true) return data.subarray(data.length);
      return unread > 0 ? data.subarray(data.length - unread) : undefined;
    }
    this.#left -= mine.length;
    return this.#left === 0 ? data.subarray(mine.length) : undefined;
  }

  /** Returns whether all of it could be decoded. */
  async end(waiting: WaitingPieces): Promise<boolean> {
    const decoding = this.#decoding;
    if (decoding?.isBroken === false) await decoding.end((decoded) => waiting.search(this.#content, decoded));
    await this.#content.end();
    return decoding?.isBroken !== true;
  }

  close(): void {
    this.#decoding?.close();
    this.#content.close();
  }
}
