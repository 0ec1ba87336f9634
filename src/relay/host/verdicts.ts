// What the policy of a session says of a request. Verdicts on tools are kept by name, as the same few are called
// again and again; a changed policy or redaction drops them.

import type { Envelope } from '../../json/envelope.ts';
import { OPEN_OBJECT } from '../../json/json.ts';
import { MAX_JUDGED } from '../../policy/arguments.ts';
import { CallArguments } from '../../policy/condition.ts';
import { decide, decideAll, denies, hasConditions, type Verdict } from '../../policy/decide.ts';
import type { Budgets } from '../budgets.ts';
import type { Call } from '../call.ts';
import type { Refusal } from '../error-response.ts';
import { CALL, type Target } from '../methods.ts';
import type { Current } from '../upstream/current.ts';

export interface VerdictsOptions {
  /** The profile's name. */
  readonly profile: string;
  readonly budgets: Budgets;
  readonly current: Current;
}

/** On what no policy speaks of. */
export const PROTOCOL: Verdict = { decision: 'allow', rule: 'protocol' };

/** On a tool of Warder's own. */
const OWN: Verdict = { decision: 'allow', rule: 'own' };

/** What is kept of a tool. */
interface KnownTool {
  readonly targets: readonly Target[];
  readonly shown: string;
  readonly verdict: Verdict;
}

/** Arguments of more bytes have more than `MAX_JUDGED` characters. */
const MAX_BYTES = 3 * MAX_JUDGED + 3;
/** Tools whose verdicts are kept. */
const MAX_KNOWN = 1024;

export class Verdicts {
  readonly #options: VerdictsOptions;
  readonly #known = new Map<string, KnownTool>();
  #deniesTools: boolean;
  #hasConditions: boolean;

  constructor(options: VerdictsOptions) {
    this.#options = options;
    const { current } = options;
    this.#deniesTools = denies(current.policy, 'tools');
    this.#hasConditions = hasConditions(current.policy);
    current.onChange(() => {
      this.#known.clear();
      this.#deniesTools = denies(current.policy, 'tools');
      this.#hasConditions = hasConditions(current.policy);
    });
  }

  /** Whether the policy denies any tool. */
  get deniesTools(): boolean {
    return this.#deniesTools;
  }

  /** Notes the tool that a call acts on. */
  nameTool(call: Call, name: string): void {
    const known = this.#known.get(name);
    call.isOwn = name === this.#options.current.upstream.ownTool?.name;
    call.targets = known?.targets ?? [{ kind: 'tools', name }];
    call.shown = known?.shown ?? this.show(name);
  }

  /** The arguments of a tool call, where the policy may ask for them. They are read while `bytes` are there. */
  argumentsOf({ method }: Call, message: Envelope, bytes: Buffer): CallArguments | undefined {
    if (!this.#hasConditions || method !== CALL) return undefined;
    const { argumentsStart: start, argumentsEnd: end } = message;
    // Of what is too long to be judged, enough to see that.
    const until = Math.min(end, start + MAX_BYTES);
    return new CallArguments(() =>
      start !== -1 && bytes[start] === OPEN_OBJECT ? bytes.toString('utf8', start, until) : '{}',
    );
  }

  /** A name as it may be shown and recorded. */
  show(name: string): string {
    const { current, budgets } = this.#options;
    const text = name === '' ? '' : current.redactor.text(name);
    if (text.length <= budgets.name) return text.toWellFormed();
    // A copy: a slice of a string keeps all of it.
    return Buffer.from(text.slice(0, budgets.name)).toString();
  }

  /** Decides on a request whose targets are read. */
  decide({ method, targets, governance, shown, arguments: args, isOwn }: Call): Verdict {
    if (isOwn) return OWN;
    const { current, budgets } = this.#options;
    const [only] = targets;
    if (method !== CALL || only === undefined) {
      const subjects = targets.map((target) => ({ ...target, method }));
      return decideAll(current.policy, subjects, governance.unlisted);
    }
    const known = this.#known.get(only.name);
    if (known !== undefined) return known.verdict;
    const verdict = decide(current.policy, { ...only, method, ...(args && { arguments: args }) });
    if (verdict.byArguments) return verdict;
    if (this.#known.size < MAX_KNOWN && only.name.length <= budgets.name)
      this.#known.set(only.name, { targets, shown, verdict });
    return verdict;
  }

  /** Why a verdict does not let a request through; undefined if it does. */
  refusal({ shown, method }: Call, verdict: Verdict): Refusal | undefined {
    return refusalOf(this.#options.profile, verdict, shown === '' ? method : shown);
  }
}

/** Why a verdict lets nothing through; undefined if it does. */
export function refusalOf(
  profile: string,
  { decision, rule, why }: Verdict,
  shown: string,
): Refusal | undefined {
  if (decision === 'allow') return undefined;
  const because = why === undefined ? '' : `, since ${why}`;
  const says = `refused: ${rule} of profile "${profile}" says ${decision} for ${JSON.stringify(shown)}${because}`;
  return { code: 'refused', text: says, hint: 'only the user can change what a profile allows' };
}
