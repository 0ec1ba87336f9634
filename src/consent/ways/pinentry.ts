// Asks by pinentry, GnuPG's program for questions, which exists from GTK and Qt to a plain terminal.
import type { Clock } from '../../os/clock.ts';
import type { Child } from '../../os/spawn.ts';
import type { Presence } from '../presence.ts';
import { ALLOW_ONCE, UNREAD } from '../questions/answer.ts';
import type { Question } from '../questions/question.ts';
import type { Way, WayAnswer } from '../questions/way.ts';
import { Assuan, type AssuanAnswer, CANCELED, fitsLine } from './assuan.ts';
import { proved } from './proof.ts';
import { end, endOnAbort } from './run.ts';
import { meaningOfWord, type TypedQuestion, typedQuestion } from './typed.ts';
import { type TypedWayOptions, typedWay } from './typed-way.ts';
import { untilWithdrawn } from './withdrawal.ts';

/** How often one may mistype. */
const TRIES = 3;

type Proofs = Pick<Presence, 'isPinSet' | 'checkPin' | 'polkitAsks' | 'authenticate'>;

export interface PinentryOptions extends TypedWayOptions {
  readonly presence: Proofs;
  /** Milliseconds for an answer that needs no person. */
  readonly timeout?: number;
}

export function pinentryWay(options: PinentryOptions): Way {
  const { program, environment, spawn, presence, clock, timeout = 5000 } = options;
  return {
    ...typedWay(options),
    async ask(question, signal) {
      const file = program();
      const found = await environment.find();
      if (file === undefined || found === undefined || signal.aborted) return 'nobody';
      const child = await spawn({ file, args: [], cwd: '/', env: found.env });
      using _withdrawal = endOnAbort(child, signal);
      try {
        return await converse(child, question, { presence, clock, signal, timeout, tty: found.tty });
      } catch (fault) {
        if (signal.aborted) return 'nobody';
        throw fault;
      } finally {
        end(child);
      }
    },
  };
}

/** A request that needs no person. */
type Call = (command: string, text?: string) => Promise<AssuanAnswer>;

interface Conversation {
  readonly signal: AbortSignal;
  readonly timeout: number;
  readonly presence: Proofs;
  readonly clock: Clock;
  readonly tty: string | undefined;
}

async function converse(
  child: Child,
  question: Question,
  { signal, timeout, presence, clock, tty }: Conversation,
): Promise<WayAnswer | 'nobody'> {
  const pinentry = new Assuan(child);
  const call: Call = (command, text) =>
    pinentry.request(command, text, AbortSignal.any([signal, AbortSignal.timeout(timeout)]));
  /** An option that this pinentry does not know is none that it needs. */
  const option = (text: string): Promise<unknown> => call('OPTION', text);
  await pinentry.greeting(timeout);
  await option('lc-ctype=C.UTF-8');
  if (tty !== undefined) {
    await option(`ttyname=${tty}`);
    await option('ttytype=xterm');
  }
  const typing =
    question.kind !== 'credential'
      ? 'word'
      : (await presence.isPinSet().catch(() => false))
        ? 'pin'
        : (await presence.polkitAsks())
          ? 'word'
          : undefined;
  const asked = typedQuestion(question, typing, { fits: (text) => fitsLine('SETDESC', text) });
  for (const [command, text] of [
    ['SETTITLE', `Warder asks (${question.id})`],
    ['SETDESC', asked.text],
    ['SETPROMPT', asked.typing === 'pin' ? 'PIN:' : 'Answer:'],
    ['SETOK', asked.typing === undefined ? 'Deny' : 'OK'],
    ['SETCANCEL', 'In a terminal'],
  ] as const) {
    // A text that it does not take is one that it does not show.
    if (!(await call(command, text)).ok) return 'nobody';
  }
  const since = clock.monotonic();
  const answer = await read(pinentry, asked, question, { signal, presence, call });
  if (answer !== 'canceled') {
    const isProved = typing === 'pin' || question.kind !== 'credential';
    return answer === 'nobody' || isProved ? answer : proved(answer, presence, signal);
  }
  if (clock.monotonic() - since < UNREAD) return 'nobody';
  // The question waits for a terminal, until its time is over.
  await untilWithdrawn(signal);
  return 'nobody';
}

async function read(
  pinentry: Assuan,
  { typing }: TypedQuestion,
  question: Question,
  { signal, presence, call }: Pick<Conversation, 'signal' | 'presence'> & { readonly call: Call },
): Promise<WayAnswer | 'nobody' | 'canceled'> {
  for (let turn = 0; turn < TRIES; turn++) {
    const answer = await pinentry.request(typing === undefined ? 'CONFIRM' : 'GETPIN', undefined, signal);
    if (!answer.ok) return answer.error === CANCELED ? 'canceled' : 'nobody';
    const word = typing === undefined ? '' : answer.data;
    const meaning =
      typing === 'pin' ? await meaningOfPin(word, question, presence) : meaningOfWord(word, question);
    if (meaning !== undefined) return meaning;
    const error = typing === 'pin' ? 'That is not the PIN' : 'That is not yes, session or no';
    await call('SETERROR', error);
  }
  return 'nobody';
}

async function meaningOfPin(
  pin: string,
  question: Question,
  presence: Proofs,
): Promise<WayAnswer | undefined> {
  if (pin === '') return meaningOfWord('', question);
  try {
    await presence.checkPin(pin);
    return { ...ALLOW_ONCE, isPresent: true };
  } catch {
    return undefined;
  }
}
