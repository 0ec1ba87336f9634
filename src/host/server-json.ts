// The registry's description of a server, server.json: packages with their variables and arguments, and remotes. Pure: what
// `{…}` stands for is never filled in but by what the description itself says. Versions of the format from 2025-07 to
// 2025-12 (https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json) differ in what is not read here.
import * as z from 'zod';
import { takeName, variableForm } from './plan/variable-name.ts';
import { isSecretName } from './secrets.ts';
import { isTable, TextProblem, type Value } from './text/edit.ts';

const input = z.object({
  description: z.string().optional(),
  isRequired: z.boolean().optional(),
  isSecret: z.boolean().optional(),
  value: z.string().optional(),
  default: z.union([z.string(), z.number(), z.boolean()]).optional(),
});
const withVariables = input.extend({ variables: z.record(z.string(), input).optional() });
const keyValue = withVariables.extend({ name: z.string().min(1) });
const argument = withVariables.extend({
  type: z.enum(['positional', 'named']),
  name: z.string().optional(),
  valueHint: z.string().optional(),
});
const serverJson = z.object({
  name: z.string(),
  description: z.string().optional(),
  packages: z
    .array(
      z.object({
        registryType: z.string(),
        registryBaseUrl: z.string().optional(),
        identifier: z.string(),
        version: z.string().optional(),
        transport: z.object({ type: z.string() }).optional(),
        runtimeArguments: z.array(argument).optional(),
        packageArguments: z.array(argument).optional(),
        environmentVariables: z.array(keyValue).optional(),
      }),
    )
    .optional(),
  remotes: z
    .array(z.object({ type: z.string(), url: z.string(), headers: z.array(keyValue).optional() }))
    .optional(),
});
type Input = z.infer<typeof withVariables>;
type Argument = z.infer<typeof argument>;
type Package = NonNullable<z.infer<typeof serverJson>['packages']>[number];
type Remote = NonNullable<z.infer<typeof serverJson>['remotes']>[number];

/** What a person has to give, or may. */
export interface Asked {
  readonly name: string;
  readonly description: string | undefined;
}

/** A word of the command line: as it is, a secret's place, or one that the person has to give. */
export type OfferedWord = { readonly word: string } | { readonly missing: Asked };

/** A package or a remote server, as the registry describes it. */
export type RegistryOffer = {
  readonly name: string;
  readonly description: string | undefined;
  /** Names of variables, or headers, whose values are secrets. */
  readonly secrets: readonly string[];
  /** Variables or headers with the value that the description says. */
  readonly values: Readonly<Record<string, string>>;
  readonly missing: readonly Asked[];
  /** What is optional, and not used. */
  readonly unused: readonly Asked[];
  /** URLs of the remotes that are not taken. */
  readonly alsoAt: readonly string[];
} & (
  | {
      readonly kind: 'package';
      /** As `parseSpec` of packages takes it: `npm:NAME@VERSION`. */
      readonly spec: string;
      readonly words: readonly OfferedWord[];
    }
  | { readonly kind: 'remote'; readonly url: string }
);

const REGISTRIES: Readonly<Record<string, { readonly url: RegExp; readonly separator: string }>> = {
  npm: { url: /^https:\/\/registry\.npmjs\.org\/?$/, separator: '@' },
  pypi: { url: /^https:\/\/pypi\.org(?:\/simple)?\/?$/, separator: '==' },
};

/** Whether a text is a server.json; the API of a registry wraps it in `server`. */
export function isServerJson(value: Value): boolean {
  const inner = unwrap(value);
  return (
    isTable(inner) &&
    typeof inner.name === 'string' &&
    (Array.isArray(inner.packages) || Array.isArray(inner.remotes))
  );
}

/**
 * What Warder takes of a server.json: the first package that it can pin, else the first remote. `isSealed`: its server gets
 * placeholders, which may stand inside of a variable's text. Throws `TextProblem`.
 */
export function readServerJson(value: Value, isSealed: boolean): RegistryOffer {
  const parsed = serverJson.safeParse(unwrap(value));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new TextProblem(`is not as the registry has it: see ${issue?.path.join('.') || 'its root'}`);
  }
  const { name, description, packages = [], remotes = [] } = parsed.data;
  const found = packages.find(isFit);
  const urls = remotes.map(({ url }) => url);
  if (found !== undefined) return { name, description, alsoAt: urls, ...fromPackage(found, isSealed) };
  const [remote] = remotes;
  if (remote !== undefined) return { name, description, alsoAt: urls.slice(1), ...fromRemote(remote) };
  const kinds = [...new Set(packages.map(({ registryType }) => registryType))].join(', ') || 'none';
  throw new TextProblem(`has no package that can be pinned: of npm or PyPI, on stdio (it has: ${kinds})`);
}

function unwrap(value: Value): Value {
  return isTable(value) && isTable(value.server) && !Object.hasOwn(value, 'name') ? value.server : value;
}

function isFit({ registryType, registryBaseUrl, transport }: Package): boolean {
  const registry = Object.hasOwn(REGISTRIES, registryType) ? REGISTRIES[registryType] : undefined;
  if (registry === undefined || (transport !== undefined && transport.type !== 'stdio')) return false;
  return registryBaseUrl === undefined || registry.url.test(registryBaseUrl);
}

function fromPackage(
  from: Package,
  isSealed: boolean,
): Pick<RegistryOffer, 'secrets' | 'values' | 'missing' | 'unused'> & {
  kind: 'package';
  spec: string;
  words: OfferedWord[];
} {
  const { registryType, identifier, version } = from;
  const strange = (from.runtimeArguments ?? []).find(
    (one) => !/^(?:-y|--yes|-q|--quiet)?$/.test(one.name ?? one.value ?? ''),
  );
  if (strange !== undefined)
    throw new TextProblem(`has an argument for npx or uvx itself: ${strange.name ?? strange.value}`);
  const isPinned = version !== undefined && version !== 'latest';
  const used = new Set((from.environmentVariables ?? []).map(({ name }) => name));
  /** By the names of the parts of texts: one credential wherever it stands. */
  const variables = new Map<string, string>();
  const refer = (name: string): string => {
    const variable = variables.get(name) ?? variableOf(name, used);
    variables.set(name, variable);
    return variable;
  };
  const sorted = sort(from.environmentVariables ?? [], isSealed ? refer : undefined);
  const unused: Asked[] = [...sorted.unused];
  const words = (from.packageArguments ?? []).flatMap((one): OfferedWord[] => {
    const name = one.name ?? one.valueHint ?? 'argument';
    const asked = { name, description: one.description };
    const secret = isSecret(one, name);
    const value = secret ? undefined : statedValue(one);
    const flag = one.type === 'named' && one.name !== undefined ? [{ word: one.name }] : [];
    if (value !== undefined) return [...flag, { word: value }];
    if (!secret && one.isRequired !== true) {
      unused.push(asked);
      return [];
    }
    if (!secret) return [...flag, { missing: asked }];
    if (one.isRequired !== true && one.value === undefined) {
      unused.push(asked);
      return [];
    }
    return [...flag, { word: composed(one, refer)?.text ?? reference(variableOf(name, used)) }];
  });
  return {
    kind: 'package',
    spec: `${registryType}:${identifier}${isPinned ? `${REGISTRIES[registryType]?.separator}${version}` : ''}`,
    words,
    ...sorted,
    unused,
  };
}

function fromRemote({ url, headers = [] }: Remote): Pick<
  RegistryOffer,
  'secrets' | 'values' | 'missing' | 'unused'
> & {
  kind: 'remote';
  url: string;
} {
  if (/\{[^}]*\}/.test(url))
    throw new TextProblem('has a URL with a part that each user has: give the whole URL to "warder add"');
  return { kind: 'remote', url, ...sort(headers) };
}

/**
 * Sorts variables or headers by who gives their values. An optional one without a value is not used. `refer` names the credential of
 * a part of a text, where texts may refer to one.
 */
function sort(
  list: readonly z.infer<typeof keyValue>[],
  refer?: (name: string) => string,
): Pick<RegistryOffer, 'secrets' | 'values' | 'missing' | 'unused'> {
  const secrets: string[] = [];
  const values: Record<string, string> = {};
  const missing: Asked[] = [];
  const unused: Asked[] = [];
  for (const one of list) {
    const { name, description } = one;
    const secret = isSecret(one, name);
    const value = secret ? undefined : statedValue(one);
    const inside = secret && refer !== undefined ? composed(one, refer) : undefined;
    if (inside !== undefined) {
      values[name] = inside.text;
      secrets.push(...inside.names.filter((each) => !secrets.includes(each)));
    } else if (value !== undefined) values[name] = value;
    else if (one.isRequired !== true && one.value === undefined) unused.push({ name, description });
    else if (secret) secrets.push(name);
    else missing.push({ name, description });
  }
  return { secrets, values, missing, unused };
}

function isSecret(one: Input, name: string): boolean {
  const inner = Object.entries(one.variables ?? {});
  return (
    one.isSecret === true ||
    isSecretName(name) ||
    inner.some(([variable, { isSecret: says }]) => says === true || isSecretName(variable))
  );
}

/**
 * A text with secrets in it, `Bearer {token}`, which refers to the credential of each. Undefined if the text is one secret alone, or
 * has another part that a person has to say.
 */
function composed(
  one: Input | Argument,
  refer: (name: string) => string,
): { readonly text: string; readonly names: readonly string[] } | undefined {
  const { value, variables = {} } = one;
  if (value === undefined || /^\{[^{}]*\}$/.test(value)) return undefined;
  const isSecretPart = (name: string): boolean =>
    Object.hasOwn(variables, name) && (variables[name]?.isSecret === true || isSecretName(name));
  const parts = new Set([...value.matchAll(/\{([^{}]*)\}/g)].flatMap(([, name = '']) => name));
  if (![...parts].some(isSecretPart)) return undefined;
  const open = Object.fromEntries(Object.entries(variables).filter(([name]) => !isSecretPart(name)));
  const plain = statedValue({ ...one, variables: open, default: undefined });
  if (plain === undefined) return undefined;
  const names = new Set<string>();
  const text = plain.replace(/\{([^{}]*)\}/g, (whole, name: string) => {
    if (!isSecretPart(name)) return whole;
    names.add(refer(name));
    return reference(refer(name));
  });
  return { text, names: [...names] };
}

function reference(variable: string): string {
  return `\${credential:${variable}}`;
}

/** The value that a description says, with its own variables put in; undefined if a person has to say it. */
function statedValue(one: Input | Argument): string | undefined {
  const { value, variables = {}, default: fallback } = one;
  if (value === undefined) return fallback === undefined ? undefined : String(fallback);
  let isWhole = true;
  const text = value.replace(/\{([^{}]*)\}/g, (whole, name: string) => {
    const variable = Object.hasOwn(variables, name) ? variables[name] : undefined;
    if (variable === undefined) return whole;
    const own = variable.value ?? variable.default;
    if (own === undefined) isWhole = false;
    return String(own ?? whole);
  });
  return isWhole ? text : undefined;
}

/** A variable's name for a secret of the arguments: `--api-key` is `API_KEY`. */
function variableOf(name: string, used: Set<string>): string {
  const plain = variableForm(name);
  return takeName(/^[A-Z_]/.test(plain) ? plain : `ARGUMENT_${plain}`, used);
}
