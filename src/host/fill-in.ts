// Puts the values that a person has given into the plan of a server, in the place of what its host fills in. Pure.

import { sealInside } from './plan/seal-inside.ts';
import { type Left, left, type Planned, type TakenSecret } from './planned.ts';
import type { Reference } from './references.ts';
import { shapeOf } from './secrets.ts';

/** Names one value: a variable of the environment is the same one for all servers, an input is its file's. */
export function keyOf({ kind, name, text }: Reference, path: string): string {
  return kind === 'environment' ? `env ${name}` : `${kind} ${kind === 'input' ? name : text} ${path}`;
}

/**
 * A plan without `wanted`. `givenFor` gives the value of each. What is a secret in one place, or looks like one, is one in all: where
 * a profile would have it in clear, the server is left.
 */
export function fillIn(plan: Planned, givenFor: (reference: Reference) => string): Planned | Left {
  const secrets = new Set(plan.wanted.flatMap((one) => (one.isSecret ? [givenFor(one.reference)] : [])));
  const credentials: TakenSecret[] = [...plan.credentials];
  const taken = (variable: string, value: string, where: 'variable' | 'argument' | 'header'): void =>
    void credentials.push({
      variable,
      value,
      from: { where, name: variable, value, why: 'the host fills it in' },
    });
  const values: [string, string][] = [];
  let words = plan.kind === 'profile' ? plan.words : [];
  for (const { reference, isSecret, into } of plan.wanted) {
    const value = givenFor(reference);
    const filled = 'whole' in into ? into.whole.replace(reference.text, () => value) : value;
    const isHidden =
      isSecret || secrets.has(value) || shapeOf(value) !== undefined || shapeOf(filled) !== undefined;
    if (into.kind === 'argument') taken(into.name, value, 'argument');
    else if (into.kind === 'variable' && isHidden) taken(into.name, filled, 'variable');
    else if (into.kind === 'header' && isSecret) taken('token', filled, 'header');
    else if (isHidden)
      return left(
        `what was given for ${reference.name} is a secret, or looks like one, and would be in clear in its profile`,
      );
    else if (into.kind === 'words') words = words.map((word) => word.replace(reference.text, () => value));
    else values.push([into.name, filled]);
  }
  const own = plan.kind === 'profile' ? plan.env : plan.headers;
  const all = Object.fromEntries([...Object.entries(own), ...values]);
  const filled = {
    ...plan,
    credentials,
    wanted: [],
    ...(plan.kind === 'profile' ? { words, env: all } : { headers: all }),
  };
  return filled.kind === 'profile' ? sealInside(filled) : filled;
}
