// A call that a stateless server does as a task of the tasks extension (SEP-2663), for a host of the session era that waits
// for the result: the task is asked for until it has ended, what it wants to know is asked of the host, and a call that is
// taken back cancels it.
import { keysOf } from '../../json/member.ts';
import { memberIn, readMembers, whole } from '../../json/read.ts';
import { EMPTY, json, objectOf, objectOfTexts, textOf } from './objects.ts';
import type { OwnAnswer, OwnRequests } from './own-requests.ts';
import { shortText } from './protocol.ts';

const GET = 'tasks/get';
const UPDATE = 'tasks/update';
const CANCEL = 'tasks/cancel';
/** Milliseconds between two questions after the task: where the server says nothing, at least, and at most. */
const INTERVAL = 1000;
const SHORTEST = 200;
const LONGEST = 60_000;
/** The longest id of a task, in bytes of JSON text. */
const MAX_ID = 6200;
const NO_KEYS = keysOf({});

/** How a task ended, as JSON texts; or why it cannot be said. */
export type TaskEnd = { readonly result: Buffer } | { readonly error: Buffer } | { readonly failed: string };

export interface TaskRunParts {
  readonly own: OwnRequests;
  /** The `params` of a request of the translator's, with what it says of the host. */
  readonly params: (members: Buffer) => Buffer;
  /** Asks the host; called with a result that wants input. The answers are JSON text; undefined: it does not answer. */
  readonly ask: (wanted: Buffer, done: (responses: Buffer | undefined) => void) => void;
  readonly done: (end: TaskEnd) => void;
}

export class TaskRun {
  readonly #parts: TaskRunParts;
  /** Its id, as JSON text, and as text. */
  readonly #id: Buffer;
  readonly #name: string;
  readonly #asked = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  private constructor(parts: TaskRunParts, id: Buffer) {
    this.#parts = parts;
    this.#id = id;
    this.#name = String(JSON.parse(id.toString()));
  }

  /** Follows the task that a result names; undefined: it names none. */
  static follow(result: Buffer, parts: TaskRunParts): TaskRun | undefined {
    const id = memberIn(result, whole(result), 'taskId');
    if (id === undefined || result[id.start] !== 0x22 || id.end - id.start > MAX_ID) return undefined;
    const run = new TaskRun(parts, Buffer.from(textOf(result, id)));
    run.#later(result);
    return run;
  }

  /** Nobody waits for it any more. */
  cancel(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#send(CANCEL, {}, () => {});
  }

  close(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  #send(method: string, members: Record<string, Buffer>, done: (answer: OwnAnswer) => void): void {
    const { own, params } = this.#parts;
    own.ask(own.next(), method, params(objectOf({ taskId: this.#id, ...members })), done, {
      name: this.#name,
    });
  }

  #later(task: Buffer): void {
    const said = memberIn(task, whole(task), 'pollIntervalMs');
    const wanted = said === undefined ? INTERVAL : Number(textOf(task, said));
    const delay = Number.isFinite(wanted) ? Math.min(LONGEST, Math.max(SHORTEST, wanted)) : INTERVAL;
    this.#timer = setTimeout(() => this.#send(GET, {}, (answer) => this.#got(answer)), delay);
  }

  #got(answer: OwnAnswer): void {
    if (this.#isOver) return;
    if ('error' in answer) {
      this.#end({ error: answer.error });
      return;
    }
    const { result: task } = answer;
    const member = (name: 'result' | 'error'): Buffer => {
      const found = memberIn(task, whole(task), name);
      return found === undefined ? EMPTY : Buffer.from(textOf(task, found));
    };
    const status = shortText(task, memberIn(task, whole(task), 'status'));
    if (status === 'completed') this.#end({ result: member('result') });
    else if (status === 'failed') this.#end({ error: member('error') });
    else if (status === 'cancelled') this.#end({ failed: 'the server has cancelled the task' });
    else if (status === 'input_required') this.#ask(task);
    else this.#later(task);
  }

  /** Asks the host for what it was not asked yet. */
  #ask(task: Buffer): void {
    const wanted = memberIn(task, whole(task), 'inputRequests');
    const fresh = new Map<string, Buffer>();
    if (wanted !== undefined)
      for (const { name, value } of readMembers(task, wanted.start, wanted.end, NO_KEYS)) {
        const key = task.toString('utf8', name.start, name.end);
        if (!this.#asked.has(key)) fresh.set(key, textOf(task, value));
      }
    if (fresh.size === 0) {
      this.#later(task);
      return;
    }
    for (const key of fresh.keys()) this.#asked.add(key);
    const asking = objectOf({ inputRequests: objectOfTexts(fresh) });
    this.#parts.ask(asking, (responses) => {
      if (this.#isOver) return;
      if (responses === undefined) {
        this.cancel();
        return;
      }
      this.#send(UPDATE, { inputResponses: responses }, () => {
        if (!this.#isOver) this.#later(json({ pollIntervalMs: SHORTEST }));
      });
    });
  }

  #end(end: TaskEnd): void {
    this.close();
    this.#parts.done(end);
  }
}
