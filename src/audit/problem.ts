// What can be wrong with a log.

export type ProblemKind =
  | 'edited'
  | 'deleted'
  | 'inserted'
  | 'swapped'
  | 'rewritten'
  | 'cut-end'
  | 'torn'
  | 'start-missing'
  | 'head-missing'
  | 'bad-signature'
  | 'foreign-key'
  | 'checkpoint-missing'
  | 'signed-missing'
  | 'unsigned'
  | 'unsigned-tail';

/** A problem and its location: the first record that is wrong. */
export interface Problem {
  readonly kind: ProblemKind;
  readonly file: string | null;
  /** From 1. */
  readonly line: number | null;
  readonly seq: number | null;
  readonly detail: string;
}

/** A line's place in the log. */
export interface Location {
  readonly file: string;
  readonly line: number;
}

/** A range of missing numbers. Some may appear later: then records were swapped, not deleted. */
export class Gap {
  readonly #location: Location;
  readonly #from: number;
  readonly #through: number;
  /** The daemon reported at its start that these were missing. */
  readonly #announced: boolean;
  /** Ranges, both ends included. */
  #missing: readonly (readonly [number, number])[];

  /** The record `through + 1` is where record `from` belongs. */
  constructor(location: Location, from: number, through: number, announced: boolean) {
    this.#location = location;
    this.#from = from;
    this.#through = through;
    this.#announced = announced;
    this.#missing = [[from, through]];
  }

  /** Removes a number from the missing ones. False if it was not missing. */
  fill(seq: number): boolean {
    const hit = this.#missing.find(([from, through]) => from <= seq && seq <= through);
    if (hit === undefined) return false;
    const rest = [[hit[0], seq - 1] as const, [seq + 1, hit[1]] as const];
    const nonEmpty = rest.filter(([from, through]) => from <= through);
    this.#missing = [...this.#missing.filter((range) => range !== hit), ...nonEmpty];
    return true;
  }

  problems(): Problem[] {
    const { file, line } = this.#location;
    const [first] = this.#missing;
    const lost = this.#missing.map(([from, through]) => describeMissing(from, through)).join('; ');
    if (first?.[0] === this.#from && first[1] === this.#through) {
      return this.#announced
        ? [
            {
              kind: 'cut-end',
              file,
              line,
              seq: this.#from,
              detail: `the end was cut before the daemon started: ${lost}`,
            },
          ]
        : [{ kind: 'deleted', file, line, seq: this.#from, detail: lost }];
    }
    const detail = `record ${this.#through + 1} is where record ${this.#from} belongs`;
    const swapped: Problem = { kind: 'swapped', file, line, seq: this.#from, detail };
    return first === undefined
      ? [swapped]
      : [swapped, { kind: 'deleted', file, line, seq: first[0], detail: lost }];
  }
}

/** Describes which records are missing. */
export function describeMissing(from: number, through: number): string {
  return from === through ? `record ${from} is missing` : `records ${from} to ${through} are missing`;
}
