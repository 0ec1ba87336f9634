// A subject of the benchmarks: one thing that is measured, one file of `subjects`.
import type { Stage } from './stage.js';

/** Figures as they are kept: JSON, in the subject's own form. Durations are milliseconds, amounts bytes. */
// biome-ignore lint/suspicious/noExplicitAny: each subject has a form of its own
export type Figures = any;

export interface Subject {
  /** The word of the command line, and the file's name. */
  readonly name: string;
  readonly title: string;
  /** What is measured, in Markdown. */
  readonly about: string;
  measure(bench: Stage): Promise<Figures>;
  /** What is to be reached, and what was. */
  targets(figures: Figures): { title: string; measured: string; limit: string; isMet: boolean }[];
  /** The rows of its table, the first one its head. */
  rows(figures: Figures): (string | undefined)[][];
  /** What else there is to say, in Markdown. */
  notes?(figures: Figures): string;
  /** Rows of the README's table: what, directly, through Warder, and beside. */
  headline?(figures: Figures): string[][];
  plots(figures: Figures): {
    /** A file's name without its end, which no other plot has. */
    file: string;
    title: string;
    note: string;
    show(value: number): string;
    bars: { label: string; value: number; low?: number; high?: number; kind: 'plain' | 'warder' | 'other' }[];
    /** One sentence: what the figure means for a user. */
    meaning: string;
  }[];
}
