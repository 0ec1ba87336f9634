// Puts the values that a person has given into the plan of a server, in the place of what its host fills in. Pure.
import type { Planned } from './planned.ts';
import type { Reference } from './references.ts';
import type { TakenSecret } from './secret-removal.ts';
import { shapeOf } from './secrets.ts';

/** Names one value: a variable of the environment is the same one for all servers, an input is its file's. */
export function keyOf({ kind, name, text }: Reference, path: string): string {
  return kind === 'environment' ? `env ${name}` : `${kind} ${kind === 'input' ? name : text} ${path}`;
}

/** A plan without `wanted`. `givenFor` gives the value of each. */
export function fillIn<P extends Planned>(plan: P, givenFor: (reference: Reference) => string): P {
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
    if (into.kind === 'argument') taken(into.name, value, 'argument');
    else if (into.kind === 'words') words = words.map((word) => word.replace(reference.text, () => value));
    else if (into.kind === 'header' && isSecret) taken('token', filled, 'header');
    // What looks like a secret is one, whatever it was asked as.
    else if (isSecret || (into.kind === 'variable' && shapeOf(filled) !== undefined))
      taken(into.name, filled, 'variable');
    else values.push([into.name, filled]);
  }
  const own = plan.kind === 'profile' ? plan.env : plan.headers;
  const all = Object.fromEntries([...Object.entries(own), ...values]);
  return {
    ...plan,
    credentials,
    wanted: [],
    ...(plan.kind === 'profile' ? { words, env: all } : { headers: all }),
  };
}
