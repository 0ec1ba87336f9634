// What a profile says of a tool. Deny wins over ask, and ask over allow, however specific the patterns are;
// among the patterns that say what won, the most specific one is reported: an exact name, else the one with
// the most literal characters, else the first in the file. Nothing is let through that no rule allows.
import type { Condition, Decision, ProfilePolicy } from '../profile/format.ts';
import { countLiterals, isExact, matches } from './pattern.ts';

/** What was decided, and which part of the profile did. */
export interface Verdict {
  readonly decision: Decision;
  /** `policy.tools.<pattern>`, or `policy.default`. */
  readonly rule: string;
}

const PRECEDENCE: readonly Decision[] = ['deny', 'ask', 'allow'];

/**
 * Decides on a call of `tool`. A rule with a condition on the arguments counts as `ask`: what it allows depends
 * on more than the name.
 */
export function decide(policy: ProfilePolicy, tool: string): Verdict {
  const rules = Object.entries(policy.tools).filter(([pattern]) => matches(pattern, tool));
  for (const decision of PRECEDENCE) {
    const winner = mostSpecific(
      rules.filter(([, rule]) => decisionOf(rule) === decision).map(([name]) => name),
    );
    if (winner !== undefined) return { decision, rule: `policy.tools.${winner}` };
  }
  return { decision: policy.default, rule: 'policy.default' };
}

/** Whether a policy has any rule by which a tool is denied. */
export function denies(policy: ProfilePolicy): boolean {
  return policy.default === 'deny' || Object.values(policy.tools).includes('deny');
}

function decisionOf(rule: Decision | Condition): Decision {
  return typeof rule === 'string' ? rule : 'ask';
}

function mostSpecific(patterns: readonly string[]): string | undefined {
  let best: string | undefined;
  for (const pattern of patterns) if (best === undefined || isMoreSpecific(pattern, best)) best = pattern;
  return best;
}

function isMoreSpecific(pattern: string, than: string): boolean {
  if (isExact(pattern) !== isExact(than)) return isExact(pattern);
  return countLiterals(pattern) > countLiterals(than);
}
