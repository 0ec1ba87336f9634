// Writes profiles as YAML. For `warder add`: what was given on the command line, and each default that matters on a line
// of its own, with a comment on what it means. For `warder show`: a profile with all its defaults.
import { Document, isMap, isScalar, type Node, Scalar, stringify, YAMLMap, YAMLSeq } from 'yaml';
import { fromAuth } from './auth.ts';
import { type Delivery, fromSource, type ProfileCredential } from './credential.ts';
import type { Profile, ProfileSandbox } from './format.ts';
import { fromSigning } from './signing.ts';
import { formatDuration, formatSize } from './units.ts';

/** The rules of a new profile. */
export interface PolicyDraft {
  /** Patterns of tool names. */
  readonly allow: readonly string[];
  readonly ask: readonly string[];
  readonly deny: readonly string[];
  /** Path of the JSON Schema, for editors. */
  readonly schema?: string | undefined;
}

/** The content of a new profile. */
export interface ProfileDraft extends PolicyDraft {
  readonly description?: string | undefined;
  /** A program, or a pinned package and the name of one of its programs. */
  readonly server:
    | { readonly command: string }
    | { readonly package: string; readonly bin?: string | undefined };
  readonly args: readonly string[];
  readonly cwd?: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  /** Variables, all delivered in the same way; `env` by default. */
  readonly credentials: readonly string[];
  readonly deliver?: Delivery | undefined;
  /** Those of the variables that are delivered as arguments instead, unless they are sealed. */
  readonly inArguments?: readonly string[] | undefined;
  /** Where sealed credentials may be used. */
  readonly hosts?: readonly string[] | undefined;
  /** Where sealed credentials are carried: the key `as`. */
  readonly as?: string | undefined;
  /** The key `sign` of sealed credentials, by variable. */
  readonly signing?: Readonly<Record<string, object>> | undefined;
  /** What the server may read, write and reach. If all of it is empty, the file has no `sandbox`. */
  readonly read?: readonly string[] | undefined;
  readonly write?: readonly string[] | undefined;
  readonly network?: readonly string[] | undefined;
  /** The server's home is kept. */
  readonly keepHome?: boolean | undefined;
}

/** The longest list that is written on one line, in characters. */
const MAX_FLOW_LENGTH = 60;

/** The comment beside `deliver`. */
const DELIVERY_COMMENTS: Readonly<Record<Delivery, string>> = {
  sealed: ' the server gets a placeholder; the secret goes to "hosts" only',
  env: ' the server gets the value itself',
  file: ' the server gets a file with the value',
  arg: ' the value is in the arguments of the process, where other programs can read it',
};

/** The YAML of a new profile. */
export function draftProfile(draft: ProfileDraft): string {
  const { deliver = 'env', inArguments = [], hosts = [], read = [], write = [], network = [] } = draft;
  const sandbox = Object.entries({ read, write, network }).filter(([, list]) => list.length > 0);
  const home = draft.keepHome === true ? { home: 'kept' } : {};
  const deliveryOf = (name: string): Delivery =>
    deliver !== 'sealed' && inArguments.includes(name) ? 'arg' : deliver;
  // A new object for each credential: a shared one would be written as an anchor and an alias.
  const delivery = (name: string) => ({
    deliver: deliveryOf(name),
    ...(deliver === 'sealed'
      ? {
          hosts: [...hosts],
          // What signs is not sent.
          ...(draft.signing?.[name] === undefined ? { as: draft.as } : {}),
          sign: draft.signing?.[name],
        }
      : {}),
  });
  const document = new Document({
    ...(draft.description === undefined ? {} : { description: draft.description }),
    server: {
      ...serverData(draft.server),
      ...(draft.args.length === 0 ? {} : { args: draft.args }),
      ...(draft.cwd === undefined ? {} : { cwd: draft.cwd }),
    },
    ...(Object.keys(draft.env).length === 0 ? {} : { env: draft.env }),
    ...(draft.credentials.length === 0
      ? {}
      : { credentials: Object.fromEntries(draft.credentials.map((name) => [name, delivery(name)])) }),
    ...(sandbox.length === 0 && draft.keepHome !== true
      ? {}
      : { sandbox: { ...Object.fromEntries(sandbox), ...home } }),
    policy: { default: 'ask', ...toolRules(draft) },
  });
  addComment(document, ['server', 'cwd'], ' where relative paths begin');
  for (const name of draft.credentials) {
    addComment(document, ['credentials', name, 'deliver'], DELIVERY_COMMENTS[deliveryOf(name)]);
    useFlowStyle(document, ['credentials', name, 'hosts']);
    for (const key of ['service', 'region']) useFlowStyle(document, ['credentials', name, 'sign', key]);
  }
  for (const [key] of sandbox) useFlowStyle(document, ['sandbox', key]);
  useFlowStyle(document, ['server', 'args']);
  return finishDraft(document, draft);
}

/** The text of a document, with what every new profile has. */
export function finishDraft(document: Document, draft: PolicyDraft): string {
  addComment(document, ['policy', 'default'], ' what no pattern names: a person is asked');
  const patterns = document.getIn(['policy', 'tools']);
  if (isMap(patterns)) {
    for (const { key } of patterns.items) if (isScalar(key)) key.type = Scalar.QUOTE_DOUBLE;
  }
  if (draft.schema !== undefined) document.commentBefore = ` yaml-language-server: $schema=${draft.schema}`;
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

function serverData(server: ProfileDraft['server']): Record<string, string> {
  if ('command' in server) return { command: server.command };
  return { package: server.package, ...(server.bin === undefined ? {} : { bin: server.bin }) };
}

/** Denials first, because they win, and then what is asked about. A pattern that is given twice has the stricter. */
export function toolRules({ allow, ask, deny }: PolicyDraft): { tools?: Record<string, string> } {
  const rules = new Map<string, string>();
  for (const [decision, patterns] of Object.entries({ deny, ask, allow }))
    for (const pattern of patterns) if (!rules.has(pattern)) rules.set(pattern, decision);
  return rules.size === 0 ? {} : { tools: Object.fromEntries(rules) };
}

/** Writes a list on one line if it is short. */
export function useFlowStyle(document: Document, path: readonly string[]): void {
  const list = document.getIn(path);
  if (!(list instanceof YAMLSeq)) return;
  const words: readonly unknown[] = list.toJSON();
  list.flow =
    JSON.stringify(words).length <= MAX_FLOW_LENGTH && !words.some((word) => String(word).includes('\n'));
}

/** Puts a comment behind a value. */
export function addComment(document: Document, path: readonly string[], comment: string): void {
  const node = document.getIn(path, true) as Node | undefined;
  if (node !== undefined && !(node instanceof YAMLMap)) node.comment = comment;
}

/** A profile as YAML, with every default. `parseProfile` reads the same profile back. */
export function formatProfile(profile: Profile): string {
  return stringify(profileData(profile), { lineWidth: 0, aliasDuplicateObjects: false });
}

/** The data of a profile's file. Members that are `undefined` are not written. */
function profileData({ description, server, env, credentials, sandbox, policy, audit }: Profile): object {
  if (server.kind === 'url') {
    const { url, headers, auth, allowPrivate, insecureLoopback } = server;
    return {
      description,
      server: { url, headers: Object.keys(headers).length === 0 ? undefined : headers },
      auth: fromAuth(auth),
      'allow-private': allowPrivate.length === 0 ? undefined : allowPrivate,
      'insecure-loopback': insecureLoopback || undefined,
      policy,
      audit,
    };
  }
  const { kind, idle, ...keys } = server;
  return {
    description,
    server: { ...keys, idle: idle === undefined ? undefined : formatDuration(idle) },
    env,
    credentials: Object.fromEntries(
      credentials.map((credential) => [credential.variable, credentialData(credential)]),
    ),
    sandbox: sandbox === undefined || sandbox.off ? sandbox && { off: true } : sandboxData(sandbox),
    policy,
    audit,
  };
}

function sandboxData({
  mayPlant,
  unixSockets,
  home,
  memory,
  memoryBestEffort,
  ...sandbox
}: ProfileSandbox): object {
  const size = home.size === undefined ? undefined : formatSize(home.size);
  const most = memory === undefined ? undefined : formatSize(memory);
  return {
    ...sandbox,
    'may-plant': mayPlant.length === 0 ? undefined : mayPlant,
    home: home.kept || size !== undefined ? { kept: home.kept, size } : undefined,
    'unix-sockets': unixSockets,
    memory: memoryBestEffort ? { most, 'best-effort': true } : most,
  };
}

function credentialData(credential: ProfileCredential): object {
  const {
    from,
    name,
    deliver,
    hosts,
    as,
    paths,
    methods,
    confirm,
    lifetime,
    maxUses,
    issues,
    unsearched,
    sign,
  } = credential;
  return {
    from: fromSource(from),
    name,
    deliver,
    ...(deliver === 'sealed'
      ? {
          hosts: hosts.length === 0 ? undefined : hosts,
          as,
          paths,
          methods,
          confirm,
          lifetime: lifetime === undefined ? undefined : formatDuration(lifetime),
          'max-uses': maxUses,
          issues,
          unsearched,
          sign: fromSigning(sign),
        }
      : {}),
  };
}
