// Conditions on the arguments of a tool call: JSON Schemas (2020-12) of the profile, never of a server. A condition
// that cannot be compiled, or arguments that cannot be judged (see arguments.ts), allow nothing.
//
// The library that compiles them is loaded with the first profile that has any: `loadConditions`.
import { WarderError } from '../errors.ts';
import type { Condition, ProfilePolicy } from '../profile/format.ts';
import { type Arguments, findLookalike, readArguments } from './arguments.ts';
import { schemaProblem, spokenOf } from './schema-walk.ts';
import type { Validator } from './validator.ts';

/** Whether arguments meet a condition. `why` speaks of the condition, and never repeats a value of the arguments. */
export type Judgement = { readonly isMet: true } | { readonly isMet: false; readonly why: string };

/** A condition of a policy that cannot be compiled. */
export interface ConditionFault {
  /** The pattern of its rule. */
  readonly pattern: string;
  readonly fault: string;
}

interface Compiled {
  readonly validate: Validator;
  /** The names of members that the schema speaks of, by their folded forms. */
  readonly spoken: ReadonlyMap<string, string>;
  /** Whether a name fits a pattern of names in no spelling but its own. */
  readonly isPlain: (name: string) => boolean;
}

const compiled = new WeakMap<Condition, Compiled>();

/** The arguments of one call, read at most once. */
export class CallArguments {
  readonly #text: () => string;
  #read: Arguments | undefined;

  /** `text` returns their JSON text. */
  constructor(text: () => string) {
    this.#text = text;
  }

  get read(): Arguments {
    this.#read ??= readArguments(this.#text());
    return this.#read;
  }
}

/** Compiles the conditions of a policy, so that `judge` can use them. Returns those that cannot be. */
export async function loadConditions({ tools }: ProfilePolicy): Promise<ConditionFault[]> {
  const faults: ConditionFault[] = [];
  for (const [pattern, rule] of Object.entries(tools)) {
    if (typeof rule === 'string' || compiled.has(rule)) continue;
    const { compileSchema, plainNames } = await import('./validator.ts');
    const validate = schemaProblem(rule.allow) ?? compileSchema(rule.allow);
    if (typeof validate === 'string') {
      faults.push({ pattern, fault: validate });
      continue;
    }
    const { names, patterns } = spokenOf(rule.allow);
    compiled.set(rule, { validate, spoken: names, isPlain: plainNames(patterns) });
  }
  return faults;
}

/** As `loadConditions`. Throws `profile-invalid` where one cannot be compiled. */
export async function requireConditions(policy: ProfilePolicy, profile: string): Promise<void> {
  const faults = await loadConditions(policy);
  if (faults.length === 0) return;
  const lines = faults.map(({ pattern, fault }) => `policy.tools.${pattern}.allow: ${fault}`);
  throw new WarderError('profile-invalid', `profile "${profile}" is broken\n${lines.join('\n')}`, {
    hint: 'a condition is a JSON Schema (2020-12) without formats, remote references and recursion; its patterns are those of RE2',
  });
}

/** Whether the arguments of a call meet a condition. */
export function judge(condition: Condition, args: CallArguments): Judgement {
  const ready = compiled.get(condition);
  if (ready === undefined) return { isMet: false, why: 'the condition cannot be used' };
  const { read } = args;
  const why =
    'unjudged' in read
      ? read.unjudged
      : (findLookalike(read.value, ready.spoken, ready.isPlain) ?? ready.validate(read.value));
  return why === undefined ? { isMet: true } : { isMet: false, why };
}

/** Names that a condition speaks of but does not require: a call without them may meet it. */
export function optionalNames({ allow }: Condition): string[] {
  const { properties, required } = allow;
  const needed = new Set(Array.isArray(required) ? required : []);
  return isObject(properties) ? Object.keys(properties).filter((name) => !needed.has(name)) : [];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
