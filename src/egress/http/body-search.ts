// What searches a body without changing it: pieces are given back when all that they decode to was passed by the search.
import type { ByteTransform } from '../../credential/finder.ts';
import type { GateTurns } from '../turns.ts';
import { Denial } from './substitution.ts';

/** Takes a body piece by piece. Throws `Denial` for one that must not pass. */
export interface BodySearch {
  /** Returns pieces, unchanged and in order, that may pass: at once where nothing has to be decoded. */
  push(piece: Buffer): Buffer[] | Promise<Buffer[]>;
  /** Returns the rest. */
  end(): Buffer[] | Promise<Buffer[]>;
  close(): void;
}

export interface BodySearchParts {
  /** Passes decoded bytes on unchanged, and throws where it finds a secret. */
  readonly search: () => ByteTransform;
  /** What cannot be decoded passes. */
  readonly unsearched: boolean;
  readonly turns: GateTurns;
}

/** What was decoded, and is searched. */
export class PlainBody implements BodySearch {
  readonly #search: ByteTransform;
  readonly #turns: GateTurns;

  constructor({ search, turns }: BodySearchParts) {
    this.#search = search();
    this.#turns = turns;
  }

  push(piece: Buffer): Promise<Buffer[]> {
    return this.#turns.slice(() => this.#search.push(piece));
  }

  end(): Promise<Buffer[]> {
    return this.#turns.slice(() => this.#search.flush());
  }

  close(): void {}
}

/** Pieces that wait, each for so many decoded bytes to be searched. */
export class WaitingPieces {
  #pieces: { readonly piece: Buffer; readonly end: number }[] = [];
  /** Bytes that were decoded, and those of them that were searched. */
  decoded = 0;
  searched = 0;

  add(piece: Buffer): void {
    this.#pieces.push({ piece, end: this.decoded });
  }

  /** Searches what was decoded. */
  async search(body: BodySearch, decoded: Buffer): Promise<void> {
    this.decoded += decoded.length;
    for (const { length } of await body.push(decoded)) this.searched += length;
  }

  takePassed(): Buffer[] {
    const count = this.#pieces.findIndex(({ end }) => end > this.searched);
    return this.#pieces.splice(0, count < 0 ? this.#pieces.length : count).map(({ piece }) => piece);
  }

  takeAll(): Buffer[] {
    return this.#pieces.splice(0).map(({ piece }) => piece);
  }
}

/** Refuses what cannot be searched, unless it may pass. */
export function refuseUnread({ unsearched }: BodySearchParts, what: string): void {
  if (!unsearched)
    throw new Denial(
      502,
      `the body is ${what}, which cannot be searched for secrets ("unsearched: true" of the credential lets it pass)`,
    );
}
