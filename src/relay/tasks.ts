// The tasks of a session: a request for a task is let through only if an answer in the same session has named it, so
// that no host reaches the task of another. An id may be a bearer token: its digest is kept, and recorded.
import { digest, digestOf } from './json/digest.ts';
import type { Range } from './json/read.ts';
import { readMember, readText } from './json/read.ts';
import type { Joins } from './recorder.ts';

/** Tasks that are remembered; the oldest are forgotten first. */
const MAX_TASKS = 10_000;
const ENDED: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled']);
/** The longest id, in bytes of JSON text. */
const MAX_ID = 6200;

export class Tasks {
  readonly #known = new Set<string>();
  /** Those that have not ended, as far as can be seen from what the host asks. */
  readonly #open = new Set<string>();

  /** The digest by which a task is known. */
  digestOf(id: string): string {
    return digest(id);
  }

  /** Whether the session has made a task. */
  has(taskDigest: string): boolean {
    return this.#known.has(taskDigest);
  }

  /** Whether any task has not ended. */
  get anyOpen(): boolean {
    return this.#open.size > 0;
  }

  /** Whether a task has not ended. */
  isOpen(taskDigest: string): boolean {
    return this.#open.has(taskDigest);
  }

  /** A server that knew the tasks is gone. */
  forgetOpen(): void {
    this.#open.clear();
  }

  /** The server has answered a request for a task: it may have ended with that. */
  answered(taskDigest: string, method: string, bytes: Buffer, result: Range): void {
    const status = textOf(bytes, result, 'status');
    if (method === 'tasks/result' || (status !== undefined && ENDED.has(status)))
      this.#open.delete(taskDigest);
  }

  add(taskDigest: string): void {
    this.#open.add(taskDigest);
    this.#known.add(taskDigest);
    if (this.#known.size <= MAX_TASKS) return;
    for (const oldest of this.#known) {
      this.#known.delete(oldest);
      this.#open.delete(oldest);
      break;
    }
  }
}

/** What a result is that is not the last word on its request. */
export interface Interim {
  readonly outcome: 'task' | 'input-required';
  readonly joins: Joins;
}

/**
 * Reads a result that may be a task's ticket (`task` up to 2025-11-25, `resultType: "task"` with the tasks extension)
 * or a request for input (`resultType: "input_required"`). Undefined if it is neither.
 */
export function readInterim(bytes: Buffer, { start, end }: Range): Interim | undefined {
  const type = textOf(bytes, { start, end }, 'resultType');
  if (type === 'input_required') {
    const state = readMember(bytes, start, end, 'requestState');
    return {
      outcome: 'input-required',
      joins: typeof state === 'string' ? {} : { state: digestOf(bytes, state) },
    };
  }
  const task = readMember(bytes, start, end, 'task');
  const within = typeof task === 'string' ? { start, end } : task;
  if (type !== 'task' && typeof task === 'string') return undefined;
  const id = textOf(bytes, within, 'taskId');
  return id === undefined ? undefined : { outcome: 'task', joins: { task: digest(id) } };
}

function textOf(bytes: Buffer, { start, end }: Range, name: string): string | undefined {
  const member = readMember(bytes, start, end, name);
  return typeof member === 'string' ? undefined : readText(bytes, member, MAX_ID);
}
