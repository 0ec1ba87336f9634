// What the relay's trust in a server says of a request that acts on it. What only asks what there is passes, as does what
// only ends something: lists are judged as they come (see server-list.ts).
import type { Call } from '../call.ts';
import { LISTEN } from '../call.ts';
import type { Refusal } from '../error-response.ts';
import { isInterface } from '../listed-kinds.ts';
import type { ServerLists } from '../lists/server-lists.ts';
import { CALL, type Target } from '../methods.ts';
import type { Tasks } from '../server/tasks.ts';
import type { Trust } from '../trust.ts';
import type { Replay } from '../upstream/replay.ts';

export interface TrustGateOptions {
  /** The profile's name. */
  readonly profile: string;
  readonly trust: Trust;
  readonly lists: ServerLists;
  readonly tasks: Tasks;
  readonly replay: Replay;
}

/** `first-use`: a person is to be asked first. */
export type TrustVerdict =
  | 'first-use'
  | { readonly decision: 'deny'; readonly rule: string; readonly refusal: Refusal };

/** The rule of what is other than what the user has accepted. */
export const HELD = 'trust.held';

/** These only end what was begun. */
const ENDING: ReadonlySet<string> = new Set(['tasks/cancel', 'resources/unsubscribe']);
const COMPLETE = 'completion/complete';
const TASK_OF = 'a task of ';

export class TrustGate {
  readonly #options: TrustGateOptions;

  constructor(options: TrustGateOptions) {
    this.#options = options;
  }

  /** Why a request that the policy does not deny is not to go on; undefined if it may. */
  judge(call: Call): TrustVerdict | undefined {
    if (call.governance.governedBy === 'lifecycle' || !acts(call)) return undefined;
    const { trust } = this.#options;
    const { blocked, firstUse } = trust;
    if (blocked !== undefined)
      return this.#refuse(call, 'trust.blocked', `all of the server is held back: ${blocked}`);
    if (firstUse !== undefined) {
      const { agreement } = call;
      if (agreement === undefined) return 'first-use';
      const { outcome, about } = agreement;
      if (outcome.decision === 'deny') return this.#deny(call, outcome.rule, outcome.reason ?? outcome.rule);
      // One question may follow upon another, but not the same again.
      return about === firstUse
        ? this.#deny(call, 'trust.fault', 'the answer could not be kept')
        : 'first-use';
    }
    for (const target of this.#targets(call)) {
      const why = this.#held(call, target);
      if (why === undefined) continue;
      const shown = JSON.stringify(call.shown === '' ? call.method : call.shown);
      return this.#refuse(
        call,
        HELD,
        `${call.task === undefined ? '' : TASK_OF}${shown} is held back: ${why}`,
      );
    }
    return undefined;
  }

  /** What a request acts on; of one about a task, what the request acted on that has made it. */
  #targets(call: Call): readonly Target[] {
    if (call.isOwn) return [];
    return call.task === undefined ? call.targets : this.#options.tasks.targetsOf(call.task);
  }

  #held({ method }: Call, { kind, name }: Target): string | undefined {
    const { trust, lists } = this.#options;
    if (kind === 'tools' || kind === 'prompts') return trust.held(kind, name);
    if (kind !== 'resources') return undefined;
    // A completion may name a template.
    if (method === COMPLETE && (name.includes('{') || lists.templates.has(name)))
      return trust.held('templates', name);
    return isInterface(name) ? trust.held('resources', name) : undefined;
  }

  #refuse(call: Call, rule: string, text: string): TrustVerdict {
    return { decision: 'deny', rule, refusal: this.refusal(call, text) };
  }

  #deny(call: Call, rule: string, reason: string): TrustVerdict {
    return {
      decision: 'deny',
      rule,
      refusal: this.#answer(call, { code: 'refused', text: `refused: ${reason}` }),
    };
  }

  /** A refusal that names what a person can do. */
  refusal(call: Call, text: string): Refusal {
    const { profile } = this.#options;
    const hint = `the user can look at it with "warder trust diff ${profile}" and accept it with "warder trust accept ${profile}"`;
    return this.#answer(call, { code: 'refused', text: `refused: ${text}`, hint });
  }

  /** Of a tool call the model reads why. */
  #answer(call: Call, refusal: Refusal): Refusal {
    if (call.method !== CALL) return refusal;
    return { ...refusal, asResult: this.#options.replay.meta === undefined ? 'plain' : 'complete' };
  }
}

function acts({ method, targets, namesTasks }: Call): boolean {
  if (method === LISTEN) return targets.length > 0 || namesTasks;
  return !ENDING.has(method);
}
