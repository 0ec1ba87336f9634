// The tasks of a session: a request for a task is let through only if an answer in the same session has named it, so
// that no host reaches the task of another. An id may be a bearer token: its digest is kept, and recorded.
import { digest } from '../../json/digest.ts';
import { type Member, type Range, readMember, readText } from '../../json/read.ts';
import type { Target } from '../methods.ts';
import { forgetOldest } from '../oldest.ts';
import type { Joins } from '../recorder.ts';

/** Tasks that are remembered; the oldest are forgotten first. */
const MAX_TASKS = 10_000;
const ENDED: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled']);
/** The longest id, in bytes of JSON text. */
const MAX_ID = 6200;
/** The longest description of a task, in bytes of JSON text. */
const MAX_TASK = 65_536;

export class Tasks {
  /** Those that were made, and what the requests acted on that have made them. */
  readonly #known = new Map<string, readonly Target[]>();
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

  /** What the request acted on that has made a task. */
  targetsOf(taskDigest: string): readonly Target[] {
    return this.#known.get(taskDigest) ?? [];
  }

  /** Whether any task has not ended. */
  get anyOpen(): boolean {
    return this.#open.size > 0;
  }

  /** Whether any was made: its server may still have the result. */
  get anyKnown(): boolean {
    return this.#known.size > 0;
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
  answered(taskDigest: string, method: string, bytes: Buffer, find: Find): void {
    const status = method === 'tasks/result' ? undefined : textAt(bytes, find('status'));
    if (method === 'tasks/result' || (status !== undefined && ENDED.has(status)))
      this.#open.delete(taskDigest);
  }

  add(taskDigest: string, targets: readonly Target[]): void {
    this.#open.add(taskDigest);
    this.#known.set(taskDigest, this.#known.get(taskDigest) ?? targets);
    const oldest = forgetOldest(this.#known, MAX_TASKS);
    if (oldest !== undefined) this.#open.delete(oldest);
  }
}

/** What a result is that is not the last word on its request. */
export interface Interim {
  readonly outcome: 'task' | 'input-required';
  readonly joins: Joins;
  /** Where the state is that the request is to be made again with; its digest is to join the two. */
  readonly state: Range | undefined;
}

/** Finds a member of the result. */
type Find = (name: 'requestState' | 'resultType' | 'status' | 'task' | 'taskId') => Member;

/**
 * Reads a result that may be a task's ticket (`task` up to 2025-11-25, `resultType: "task"` with the tasks extension)
 * or a request for input (`resultType: "input_required"`). Undefined if it is neither.
 */
export function readInterim(bytes: Buffer, find: Find): Interim | undefined {
  const type = textAt(bytes, find('resultType'));
  if (type === 'input_required') {
    const state = find('requestState');
    return { outcome: 'input-required', joins: {}, state: typeof state === 'string' ? undefined : state };
  }
  const task = find('task');
  if (type !== 'task' && typeof task === 'string') return undefined;
  const id = textAt(bytes, typeof task === 'string' ? find('taskId') : taskIdIn(bytes, task));
  return id === undefined ? undefined : { outcome: 'task', joins: { task: digest(id) }, state: undefined };
}

function taskIdIn(bytes: Buffer, { start, end }: Range): Member {
  return end - start > MAX_TASK ? 'absent' : readMember(bytes, start, end, 'taskId');
}

function textAt(bytes: Buffer, member: Member): string | undefined {
  return typeof member === 'string' ? undefined : readText(bytes, member, MAX_ID);
}
