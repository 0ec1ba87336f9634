// A profile that an import makes, or has made before and takes again, until a host's entry names it or it is taken back.
import type { WarderError } from '../../errors.ts';

/** Versions of credentials, by their names in the store. */
export type Versions = ReadonlyMap<string, string>;

/** A profile at which an import is at work. */
export interface Making {
  readonly name: string;
  /** It was there before, and is only tried, with its secrets set again. */
  readonly isThere: boolean;
  /** The profile's text, before it is written. */
  willWrite(text: string): void;
  /** The host's entry names it. `versions`: of its credentials. */
  finish(versions: Versions): void;
  /**
   * Takes back what there is of it. Where that cannot be done now, its file stays, and the next import does it; the reason is
   * returned.
   */
  takeBack(): Promise<WarderError | undefined>;
}
