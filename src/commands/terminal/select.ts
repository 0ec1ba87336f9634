// Questions to a person at the terminal that are answered with the arrow keys. What was typed before a question was there
// is no answer to it.
import { setTimeout as delay } from 'node:timers/promises';
import { escapeUnprintable } from '../../audit/printable.ts';

/** One of several answers. All texts are shown on one line. */
export interface SelectOption<T> {
  readonly value: T;
  readonly label: string;
  readonly hint?: string | undefined;
}

/** Where the person is. */
export interface Seat {
  readonly stdin: NodeJS.ReadStream;
  readonly stderr: NodeJS.WriteStream;
}

/** How a question ended without an answer: with Escape or ^C, or because it was withdrawn. */
export type Unanswered = 'skipped' | 'interrupted' | 'withdrawn';

/** Milliseconds in which what was typed before arrives. */
const TYPED_BEFORE = 60;
/** Milliseconds within which nobody has read the question. */
const TOO_FAST = 300;

/** How a question comes up. */
export interface Asking {
  /** Withdraws it. */
  readonly signal: AbortSignal;
  /** The person does not expect it: keys that were meant for something else may arrive. */
  readonly isSudden: boolean;
}

/** Lets a person select; the first option is selected already. */
export async function select<T>(
  seat: Seat,
  question: string,
  options: readonly SelectOption<T>[],
  { signal, isSudden }: Asking,
): Promise<{ readonly value: T } | Unanswered> {
  const { select: prompt, isCancel } = await import('@clack/prompts');
  for (;;) {
    if (isSudden) await forgetTyped(seat);
    if (signal.aborted) return 'withdrawn';
    using interruption = interruptions(seat);
    const since = performance.now();
    const chosen = await prompt<number>({
      message: escapeUnprintable(question),
      options: options.map(({ label, hint }, value) => ({
        value,
        label: escapeUnprintable(label),
        ...(hint !== undefined && { hint: escapeUnprintable(hint) }),
      })),
      input: seat.stdin,
      output: seat.stderr,
      signal,
    });
    if (isCancel(chosen)) return unanswered(signal, interruption.isInterrupted);
    const option = options[chosen];
    const isRead = !isSudden || chosen === 0 || performance.now() - since >= TOO_FAST;
    if (option !== undefined && isRead) return option;
  }
}

/** Lets a person type a line; `problem` says why one is not accepted. */
export async function type(
  seat: Seat,
  question: string,
  initial: string,
  problem: (text: string) => string | undefined,
  signal: AbortSignal,
): Promise<{ readonly value: string } | Unanswered> {
  const { text } = await import('@clack/prompts');
  return typed(seat, question, signal, (asked) =>
    text({ ...asked, initialValue: escapeUnprintable(initial), validate: (value) => problem(value ?? '') }),
  );
}

/** Lets a person type a line that is not shown. */
export async function typeSecret(
  seat: Seat,
  question: string,
  signal: AbortSignal,
): Promise<{ readonly value: string } | Unanswered> {
  const { password } = await import('@clack/prompts');
  return typed(seat, question, signal, password);
}

/** What every prompt is given. */
interface Prompted {
  readonly message: string;
  readonly input: NodeJS.ReadStream;
  readonly output: NodeJS.WriteStream;
  readonly signal: AbortSignal;
}

async function typed(
  seat: Seat,
  question: string,
  signal: AbortSignal,
  prompt: (asked: Prompted) => Promise<string | symbol>,
): Promise<{ readonly value: string } | Unanswered> {
  if (signal.aborted) return 'withdrawn';
  using interruption = interruptions(seat);
  const { stdin: input, stderr: output } = seat;
  const value = await prompt({ message: escapeUnprintable(question), input, output, signal });
  return typeof value === 'symbol' ? unanswered(signal, interruption.isInterrupted) : { value };
}

/** A screen of its own, until it is disposed of; what is shown there vanishes with it. */
export function screenOfItsOwn({ stderr }: Seat): Disposable {
  stderr.write('\u001b[?1049h\u001b[H');
  return { [Symbol.dispose]: () => void stderr.write('\u001b[?1049l') };
}

function unanswered({ aborted }: AbortSignal, isInterrupted: boolean): Unanswered {
  if (aborted) return 'withdrawn';
  return isInterrupted ? 'interrupted' : 'skipped';
}

/** Prompts give the same for Escape and for ^C. */
function interruptions({ stdin }: Seat): Disposable & { readonly isInterrupted: boolean } {
  let isInterrupted = false;
  const listen = (_: unknown, key?: { readonly ctrl?: boolean; readonly name?: string }): void => {
    if (key?.ctrl === true && key.name === 'c') isInterrupted = true;
  };
  stdin.on('keypress', listen);
  return {
    get isInterrupted() {
      return isInterrupted;
    },
    [Symbol.dispose]: () => void stdin.off('keypress', listen),
  };
}

/** Drops what was typed before it is called, and a moment after. */
export async function forgetTyped({ stdin }: Seat): Promise<void> {
  const ignore = (): void => {};
  stdin.setRawMode(true);
  stdin.on('data', ignore);
  stdin.resume();
  await delay(TYPED_BEFORE);
  stdin.off('data', ignore);
  stdin.pause();
  stdin.setRawMode(false);
}
