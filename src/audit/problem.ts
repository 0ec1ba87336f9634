// What can be wrong with a log, in words.

export type Kind =
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
  | 'unsigned';

/** One thing that is wrong, and where: the first record that is not as it should be. */
export interface Problem {
  readonly kind: Kind;
  readonly file: string | null;
  /** From 1. */
  readonly line: number | null;
  readonly seq: number | null;
  readonly detail: string;
}

/** Where a line stands. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

/** Numbers that were passed over. Some may turn up later: then records were swapped, not deleted. */
export class Gap {
  readonly #place: Place;
  readonly #from: number;
  readonly #through: number;
  /** The daemon has said at its start that these were gone. */
  readonly #known: boolean;
  /** Ranges, both ends included. */
  #missing: readonly (readonly [number, number])[];

  /** The record `through + 1` stands where record `from` belongs. */
  constructor(place: Place, from: number, through: number, known: boolean) {
    this.#place = place;
    this.#from = from;
    this.#through = through;
    this.#known = known;
    this.#missing = [[from, through]];
  }

  /** Whether a number was missing; it no longer is. */
  fill(seq: number): boolean {
    const hit = this.#missing.find(([from, through]) => from <= seq && seq <= through);
    if (hit === undefined) return false;
    const rest = [[hit[0], seq - 1] as const, [seq + 1, hit[1]] as const];
    const kept = rest.filter(([from, through]) => from <= through);
    this.#missing = [...this.#missing.filter((range) => range !== hit), ...kept];
    return true;
  }

  problems(): Problem[] {
    const { file, line } = this.#place;
    const [first] = this.#missing;
    const lost = this.#missing.map(([from, through]) => missing(from, through)).join('; ');
    if (first?.[0] === this.#from && first[1] === this.#through) {
      return this.#known
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
    const detail = `record ${this.#through + 1} stands where record ${this.#from} belongs`;
    const swapped: Problem = { kind: 'swapped', file, line, seq: this.#from, detail };
    return first === undefined
      ? [swapped]
      : [swapped, { kind: 'deleted', file, line, seq: first[0], detail: lost }];
  }
}

/** Says which records are gone. */
export function missing(from: number, through: number): string {
  return from === through ? `record ${from} is missing` : `records ${from} to ${through} are missing`;
}
