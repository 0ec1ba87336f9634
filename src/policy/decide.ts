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
//
// A rule with a condition says `allow` for a call whose arguments meet it, and what its `else` says for any other.
import type { Condition, Decision, ProfilePolicy } from '../profile/format.ts';
import { type CallArguments, judge } from './condition.ts';
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
  /** The arguments of a tool call. Without them a rule with a condition counts as `ask`. */
  readonly arguments?: CallArguments;
}

/** What was decided, and which part of the profile did. */
export interface Verdict {
  readonly decision: Decision;
  /**
   * `policy.tools.<pattern>` and so on, `policy.default`, or `protocol`: no part of the profile did. Of a rule with a
   * condition, `.allow` or `.else` follows.
   */
  readonly rule: string;
  /** Why the arguments do not meet the condition of the rule. */
  readonly why?: string;
  /** Other arguments may bring another verdict. */
  readonly byArguments?: true;
}

/** The longest names, in characters. What is longer is denied before it is compared with anything. */
export const MAX_NAME: Readonly<Record<Kind, number>> = {
  tools: 1024,
  resources: 8192,
  prompts: 1024,
  methods: 256,
};

interface Rule {
  readonly says: Decision | Condition;
  readonly exact: Pattern;
  /** Its other forms: those with which a deny or an ask is compared too. */
  readonly others: readonly Pattern[];
}

/** A rule that matches a name, and what it says of the request. */
interface Match {
  readonly decision: Decision;
  readonly pattern: Pattern;
  /** What of the rule says it: `.allow`, `.else`, or all of it. */
  readonly part: string;
  readonly why: string | undefined;
}

/** A name, and its other forms likewise. */
interface Forms {
  readonly name: string;
  readonly isNormal: boolean;
  readonly others: readonly string[];
}

const NOT_EXACT = { isMet: false, why: 'the name is spelled otherwise' } as const;

const PRECEDENCE: readonly Decision[] = ['deny', 'ask', 'allow'];

/** The prepared rules of each policy, for as long as the policy is in use. */
const prepared = new WeakMap<ProfilePolicy, Readonly<Record<Kind, readonly Rule[]>>>();

/**
 * Decides on a request. `unlisted` is the decision where no pattern matches: the policy's default if it is left out.
 * The conditions of the policy have to be loaded: see `loadConditions`.
 */
export function decide(policy: ProfilePolicy, subject: Subject, unlisted?: Decision): Verdict {
  const { kind, name, method } = subject;
  if (name.length > MAX_NAME[kind] || (method ?? '').length > MAX_NAME.methods) {
    return { decision: 'deny', rule: 'protocol' };
  }
  const rules = prepare(policy);
  const own = matching(rules[kind], kind, name, subject.arguments);
  const byMethod =
    method === undefined || kind === 'methods' ? [] : matching(rules.methods, 'methods', method, undefined);
  const extra = own.some(({ part }) => part !== '') ? ({ byArguments: true } as const) : undefined;
  for (const decision of PRECEDENCE) {
    const found = mostSpecific(own, decision);
    if (found !== undefined) {
      const { pattern, part, why } = found;
      const rule = `policy.${kind}.${pattern.source}${part}`;
      return { decision, rule, ...(why !== undefined && { why }), ...extra };
    }
    const other = decision === 'allow' ? undefined : mostSpecific(byMethod, decision);
    if (other !== undefined) return { decision, rule: `policy.methods.${other.pattern.source}`, ...extra };
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
  return (
    policy.default === 'deny' ||
    [...own, ...methods].some(({ says }) => (typeof says === 'string' ? says : says.else) === 'deny')
  );
}

/** Whether what a policy says of some tool depends on its arguments. */
export function hasConditions({ tools }: ProfilePolicy): boolean {
  return Object.values(tools).some((rule) => typeof rule !== 'string');
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

function ruleOf(kind: Kind, pattern: string, says: Decision | Condition): Rule {
  const others = kind === 'resources' ? [fold(pattern), fold(normalForm(pattern))] : [fold(pattern)];
  return {
    says,
    exact: compile(pattern),
    others: [...new Set(others)].filter((other) => other !== pattern).map(compile),
  };
}

function matching(
  rules: readonly Rule[],
  kind: Kind,
  name: string,
  args: CallArguments | undefined,
): Match[] {
  if (rules.length === 0) return [];
  const forms = formsOf(kind, name);
  return rules.flatMap((rule) => matchOf(rule, forms, args) ?? []);
}

function formsOf(kind: Kind, name: string): Forms {
  const folded = fold(name);
  if (kind !== 'resources') return { name, isNormal: true, others: folded === name ? [] : [folded] };
  const normal = normalForm(name);
  const others = new Set([folded, fold(normal), fold(normal.replace(/\?.*/s, '')), fold(plainForm(name))]);
  others.delete(name);
  return { name, isNormal: isNormal(name), others: [...others] };
}

function matchOf(rule: Rule, forms: Forms, args: CallArguments | undefined): Match | undefined {
  const { says, exact } = rule;
  const isExact = (forms.isNormal || exact.isExact) && exact.matches(forms.name);
  if (typeof says === 'string') {
    const isMatch = says === 'allow' ? isExact : matchesLoosely(rule, forms);
    return isMatch ? { decision: says, pattern: exact, part: '', why: undefined } : undefined;
  }
  if (!matchesLoosely(rule, forms)) return undefined;
  if (args === undefined) return { decision: 'ask', pattern: exact, part: '', why: undefined };
  // What is only spelled almost like a tool is never allowed by a condition.
  const judgement = isExact ? judge(says, args) : NOT_EXACT;
  return judgement.isMet
    ? { decision: 'allow', pattern: exact, part: '.allow', why: undefined }
    : { decision: says.else, pattern: exact, part: '.else', why: judgement.why };
}

function matchesLoosely({ exact, others: patterns }: Rule, { name, others }: Forms): boolean {
  if (exact.matches(name)) return true;
  return [exact, ...patterns].some(
    (pattern) => (pattern !== exact && pattern.matches(name)) || others.some((form) => pattern.matches(form)),
  );
}

/** The match with the most specific pattern among those that say `decision`. */
function mostSpecific(matches: readonly Match[], decision: Decision): Match | undefined {
  let best: Match | undefined;
  for (const match of matches) {
    const isBetter = best === undefined || isMoreSpecific(match.pattern, best.pattern);
    if (match.decision === decision && isBetter) best = match;
  }
  return best;
}

function isMoreSpecific(pattern: Pattern, than: Pattern): boolean {
  if (pattern.isExact !== than.isExact) return pattern.isExact;
  return pattern.literals > than.literals;
}
