// What stands in the way of a request of the host before the policy is asked: that it is malformed, that it acts on
// what is not there, that there is no room for it, or that it has to wait.

import type { Envelope } from '../../json/envelope.ts';
import type { Scanned } from '../../json/scan.ts';
import type { Budgets } from '../budgets.ts';
import type { Call } from '../call.ts';
import type { Calls } from '../calls.ts';
import { BUSY, type Refusal } from '../error-response.ts';
import type { WaitingRoom, WaitReason } from '../flow/waiting-room.ts';
import type { ServerLists } from '../lists/server-lists.ts';
import { CALL, readTargets } from '../methods.ts';
import { callFault, toolOf } from '../params.ts';
import type { Tasks } from '../server/tasks.ts';
import { REPLAYED, type Replay } from '../upstream/replay.ts';
import type { Verdicts } from './verdicts.ts';

export interface AdmissionOptions {
  readonly budgets: Budgets;
  readonly calls: Calls;
  readonly replay: Replay;
  readonly waiting: WaitingRoom;
  readonly tasks: Tasks;
  readonly lists: ServerLists;
}

const NOT_A_REQUEST: Refusal = { code: -32600, text: 'a tool call without an id has no answer' };
const ID_TAKEN: Refusal = { code: -32600, text: 'the id is that of a request still open', unnamed: true };
const UNLISTED: Refusal = {
  code: 'refused',
  text: 'refused: the server has not listed a tool of this name',
  hint: 'where a policy denies tools, only those can be called that the server lists',
};
const NO_TASK: Refusal = { code: -32602, text: 'the task is none of this session' };
const TOO_MUCH_KEPT: Refusal = {
  code: 'busy',
  text: 'what the session has to remember, with this, is more than the relay keeps',
};

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #verdicts: Verdicts;

  constructor(options: AdmissionOptions, verdicts: Verdicts) {
    this.#options = options;
    this.#verdicts = verdicts;
  }

  /** What is wrong with a request. Reads what it acts on. `scanned`: what is known of a long one. */
  fault(call: Call, message: Envelope, bytes: Buffer, scanned: Scanned | undefined): Refusal | undefined {
    const { calls, budgets, replay } = this.#options;
    const { fault, id, method, kind } = message;
    const unread = this.#readTargets(call, message, bytes, scanned);
    if (fault !== undefined) return fault;
    if (id === undefined && method === CALL) return NOT_A_REQUEST;
    if (kind === 'request') {
      if (id === undefined) return NOT_A_REQUEST;
      if (calls.has(id)) return ID_TAKEN;
      if (calls.size >= budgets.open) return BUSY;
    }
    if (unread !== undefined) return unread;
    if (REPLAYED.has(method)) {
      const kept = replay.bytes + calls.keptBytes + message.paramsEnd - message.paramsStart;
      if (kept > budgets.replay) return TOO_MUCH_KEPT;
    }
    return undefined;
  }

  /** What a request has to wait for. `waited`: what it has just waited for; the list of tools is not asked for twice. */
  waitsFor(call: Call, waited: WaitReason | undefined): WaitReason | undefined {
    const { waiting, lists, tasks } = this.#options;
    const { tools } = lists;
    // What is asked of a task that is open is for the server that has it.
    const isForOpenTask = call.task !== undefined && tasks.isOpen(call.task);
    if (waiting.isOpen('rotation') && !isForOpenTask) return 'rotation';
    if (waited === 'listing' || !this.#needsList(call) || tools.isComplete || !tools.canList)
      return undefined;
    // What is refused as it is need not wait.
    return this.#verdicts.decide(call).decision === 'allow' ? 'listing' : undefined;
  }

  /** Under a policy that denies anything, a tool has to be listed. */
  #needsList({ method, targets, isOwn }: Call): boolean {
    if (!this.#verdicts.deniesTools || method !== CALL || isOwn) return false;
    const [only] = targets;
    return only !== undefined && !this.#options.lists.tools.has(only.name);
  }

  unlisted(call: Call): Refusal | undefined {
    if (!this.#needsList(call) || this.#verdicts.decide(call).decision !== 'allow') return undefined;
    const { fault } = this.#options.lists.tools;
    return fault === undefined ? UNLISTED : { ...UNLISTED, text: `${UNLISTED.text}: ${fault}` };
  }

  /** Reads what a request acts on. Returns what is wrong with it. */
  #readTargets(
    call: Call,
    message: Envelope,
    bytes: Buffer,
    scanned: Scanned | undefined,
  ): Refusal | undefined {
    const { budgets, tasks } = this.#options;
    if (call.method === CALL) {
      const name = toolOf(message, bytes, budgets.name);
      this.#verdicts.nameTool(call, name);
      return callFault(name, message, bytes, budgets.name, scanned?.isTwiceInArguments);
    }
    const { paramsStart: start, paramsEnd: end } = message;
    const params = start === -1 ? undefined : { start, end };
    const read = readTargets(call.method, call.governance, bytes, params, scanned?.isTwiceInParams);
    if (read.fault !== undefined) return { code: -32602, text: read.fault };
    call.targets = read.targets;
    call.shown = this.#verdicts.show(
      read.targets.flatMap(({ kind, name }) => (kind === 'methods' ? [] : [name])).join(' '),
    );
    if (read.tasks.length === 0) return undefined;
    call.namesTasks = true;
    const digests = read.tasks.map((id) => tasks.digestOf(id));
    if (call.governance.governedBy === 'tasks') call.task = digests[0];
    return digests.every((digest) => tasks.has(digest)) ? undefined : NO_TASK;
  }
}
