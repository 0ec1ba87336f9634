// The questions to people of daemons that have handed over, and the answers that were given there: whoever asks the daemon
// with the lock sees them beside its own. The numbers of two daemons may be the same: then both are shown with a digit before
// them, and the number alone names neither.
import { WarderError } from '../errors.ts';
import { askRetired, type RetiredDaemon, retiredDaemons } from '../os/retired.ts';
import { control, type Handlers, type ShownGrant, type ShownQuestion } from '../wire/control.ts';
import type { Places } from '../wire/places.ts';

type Asking = Pick<Handlers, 'approvals.list' | 'approvals.answer' | 'grants.list'>;

/** A question as it is shown, the number that its daemon has for it, and that daemon; undefined: the one with the lock. */
interface Placed {
  readonly shown: ShownQuestion;
  readonly id: string;
  readonly daemon: RetiredDaemon | undefined;
}

/** Milliseconds for which a client that waits for news is answered at the latest. */
const POLL = 5000;

/** The handlers, with the questions and answers of older daemons. `now` is in milliseconds, of a clock that never goes back. */
export function joinOlder<H extends Asking>(handlers: H, places: Places, now: () => number): H {
  const joining: Asking = {
    async 'approvals.list'(params) {
      const { watch = false, seen } = params;
      if (retiredDaemons(places).length === 0) return await handlers['approvals.list'](params);
      const until = now() + POLL;
      for (;;) {
        const own = await handlers['approvals.list']({ watch });
        const older = await questionsOf(retiredDaemons(places), watch);
        const questions = placed(own.questions, older).map(({ shown }) => shown);
        const isNews = seen === undefined || keysOf(questions).join() !== seen.join();
        if (!watch || isNews || now() >= until) return { ...own, questions };
        await Promise.race([
          handlers['approvals.list']({ watch, seen: keysOf(own.questions) }),
          ...older.map(({ daemon, questions }) => askFor(daemon, watch, keysOf(questions))),
        ]);
      }
    },
    async 'approvals.answer'(params) {
      const daemons = retiredDaemons(places);
      if (daemons.length === 0) return await handlers['approvals.answer'](params);
      const own = await handlers['approvals.list']({});
      const all = placed(own.questions, await questionsOf(daemons, false));
      const { id, daemon } = all.find(({ shown }) => shown.id === params.id) ?? { id: params.id };
      if (all.some((question) => question.id === params.id && question.shown.id !== params.id))
        throw ambiguous(params.id);
      if (daemon === undefined) await handlers['approvals.answer']({ ...params, id });
      else await answerAt(daemon, { ...params, id });
      return { id: params.id, decision: params.decision };
    },
    async 'grants.list'(params) {
      const { grants } = await handlers['grants.list'](params);
      const answers = await Promise.all(
        retiredDaemons(places).map((daemon) => askRetired(daemon, { ask: 'grants' }).catch(() => undefined)),
      );
      return {
        grants: withGrants(
          grants,
          answers.flatMap((answer) => readGrants(answer?.grants)),
        ),
      };
    },
  };
  return { ...handlers, ...joining };
}

/** Grants, and those of others that are not among them. */
export function withGrants(own: readonly ShownGrant[], others: readonly ShownGrant[]): ShownGrant[] {
  return [...new Map([...others, ...own].map((grant) => [grant.id, grant])).values()];
}

/** Those of an answer that this program can read. */
export function readGrants(list: unknown): ShownGrant[] {
  return readAll(list, control['grants.list'].result.shape.grants.element);
}

interface OlderQuestions {
  readonly daemon: RetiredDaemon;
  readonly questions: readonly ShownQuestion[];
}

function questionsOf(daemons: readonly RetiredDaemon[], watch: boolean): Promise<OlderQuestions[]> {
  return Promise.all(
    daemons.map(async (daemon) => ({ daemon, questions: await askFor(daemon, watch, undefined) })),
  );
}

/** The questions of one daemon; of one that is too old to tell, or does not answer, none. */
async function askFor(
  daemon: RetiredDaemon,
  watch: boolean,
  seen: readonly string[] | undefined,
): Promise<ShownQuestion[]> {
  const answer = await askRetired(daemon, {
    ask: 'questions',
    watch,
    ...(seen !== undefined && { seen }),
  }).catch(() => undefined);
  return readAll(answer?.questions, control['approvals.list'].result.shape.questions.element);
}

async function answerAt(
  daemon: RetiredDaemon,
  answer: Parameters<Handlers['approvals.answer']>[0],
): Promise<void> {
  if ((await askRetired(daemon, { ask: 'answer', answer })) !== undefined) return;
  throw new WarderError('usage', `no question ${answer.id} is open: the daemon that has asked it has ended`);
}

function placed(own: readonly ShownQuestion[], older: readonly OlderQuestions[]): Placed[] {
  const all = [
    { daemon: undefined, questions: own },
    ...older.filter(({ questions }) => questions.length > 0),
  ].flatMap(({ daemon, questions }, at) => questions.map((question) => ({ daemon, question, at })));
  const count = new Map<string, number>();
  for (const { question } of all) count.set(question.id, (count.get(question.id) ?? 0) + 1);
  return all
    .map(({ daemon, question, at }) => {
      const { id } = question;
      const shown = count.get(id) === 1 ? question : { ...question, id: `${at}${id}` };
      return { shown, id, daemon };
    })
    .sort((one, other) => Date.parse(one.shown.since) - Date.parse(other.shown.since));
}

function ambiguous(id: string): WarderError {
  return new WarderError('usage', `several questions have the number ${id}`, {
    hint: '"warder approvals" lists them by numbers of their own',
  });
}

function keysOf(questions: readonly ShownQuestion[]): string[] {
  return questions.map(({ id, calls }) => `${id}:${calls}`);
}

interface Reader<T> {
  safeParse(value: unknown): { readonly data?: T };
}

function readAll<T>(list: unknown, { safeParse }: Reader<T>): T[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((item) => {
    const { data } = safeParse(item);
    return data === undefined ? [] : [data];
  });
}
