// Which rules follow from what people have answered. A rule that allows is proposed only for what a person has allowed and
// never refused, by its exact name: nothing that was not called, and nothing that a model alone has tried.
import { decide, type Kind } from '../../policy/decide.ts';
import type { Decision, ProfilePolicy } from '../../profile/format.ts';
import type { RuleChange, RulePart } from '../../profile/rule-edit.ts';
import type { Evidence } from './evidence.ts';
import { canBeRule } from './rule-names.ts';

export interface Suggestion {
  readonly part: RulePart;
  readonly name: string;
  readonly says: Decision;
  /** What it is based on, in words. */
  readonly because: string;
  readonly evidence: Evidence;
}

export interface Suggestions {
  readonly rules: readonly Suggestion[];
  /** The default becomes ask: what was called under `default: allow` has rules of its own then. */
  readonly narrows: boolean;
  /** What is not proposed, and why. */
  readonly notes: readonly string[];
}

/** A single yes is about one call; so many are about the tool. */
const ENOUGH = 3;
/** A single no may be about the arguments. */
const ENOUGH_TO_DENY = 2;

const METHODS: Readonly<Record<RulePart, string | undefined>> = {
  tools: 'tools/call',
  resources: 'resources/read',
  prompts: 'prompts/get',
  methods: undefined,
};

export function suggestRules(policy: ProfilePolicy, found: readonly Evidence[]): Suggestions {
  const rules: Suggestion[] = [];
  const notes: string[] = [];
  for (const evidence of found) {
    const suggestion = judge(policy, evidence);
    if (typeof suggestion === 'string') notes.push(suggestion);
    else if (suggestion !== undefined) rules.push(suggestion);
  }
  const narrows = policy.default === 'allow' && rules.some(({ says }) => says === 'allow');
  return { rules, narrows, notes };
}

/** The changes that the suggestions make of a profile. */
export function changesOf({ rules, narrows }: Suggestions): RuleChange[] {
  return [
    ...(narrows ? [{ part: 'default', says: 'ask' } as const] : []),
    ...rules.map(({ part, name, says }) => ({ part, pattern: name, says }) as const),
  ];
}

/** A rule, or why there is none; undefined where there is nothing to say. */
function judge(policy: ProfilePolicy, evidence: Evidence): Suggestion | string | undefined {
  const { part, name, yes, no } = evidence;
  const shown = `${part} ${JSON.stringify(name)}`;
  const { decision, rule } = verdictOf(policy, evidence);
  const propose = (says: Decision): Suggestion => ({
    part,
    name,
    says,
    evidence,
    because: basisOf(evidence),
  });
  const isOpen = isOpenUse(policy, evidence);
  if (!isOpen && yes.size === 0 && no.size === 0) {
    return evidence.unanswered > 0 && decision === 'ask'
      ? `${shown}: asked about ${times(evidence.unanswered)} with nobody there; nobody has allowed it`
      : undefined;
  }
  if (isCondition(policy, rule)) return `${shown}: ${rule} decides by its arguments`;
  if (!canBeRule(name)) return `${shown}: no rule can have this name`;
  if (no.size > 0) {
    if (decision === 'deny') return undefined;
    if (yes.size > 0) return `${shown}: you said yes ${times(yes.size)} and no ${times(no.size)}`;
    return evidence.isNoForName || no.size >= ENOUGH_TO_DENY ? propose('deny') : `${shown}: you said no once`;
  }
  if (isOpen) return propose('allow');
  if (decision !== 'ask') return undefined;
  // Ask wins over allow, and a rule that asks was written to ask; it may hold for other spellings too.
  if (rule !== 'policy.default') return `${shown}: you have allowed it, and ${rule} asks all the same`;
  if (evidence.isYesForName || yes.size >= ENOUGH) return propose('allow');
  return `${shown}: you said yes ${times(yes.size)}; ${ENOUGH} times, or once for the tool, make a rule`;
}

/** Whether `default: allow` is what lets it through. */
function isOpenUse(policy: ProfilePolicy, evidence: Evidence): boolean {
  return (
    policy.default === 'allow' &&
    (evidence.byPolicy.get('policy.default: allow') ?? 0) > 0 &&
    verdictOf(policy, evidence).rule === 'policy.default'
  );
}

/** Whether a rule has a condition on the arguments. */
function isCondition({ tools }: ProfilePolicy, rule: string): boolean {
  return Object.entries(tools).some(
    ([pattern, says]) => typeof says === 'object' && rule.startsWith(`policy.tools.${pattern}`),
  );
}

function verdictOf(policy: ProfilePolicy, { part, name }: Evidence): ReturnType<typeof decide> {
  const method = METHODS[part];
  return decide(policy, { kind: part satisfies Kind, name, ...(method !== undefined && { method }) });
}

/** What a rule is based on: `12 calls; you said yes 3 times (terminal)`. */
function basisOf({ calls, yes, no, ways, byPolicy }: Evidence): string {
  const parts = [`${calls} call${calls === 1 ? '' : 's'}`];
  const how = ways.size > 0 ? ` (${[...ways].join(', ')})` : '';
  if (yes.size > 0) parts.push(`you said yes ${times(yes.size)}${how}`);
  if (no.size > 0) parts.push(`you said no ${times(no.size)}${how}`);
  const open = byPolicy.get('policy.default: allow');
  if (open !== undefined) parts.push(`"default: allow" let through ${open}, and nobody was asked`);
  return parts.join('; ');
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}
