// What a profile says of a tool, a resource, a prompt or any other request. Deny wins over ask, and ask over
// allow, however specific the patterns are; among the patterns that say what won, the most specific one is
// reported: an exact name, else the one with the most literal characters, else the first in the file. Nothing is
// let through that no rule allows.
//
// Names are compared so that another spelling never escapes a rule. An allow holds for the name as it is written.
// A deny or an ask holds for its folded form too (see fold.ts), and for the normal form of a URI (see uri.ts).
//
// The rules of `policy.methods` that deny or ask hold for every request of a method. Those that allow hold for
// requests that no other key governs: `methods: {"*": allow}` allows no tool.
import type { Condition, Decision, ProfilePolicy } from '../profile/format.ts';
import { fold } from './fold.ts';
import { compile, type Pattern } from './pattern.ts';
import { isNormal, normalForm, plainForm } from './uri.ts';

/** What a request acts on: the key under `policy` that governs it. */
export type Kind = 'tools' | 'resources' | 'prompts' | 'methods';

/** What is decided on. */
export interface Subject {
  readonly kind: Kind;
  /** The name of a tool or prompt, the URI of a resource, or a method. */
  readonly name: string;
  /** The method of the request, where the rules of `policy.methods` are to count too. */
  readonly method?: string;
}

/** What was decided, and which part of the profile did. */
export interface Verdict {
  readonly decision: Decision;
  /** `policy.tools.<pattern>` and so on, `policy.default`, or `protocol`: no part of the profile did. */
  readonly rule: string;
}

/** The longest names, in characters. What is longer is denied before it is compared with anything. */
export const MAX_NAME: Readonly<Record<Kind, number>> = {
  tools: 1024,
  resources: 8192,
  prompts: 1024,
  methods: 256,
};

interface Rule {
  readonly decision: Decision;
  readonly exact: Pattern;
  /** Its other forms: those with which a deny or an ask is compared too. */
  readonly others: readonly Pattern[];
}

/** A name, and its other forms likewise. */
interface Forms {
  readonly name: string;
  readonly isNormal: boolean;
  readonly others: readonly string[];
}

const PRECEDENCE: readonly Decision[] = ['deny', 'ask', 'allow'];

/** The prepared rules of each policy, for as long as the policy is in use. */
const prepared = new WeakMap<ProfilePolicy, Readonly<Record<Kind, readonly Rule[]>>>();

/**
 * Decides on a request. A rule with a condition on the arguments counts as `ask`: what it allows depends on more
 * than the name. `unlisted` is the decision where no pattern matches: the policy's default if it is left out.
 */
export function decide(policy: ProfilePolicy, subject: Subject, unlisted?: Decision): Verdict {
  const { kind, name, method } = subject;
  if (name.length > MAX_NAME[kind] || (method ?? '').length > MAX_NAME.methods) {
    return { decision: 'deny', rule: 'protocol' };
  }
  const rules = prepare(policy);
  const matching = matched(rules[kind], kind, name);
  const byMethod =
    method === undefined || kind === 'methods' ? [] : matched(rules.methods, 'methods', method);
  for (const decision of PRECEDENCE) {
    const own = mostSpecific(matching, decision);
    if (own !== undefined) return { decision, rule: `policy.${kind}.${own}` };
    const other = decision === 'allow' ? undefined : mostSpecific(byMethod, decision);
    if (other !== undefined) return { decision, rule: `policy.methods.${other}` };
  }
  return unlisted === undefined
    ? { decision: policy.default, rule: 'policy.default' }
    : { decision: unlisted, rule: 'protocol' };
}

/**
 * Decides on a request that acts on several things, or on none: the strictest verdict holds. What acts on nothing
 * is allowed by the protocol.
 */
export function decideAll(policy: ProfilePolicy, subjects: readonly Subject[], unlisted?: Decision): Verdict {
  let strictest: Verdict = { decision: 'allow', rule: 'protocol' };
  for (const [at, subject] of subjects.entries()) {
    const verdict = decide(policy, subject, unlisted);
    const isStricter = PRECEDENCE.indexOf(verdict.decision) < PRECEDENCE.indexOf(strictest.decision);
    if (at === 0 || isStricter) strictest = verdict;
  }
  return strictest;
}

/** Whether a policy has any rule by which something of a kind is denied. */
export function denies(policy: ProfilePolicy, kind: Kind): boolean {
  const { [kind]: own, methods } = prepare(policy);
  return policy.default === 'deny' || [...own, ...methods].some(({ decision }) => decision === 'deny');
}

function prepare(policy: ProfilePolicy): Readonly<Record<Kind, readonly Rule[]>> {
  let rules = prepared.get(policy);
  if (rules === undefined) {
    const rulesOf = (kind: Kind): Rule[] =>
      Object.entries(policy[kind]).map(([pattern, rule]) => ruleOf(kind, pattern, rule));
    rules = {
      tools: rulesOf('tools'),
      resources: rulesOf('resources'),
      prompts: rulesOf('prompts'),
      methods: rulesOf('methods'),
    };
    prepared.set(policy, rules);
  }
  return rules;
}

function ruleOf(kind: Kind, pattern: string, rule: Decision | Condition): Rule {
  const others = kind === 'resources' ? [fold(pattern), fold(normalForm(pattern))] : [fold(pattern)];
  return {
    decision: typeof rule === 'string' ? rule : 'ask',
    exact: compile(pattern),
    others: [...new Set(others)].filter((other) => other !== pattern).map(compile),
  };
}

function matched(rules: readonly Rule[], kind: Kind, name: string): Rule[] {
  if (rules.length === 0) return [];
  const forms = formsOf(kind, name);
  return rules.filter((rule) => isMatch(rule, forms));
}

function formsOf(kind: Kind, name: string): Forms {
  const folded = fold(name);
  if (kind !== 'resources') return { name, isNormal: true, others: folded === name ? [] : [folded] };
  const normal = normalForm(name);
  const others = new Set([folded, fold(normal), fold(normal.replace(/\?.*/s, '')), fold(plainForm(name))]);
  others.delete(name);
  return { name, isNormal: isNormal(name), others: [...others] };
}

function isMatch(rule: Rule, { name, isNormal, others }: Forms): boolean {
  const { decision, exact } = rule;
  if (decision === 'allow') return (isNormal || exact.isExact) && exact.matches(name);
  if (exact.matches(name)) return true;
  return [exact, ...rule.others].some(
    (pattern) => (pattern !== exact && pattern.matches(name)) || others.some((form) => pattern.matches(form)),
  );
}

/** The most specific pattern that says `decision`. */
function mostSpecific(rules: readonly Rule[], decision: Decision): string | undefined {
  let best: Pattern | undefined;
  for (const { decision: says, exact } of rules) {
    if (says === decision && (best === undefined || isMoreSpecific(exact, best))) best = exact;
  }
  return best?.source;
}

function isMoreSpecific(pattern: Pattern, than: Pattern): boolean {
  if (pattern.isExact !== than.isExact) return pattern.isExact;
  return pattern.literals > than.literals;
}
