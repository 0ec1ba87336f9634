// Searches a body that is compressed in whatever its first bytes say. What it decodes to may be compressed itself, up to
// `MAX_DEPTH` times; the entries of a zip are decoded one by one.
//
// What holds any bytes and cannot be decoded is refused, unless the profile lets it pass: an encrypted zip, bzip2, xz and the
// like (`body-format.ts`).
import { type BodyFormat, bodyFormat, isRead, isText, MAX_TOLD } from './body-format.ts';
import { type BodySearch, type BodySearchParts, PlainBody, refuseUnread } from './body-search.ts';
import { CodedBody } from './coded-body.ts';
import { ZipBody } from './zip-body.ts';

/** How often a body may be compressed. */
const MAX_DEPTH = 4;
const NO_BYTES = Buffer.alloc(0);

/** A body, or what one decodes to: its first bytes tell its format. `depth`: how often it was decoded until now. */
export class FormattedBody implements BodySearch {
  readonly #parts: BodySearchParts;
  readonly #depth: number;
  /** Until the format is known. */
  #first: Buffer[] = [];
  #body: BodySearch | undefined;

  constructor(parts: BodySearchParts, depth = 0) {
    this.#parts = parts;
    this.#depth = depth;
  }

  push(piece: Buffer): Buffer[] | Promise<Buffer[]> {
    if (this.#body !== undefined) return this.#body.push(piece);
    this.#first.push(piece);
    const format = bodyFormat(this.#first.length === 1 ? piece : Buffer.concat(this.#first));
    return format === 'incomplete' ? [] : this.#begin(format);
  }

  end(): Buffer[] | Promise<Buffer[]> {
    return this.#body === undefined ? this.#endFirst() : this.#body.end();
  }

  /** It ends before its format is known. */
  async #endFirst(): Promise<Buffer[]> {
    const first = await this.#begin(undefined);
    return [...first, ...((await this.#body?.end()) ?? [])];
  }

  close(): void {
    this.#body?.close();
  }

  #begin(format: BodyFormat | undefined): Buffer[] | Promise<Buffer[]> {
    this.#body = this.#bodyOf(format);
    const first = this.#first;
    this.#first = [];
    const [only] = first;
    return first.length === 1 && only !== undefined ? this.#body.push(only) : pushAll(this.#body, first);
  }

  #bodyOf(format: BodyFormat | undefined): BodySearch {
    const plain = (): BodySearch =>
      this.#depth === 0 ? new OutermostBody(this.#parts) : new PlainBody(this.#parts);
    if (format === undefined) return plain();
    if (!isRead(format)) {
      refuseUnread(this.#parts, format);
      return plain();
    }
    if (this.#depth === MAX_DEPTH) {
      refuseUnread(this.#parts, `compressed more than ${MAX_DEPTH} times`);
      return plain();
    }
    const inner = (): BodySearch => new FormattedBody(this.#parts, this.#depth + 1);
    return format === 'zip'
      ? new ZipBody(this.#parts, inner)
      : new CodedBody(format, this.#parts, this.#depth, inner());
  }
}

/**
 * A body that is not compressed, or with brotli, which has no magic number: what is no text is decoded as if it were brotli, for
 * as long as it can be. Text passes; whoever sends it on searches it.
 */
class OutermostBody implements BodySearch {
  readonly #parts: BodySearchParts;
  /** The first bytes, which have passed; `undefined` when they have told. */
  #told: Buffer | undefined = NO_BYTES;
  #trial: CodedBody | undefined;

  constructor(parts: BodySearchParts) {
    this.#parts = parts;
  }

  push(piece: Buffer): Buffer[] | Promise<Buffer[]> {
    if (this.#trial !== undefined) return this.#trial.push(piece);
    if (this.#told === undefined) return [piece];
    const before = this.#told;
    const told = Buffer.concat([before, piece.subarray(0, MAX_TOLD)]);
    if (isText(told.subarray(0, MAX_TOLD))) {
      this.#told = told.length < MAX_TOLD ? told : undefined;
      return [piece];
    }
    return this.#try(before, piece);
  }

  async #try(before: Buffer, piece: Buffer): Promise<Buffer[]> {
    this.#trial = new CodedBody('brotli', this.#parts, 0, new FormattedBody(this.#parts, 1));
    const passed = before.length === 0 ? [] : await this.#trial.push(before);
    passed.push(...(await this.#trial.push(piece)));
    return passed.filter((each) => each !== before);
  }

  end(): Buffer[] | Promise<Buffer[]> {
    return this.#trial === undefined ? [] : this.#endTrial(this.#trial);
  }

  async #endTrial(trial: CodedBody): Promise<Buffer[]> {
    return (await trial.end()).filter((each) => each !== this.#told);
  }

  close(): void {
    this.#trial?.close();
  }
}

async function pushAll(body: BodySearch, pieces: readonly Buffer[]): Promise<Buffer[]> {
  const passed: Buffer[] = [];
  for (const piece of pieces) passed.push(...(await body.push(piece)));
  return passed;
}
