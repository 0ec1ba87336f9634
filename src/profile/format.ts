// The profile format: the YAML files in `config/profiles/`. It is strict: an unknown key, a value of the wrong type, and
// a key that would have no effect beside another are errors, so that nothing that a profile asks for is left out unsaid.
import { WarderError } from '../errors.ts';
import { PROFILE_NAME } from '../wire/hello.ts';
import { authCredentials, type RemoteAuth, toAuth } from './auth.ts';
import { type IssuedTokens, type ProfileCredential, toSource } from './credential.ts';
import { crossCheck } from './cross-checks.ts';
import { type Diagnostic, diagnosticsError, type Path } from './diagnostic.ts';
import { parseYaml } from './document.ts';
import { type ProfileFile, profileFile } from './schema.ts';
import { describeIssue, toDiagnostics } from './schema-errors.ts';
import { toSigning } from './signing.ts';
import { parseDuration, parseSize } from './units.ts';

export type Decision = 'allow' | 'ask' | 'deny';

/** A decision that depends on a call's arguments: `allow` is a JSON Schema for them. */
export interface Condition {
  readonly allow: Readonly<Record<string, unknown>>;
  readonly else: 'ask' | 'deny';
}

/** The policy for requests. Keys are patterns: of names, of URIs, of methods. */
export interface ProfilePolicy {
  readonly default: Decision;
  readonly tools: Readonly<Record<string, Decision | Condition>>;
  readonly resources: Readonly<Record<string, Decision>>;
  readonly prompts: Readonly<Record<string, Decision>>;
  readonly methods: Readonly<Record<string, Decision>>;
}

/**
 * When it starts: `lazy` at the first request that needs it, once it is known what it offers; `warm`, too, but its process is
 * kept ready before; `eager` with its session.
 */
export type ServerStart = 'lazy' | 'eager' | 'warm';

/** The server to start. Paths may begin with `~/`: see `expandHome`. */
export type ProfileServer =
  | {
      readonly kind: 'command';
      readonly command: string;
      readonly args: readonly string[];
      readonly cwd: string | undefined;
      readonly start: ServerStart;
      /** Milliseconds without a use after which it is ended; undefined: not before its session. */
      readonly idle: number | undefined;
    }
  | {
      readonly kind: 'package';
      readonly package: string;
      readonly bin: string | undefined;
      readonly args: readonly string[];
      readonly cwd: string | undefined;
      readonly start: ServerStart;
      /** Milliseconds without a use after which it is ended; undefined: not before its session. */
      readonly idle: number | undefined;
    }
  | RemoteServer;

/** A server that is reached by HTTP (Streamable HTTP, or SSE of an old one). Nothing is started. */
export interface RemoteServer {
  readonly kind: 'url';
  /** As it is written, which is its plain form; a host without a path has no slash at its end. */
  readonly url: string;
  /** Literal headers of each request. */
  readonly headers: Readonly<Record<string, string>>;
  readonly auth: RemoteAuth;
  /** Ranges of private addresses that it and its authorization server may be at. */
  readonly allowPrivate: readonly string[];
  /** Whether they may be on this machine, and without TLS there. */
  readonly insecureLoopback: boolean;
}

/** What the sandbox gives access to. `off` is true only if the file says so. */
export interface ProfileSandbox {
  readonly off: boolean;
  readonly read: readonly string[];
  readonly write: readonly string[];
  /** Names that programs outside obey, and that the server may write all the same. */
  readonly mayPlant: readonly string[];
  /** Whether it may make Unix sockets. Undefined: where no socket of another program can be in its folders. */
  readonly unixSockets: boolean | undefined;
  readonly network: readonly string[];
  /** The server's own home: whether it is kept from session to session, and how many bytes may be in it. */
  readonly home: { readonly kept: boolean; readonly size: number | undefined };
  /** Bytes. */
  readonly memory: number | undefined;
  /** Whether the server may also start where that limit cannot be held for all its processes together. */
  readonly memoryBestEffort: boolean;
  readonly processes: number | undefined;
}

/** A valid profile with its defaults filled in. The credentials of a remote server are those of its `auth`. */
export interface Profile {
  readonly name: string;
  readonly description: string | undefined;
  readonly server: ProfileServer;
  readonly env: Readonly<Record<string, string>>;
  readonly credentials: readonly ProfileCredential[];
  /** `undefined` if the file has no such key. */
  readonly sandbox: ProfileSandbox | undefined;
  readonly policy: ProfilePolicy;
  readonly audit: {
    readonly arguments: 'redacted' | 'digest';
    readonly results: 'digest';
    readonly durability: 'write' | 'fsync';
  };
}

/** Throws `name-invalid` unless `name` is valid for a profile. Call it before any use of the name in a path. */
export function checkProfileName(name: string): void {
  if (PROFILE_NAME.test(name)) return;
  throw new WarderError('name-invalid', `${JSON.stringify(name.slice(0, 80))} cannot name a profile`, {
    hint: 'a name is up to 63 of a-z, 0-9 and "-", and begins with a letter or digit',
  });
}

/**
 * Parses a profile. `file` is for messages only. Throws `name-invalid`, or `profile-invalid` with all diagnostics, one
 * a line, as `file:line:column: key: message`.
 */
export function parseProfile(source: string, file: string, name: string): Profile {
  checkProfileName(name);
  const fail = (diagnostics: readonly Diagnostic[]): WarderError =>
    diagnosticsError('profile-invalid', `profile "${name}" is broken`, file, diagnostics);
  const document = parseYaml(source, isTextPath);
  if (!document.isUsable) throw fail(document.diagnostics);
  const parsed = profileFile.safeParse(document.value ?? {}, { error: describeIssue });
  if (!parsed.success) throw fail([...document.diagnostics, ...toDiagnostics(parsed.error, document)]);
  const diagnostics = [...document.diagnostics, ...crossCheck(parsed.data, document)];
  if (diagnostics.length > 0) throw fail(diagnostics);
  return withDefaults(parsed.data, name);
}

/** Replaces `~` at the beginning of a path by the home folder. Other paths are returned unchanged. */
export function expandHome(path: string, home: string): string {
  return path === '~' ? home : path.startsWith('~/') ? `${home}${path.slice(1)}` : path;
}

/** Whether a path holds text, so that a number there keeps its spelling. */
function isTextPath([first, second, third, fourth, fifth]: Path): boolean {
  if (first === 'env') return second !== undefined && third === undefined;
  if (first === 'server') {
    return (second === 'args' || second === 'headers') && third !== undefined && fourth === undefined;
  }
  if (first === 'auth') return second !== undefined && !['callback-port', 'scopes'].includes(String(second));
  return first === 'credentials' && third === 'from' && fourth === 'command' && fifth !== undefined;
}

/** The short forms for requests of the server, by the methods that they stand for. */
const SERVER_REQUESTS = {
  sampling: 'sampling/createMessage',
  elicitation: 'elicitation/create',
  roots: 'roots/list',
} as const;

function serverRequestRules(policy: NonNullable<ProfileFile['policy']>): Record<string, Decision> {
  const rules: Record<string, Decision> = {};
  for (const [key, method] of Object.entries(SERVER_REQUESTS)) {
    const decision = policy[key as keyof typeof SERVER_REQUESTS];
    if (decision !== undefined) rules[method] = decision;
  }
  return rules;
}

function withDefaults(file: ProfileFile, name: string): Profile {
  const { description, sandbox, policy, audit } = file;
  const server = toServer(file, name);
  return {
    name,
    description,
    server,
    env: file.env ?? {},
    credentials:
      server.kind === 'url'
        ? authCredentials(server.auth)
        : Object.entries(file.credentials ?? {}).map(([variable, credential]) => ({
            variable,
            from: toSource(credential.from),
            name: credential.name ?? `${name}/${variable}`,
            deliver: credential.deliver ?? 'sealed',
            hosts: credential.hosts ?? [],
            as: credential.as,
            paths: credential.paths,
            methods: credential.methods,
            confirm: credential.confirm ?? false,
            lifetime: credential.lifetime === undefined ? undefined : parseDuration(credential.lifetime),
            maxUses: credential['max-uses'],
            issues: toIssues(credential.issues),
            unsearched: credential.unsearched,
            sign: toSigning(credential.sign),
          })),
    sandbox:
      sandbox === undefined
        ? undefined
        : {
            off: sandbox.off ?? false,
            read: sandbox.read ?? [],
            write: sandbox.write ?? [],
            mayPlant: sandbox['may-plant'] ?? [],
            unixSockets: sandbox['unix-sockets'],
            network: sandbox.network ?? [],
            home: toHome(sandbox.home),
            ...toMemory(sandbox.memory),
            processes: sandbox.processes,
          },
    policy: {
      default: policy?.default ?? 'ask',
      tools: policy?.tools ?? {},
      resources: policy?.resources ?? {},
      prompts: policy?.prompts ?? {},
      methods: { ...serverRequestRules(policy ?? {}), ...policy?.methods },
    },
    audit: {
      arguments: audit?.arguments ?? 'redacted',
      results: audit?.results ?? 'digest',
      durability: audit?.durability ?? 'write',
    },
  };
}

function toHome(home: NonNullable<ProfileFile['sandbox']>['home']): ProfileSandbox['home'] {
  if (typeof home !== 'object') return { kept: home === 'kept', size: undefined };
  return { kept: home.kept ?? false, size: home.size === undefined ? undefined : parseSize(home.size) };
}

function toMemory(
  memory: NonNullable<ProfileFile['sandbox']>['memory'],
): Pick<ProfileSandbox, 'memory' | 'memoryBestEffort'> {
  const most = typeof memory === 'object' ? memory.most : memory;
  return {
    memory: most === undefined ? undefined : parseSize(most),
    memoryBestEffort: typeof memory === 'object' && memory['best-effort'] === true,
  };
}

function toServer(file: ProfileFile, name: string): ProfileServer {
  const {
    package: pinned,
    bin,
    command,
    url = '',
    headers = {},
    args = [],
    cwd,
    start = 'lazy',
  } = file.server;
  const idle = file.server.idle === undefined ? undefined : parseDuration(file.server.idle);
  if (pinned !== undefined) return { kind: 'package', package: pinned, bin, args, cwd, start, idle };
  if (command !== undefined) return { kind: 'command', command, args, cwd, start, idle };
  return {
    kind: 'url',
    url,
    headers,
    auth: toAuth(file.auth, name, new URL(url).host),
    allowPrivate: file['allow-private'] ?? [],
    insecureLoopback: file['insecure-loopback'] ?? false,
  };
}

function toIssues(
  issues: NonNullable<ProfileFile['credentials']>[string]['issues'],
): IssuedTokens | undefined {
  if (issues === undefined) return undefined;
  const { path, members = [], as, paths, methods } = issues;
  return { path, members, as, paths, methods };
}

/** What a profile's server may reach: the entries of `sandbox.network`, and the hosts of its sealed credentials. */
export function allowedEgress({ sandbox, credentials }: Pick<Profile, 'sandbox' | 'credentials'>): {
  readonly network: readonly string[];
  readonly sealed: readonly string[];
} {
  const sealed = credentials.flatMap(({ deliver, hosts }) => (deliver === 'sealed' ? hosts : []));
  return { network: sandbox?.network ?? [], sealed: [...new Set(sealed)] };
}
