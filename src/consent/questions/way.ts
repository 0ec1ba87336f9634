// A way to ask a person: a dialog of the host, of the desktop, a terminal.
import type { WayName } from '../../profile/settings.ts';
import type { Answer } from './answer.ts';
import type { Question } from './question.ts';

/** An answer as it comes from a way to ask. */
export interface WayAnswer extends Answer {
  /** The way has proved that a person is there. */
  readonly isPresent?: true;
  /** The way has shown each call by itself, also those that came while it asked. */
  readonly isForEach?: true;
}

/** Whether a way to ask works here. */
export interface WayCheck {
  readonly works: boolean;
  readonly detail: string;
}

/** A way to ask. */
export interface Way {
  readonly name: WayName;
  /** Whether it is worth a try, as far as one can tell without one. Missing: it always is. */
  isPossible?(): boolean;
  /** Tries whether it works, without asking anybody. Never rejects. */
  check?(): Promise<WayCheck>;
  /** Whether this way only points to others, which are tried meanwhile. Missing: it never does. */
  isAside?(question: Question): boolean;
  /**
   * Shows a question until it is answered, or `signal` withdraws it. `nobody`: nobody sees it, or what came back is no
   * answer of a person. Never rejects but by a fault.
   */
  ask(question: Question, signal: AbortSignal): Promise<WayAnswer | 'nobody'>;
}
