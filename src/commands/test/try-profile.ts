// Tries the server of a profile as a host does. A remote server that is used with the user's token lists nothing before the user has
// agreed that this program uses it: where somebody is at the terminal they are asked here.
import type { ControlClient, ShownQuestion } from '../../wire/control.ts';
import { askQuestion } from '../approvals/watch.ts';
import type { Context } from '../command.ts';
import { trialEntry } from '../profile/host-entry.ts';
import { type Opening, type Trial, tryServer } from './trial-client.ts';

export interface TrialOptions {
  /** Milliseconds for each answer of the server. */
  readonly timeout: number;
  /** The person has just signed in here, or given the token, to see what the server lists. */
  readonly isAgreed?: boolean;
  /** Ends the trial. */
  readonly signal?: AbortSignal;
}

/** Never rejects, but with an error of the terminal. */
export async function tryProfile(
  context: Context,
  name: string,
  { timeout, isAgreed = false, signal }: TrialOptions,
): Promise<Trial> {
  const { terminal, json } = context;
  const isAsked = terminal.interactive && !json;
  const open = (opening: Opening): Promise<void> =>
    answering(context, name, { ...opening, isAgreed, isAsked });
  return await tryServer(trialEntry(context, name), timeout, isAgreed || isAsked ? open : undefined, signal);
}

interface Answering extends Opening {
  readonly isAgreed: boolean;
  readonly isAsked: boolean;
}

/** Answers the questions that a call of this trial leads to, until it has ended. */
async function answering(context: Context, name: string, how: Answering): Promise<void> {
  const control = await context.control({ start: false });
  const over = new AbortController();
  const watching = Promise.withResolvers<void>();
  const answered = answerOwn(context, control, name, how, over.signal, watching.resolve).catch(
    (error: unknown) => {
      watching.resolve();
      // The connection was closed below.
      if (!over.signal.aborted) throw error;
    },
  );
  try {
    await watching.promise;
    await how.call();
  } finally {
    over.abort();
    await control[Symbol.asyncDispose]();
    await answered;
  }
}

async function answerOwn(
  context: Context,
  control: ControlClient,
  name: string,
  { isAgreed, isAsked, isClosed }: Answering,
  signal: AbortSignal,
  onWatching: () => void,
): Promise<void> {
  let seen: string[] | undefined;
  while (!signal.aborted) {
    const { questions, pin, polkit } = await control.request('approvals.list', {
      watch: true,
      ...(seen !== undefined && { seen }),
    });
    onWatching();
    seen = questions.map(({ id, calls }) => `${id}:${calls}`);
    const question = await findOwn(control, name, questions);
    if (question === undefined) continue;
    seen = undefined;
    // What it lists is accepted once it was shown, and not here.
    if (question.kind === 'profile' && isAgreed)
      await answer(control, question, (await isClosed()) ? 'allow' : 'deny');
    else if (!isAsked) await answer(control, question, 'deny');
    else {
      const end = await askQuestion(context, control, question, { pin, polkit });
      if (end !== 'answered') await answer(control, question, 'deny');
    }
  }
}

/** A question of the session that this process has started. */
async function findOwn(
  control: ControlClient,
  name: string,
  questions: readonly ShownQuestion[],
): Promise<ShownQuestion | undefined> {
  const open = questions.filter(({ profile }) => profile === name);
  if (open.length === 0) return undefined;
  const { sessions } = await control.request('status', {});
  const own = new Set(sessions.filter(({ host }) => host.pid === process.pid).map(({ id }) => id));
  return open.find(({ session }) => own.has(session));
}

async function answer(
  control: ControlClient,
  { id, kind }: ShownQuestion,
  decision: 'allow' | 'deny',
): Promise<void> {
  const lasts = kind === 'profile' && decision === 'allow';
  await control.request('approvals.answer', {
    id,
    decision,
    scope: lasts ? 'always' : 'once',
    extent: lasts ? 'name' : 'arguments',
  });
}
