// What is held back of a session's server, as people are told of it: each thing once on the session's standard error, with
// the command that shows it, and their number in `status`.
import { escapeUnprintable } from '../../audit/printable.ts';
import type { HeldBack } from './session-trust.ts';

/** Things that are told one by one, and those that are counted. */
const MAX_TOLD = 8;
const MAX_COUNTED = 10_000;

const WORDS: Readonly<Record<string, string>> = {
  tools: 'the tool',
  prompts: 'the prompt',
  resources: 'the interface',
  templates: 'the resource template',
  contents: 'what is in the interface',
  introduction: 'what it says of itself,',
};

export class HeldNotices {
  readonly #profile: string;
  readonly #tell: (line: string) => void;
  readonly #held = new Set<string>();

  /** `tell` gets each line, without its end. */
  constructor(profile: string, tell: (line: string) => void) {
    this.#profile = profile;
    this.#tell = tell;
  }

  /** How many things are or were held back, since the user accepted the server last. */
  get count(): number {
    return this.#held.size;
  }

  add({ what, name = '', before, outcome }: HeldBack): void {
    const key = `${what} ${name}`;
    if (outcome !== 'held' || this.#held.has(key) || this.#held.size >= MAX_COUNTED) return;
    this.#held.add(key);
    const { size } = this.#held;
    if (size > MAX_TOLD) return;
    const more = size === MAX_TOLD ? '; others are held back without a word here' : '';
    this.#tell(`warder: ${this.#profile}: ${this.#describe(what, name, before)}${more}`);
  }

  /** The user has accepted another record. */
  clear(): void {
    this.#held.clear();
  }

  #describe(what: HeldBack['what'], name: string, before: string | undefined): string {
    const see = `"warder trust diff ${this.#profile}" shows it`;
    if (what === 'server')
      return `another program runs than you have accepted: all of it is held back; ${see}`;
    const shown = escapeUnprintable(JSON.stringify(name.slice(0, 200)));
    const why =
      before === undefined ? 'is new since you accepted the server' : 'is other than you have accepted';
    return `${WORDS[what] ?? what} ${shown} ${why}, and is held back; ${see}`;
  }
}
