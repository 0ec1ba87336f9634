// Takes the secrets out of a local server's arguments and variables, and what the host fills in there. What stands in their
// place names a credential of the profile. Pure.
import type { TakenSecret, WantedValue } from '../planned.ts';
import { type HostInput, type Reference, referencesIn } from '../references.ts';
import {
  decoded,
  isReference,
  mayBeSecretName,
  SECRET_INSIDE,
  secretsInside,
  secretsOf,
} from '../secrets.ts';
import type { HostServer } from '../servers.ts';
import { takeName, variableForm } from './variable-name.ts';

/** A server's arguments and variables without secrets. */
export interface WithoutSecrets {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly credentials: readonly TakenSecret[];
  readonly wanted: readonly WantedValue[];
  /** Why that could not be done. */
  readonly problem: string | undefined;
}

/** Characters from which a value that is a secret in one place is taken for one wherever it stands. */
const MIN_REPEATED = 8;

/** `skip`: how many arguments are not looked at, because they only start the program. */
export function takeSecrets(
  server: HostServer,
  skip: number,
  inputs: ReadonlyMap<string, HostInput>,
): WithoutSecrets {
  const names = new Names(Object.keys(server.env));
  const credentials: TakenSecret[] = [];
  const wanted: WantedValue[] = [];
  const env: [string, string][] = [];
  let problem = server.args.some((word) => OWN.test(word))
    ? 'its arguments already name a credential of Warder'
    : undefined;
  const secrets = secretsOf(server);
  const inEnv = new Map(
    secrets.flatMap((one) => (one.where === 'variable' ? [[one.name, one] as const] : [])),
  );
  for (const [name, value] of Object.entries(server.env)) {
    const from = inEnv.get(name);
    const references = referencesIn(value);
    if (from !== undefined && !references.some(({ text }) => isReference(text)))
      credentials.push({ variable: name, value, from });
    else if (references.length === 0) env.push([name, value]);
    else {
      const one = wantedFor(references, inputs, name);
      if (one === undefined) problem ??= `the host fills in ${name}, and only it can`;
      else wanted.push({ ...one, into: { kind: 'variable', name, whole: value } });
    }
  }
  const args = [...server.args];
  for (const { argument, ...secret } of secrets) {
    if (argument === undefined || argument.index < skip) continue;
    const same = credentials.find((one) => one.value === secret.value && one.from.where === 'argument');
    const variable = same?.variable ?? names.take(secret.name, secret.value);
    if (same === undefined)
      credentials.push({ variable, value: secret.value, from: { ...secret, argument } });
    // Code must not hide in what is not shown.
    if (
      secret.why === SECRET_INSIDE ||
      (secret.why !== 'its name' && /\s/.test(secret.value.replace(/^[A-Za-z]+ (?=\S+$)/, '')))
    )
      problem ??= 'one of its arguments has a secret inside of a longer text, and could not be shown';
    const word = args[argument.index] ?? '';
    args[argument.index] =
      `${word.slice(0, argument.start)}\${credential:${variable}}${word.slice(argument.end)}`;
  }
  for (const [index, word] of args.entries()) {
    if (index < skip) continue;
    const references = referencesIn(word).filter(({ text }) => !OWN.test(text));
    if (references.length === 0) continue;
    const option = optionOf(word, args[index - 1]);
    const one = OWN.test(word) ? undefined : wantedFor(references, inputs, option);
    if (one === undefined) problem ??= 'the host fills in a part of its arguments';
    else if (!one.isSecret) wanted.push({ ...one, into: { kind: 'words' } });
    else {
      const variable = names.take(option || one.reference.name, '');
      args[index] = word.replace(one.reference.text, () => `\${credential:${variable}}`);
      wanted.push({ ...one, into: { kind: 'argument', name: variable } });
    }
  }
  return { ...withoutRepeated(args, env, credentials, skip, names), wanted, problem };
}

/** What this file puts in the place of a secret. */
const OWN = /(\$\{credential:[A-Za-z_]\w*\})/;

/** A value that is a secret in one place is one in every other. */
function withoutRepeated(
  args: readonly string[],
  env: readonly (readonly [string, string])[],
  credentials: readonly TakenSecret[],
  skip: number,
  names: Names,
): Pick<WithoutSecrets, 'args' | 'env' | 'credentials'> {
  const all: TakenSecret[] = [...credentials];
  // `Bearer TOKEN` and TOKEN alone, a URL and what is secret in it.
  const values = new Map(
    credentials
      .flatMap(({ value, variable }) => {
        const inside = secretsInside(value).flatMap(([, one]) => [one, decoded(one)]);
        return [value, value.replace(/^[A-Za-z]+ (?=\S+$)/, ''), ...inside].map(
          (one) => [one, variable] as const,
        );
      })
      .filter(([value]) => value.length >= MIN_REPEATED)
      .sort(([one], [other]) => other.length - one.length),
  );
  const repeated = (text: string) => [...values].find(([value]) => text.includes(value));
  const why = (variable: string): string => `it has the value of ${variable}`;
  const kept = env.filter(([variable, value]) => {
    const [, other] = repeated(value) ?? [];
    if (other !== undefined)
      all.push({ variable, value, from: { where: 'variable', name: variable, value, why: why(other) } });
    return other === undefined;
  });
  const referenceTo = (value: string, other: string): string => {
    const same = all.find((one) => one.value === value && one.from.where === 'argument');
    const variable = same?.variable ?? names.take(other, value);
    if (same === undefined)
      all.push({ variable, value, from: { where: 'argument', name: other, value, why: why(other) } });
    return `\${credential:${variable}}`;
  };
  const open = args.map((word, index) =>
    index < skip
      ? word
      : [...values].reduce(
          (text, [value, other]) =>
            text
              .split(OWN)
              .map((part) =>
                OWN.test(part) ? part : part.replaceAll(value, () => referenceTo(value, other)),
              )
              .join(''),
          word,
        ),
  );
  return { args: open, env: Object.fromEntries(kept), credentials: all };
}

/** The one value that a text waits for; undefined where only the host can give it. */
function wantedFor(
  references: readonly Reference[],
  inputs: ReadonlyMap<string, HostInput>,
  name: string,
): Pick<WantedValue, 'reference' | 'input' | 'isSecret'> | undefined {
  const [one, ...others] = references;
  if (one === undefined || others.length > 0 || one.kind === 'other') return undefined;
  const input = one.kind === 'input' ? inputs.get(one.name) : undefined;
  if (one.kind === 'input' && input === undefined) return undefined;
  const isSecret = input?.isPassword === true || mayBeSecretName(name) || mayBeSecretName(one.name);
  return { reference: one, input, isSecret };
}

/** A value that a header waits for; see `wantedFor`. */
export function wantedHeader(
  name: string,
  whole: string,
  inputs: ReadonlyMap<string, HostInput>,
): WantedValue | undefined {
  const one = wantedFor(referencesIn(whole), inputs, name);
  return one && { ...one, into: { kind: 'header', name, whole } };
}

/** The option that an argument belongs to: `--api-key=…`, or the one before it; empty without one. */
function optionOf(word: string, before = ''): string {
  const own = /^(--?[A-Za-z][\w.-]*|[A-Za-z_]\w*)=/.exec(word)?.[1];
  const header = /^([A-Za-z][\w-]*): ?/.exec(word)?.[1];
  return own ?? header ?? (/^--?[A-Za-z][\w.-]*$/.test(before) ? before : '');
}

/** Names for credentials of arguments. */
class Names {
  readonly #used: Set<string>;

  constructor(used: readonly string[]) {
    this.#used = new Set(used);
  }

  /** `--api-key` is `API_KEY`. */
  take(name: string, value: string): string {
    const plain = variableForm(name).slice(0, 60);
    const base = /^\d*$/.test(plain)
      ? /^[a-z]+:\/\//i.test(value)
        ? 'URL'
        : `ARGUMENT_${plain || 1}`
      : plain.replace(/^(?=\d)/, '_');
    return takeName(base, this.#used);
  }
}
