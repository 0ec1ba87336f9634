// The servers of a host's document in one form, whatever the host, and the edits that put Warder in their place.
import type { Document, ServerEdit } from './document.ts';
import type { HostFile, Shape } from './table.ts';
import { type Change, isTable, type Path, type Table, type Value, valueAt } from './text/edit.ts';

/** A server as a host has it. */
export interface HostServer {
  readonly name: string;
  /** Where its entry is in the document. */
  readonly path: Path;
  /** `other`: built into the host, or nothing that this program knows. */
  readonly kind: 'local' | 'remote' | 'other';
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly cwd: string | undefined;
  /** False: the host does not start it. */
  readonly enabled: boolean;
  readonly entry: Table;
}

/** An entry that starts a program: as `HostEntry` of the commands. */
export interface LaunchEntry {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** All servers of a document, in its order. */
export function serversOf(
  { value }: Document,
  { servers, shape }: Pick<HostFile, 'servers' | 'shape'>,
): HostServer[] {
  const isOuter = (path: Path): boolean =>
    servers.some((other) => other.length > path.length && path.every((key, index) => other[index] === key));
  return servers.flatMap((pattern) =>
    expand(value, pattern).flatMap((path) => {
      const found = valueAt(value, path);
      if (shape.named !== undefined && Array.isArray(found))
        return found.flatMap((entry, index) => {
          const name = isTable(entry) ? entry[shape.named ?? ''] : undefined;
          return typeof name === 'string' ? [serverOf(name, [...path, index], entry, shape)] : [];
        });
      if (!isTable(found)) return [];
      return Object.entries(found).flatMap(([name, entry]) => {
        // Where servers stand below one of two places, one is a member of the other.
        const here = [...path, name];
        const isPlace = isOuter(path) && servers.some((other) => other.join('\0') === here.join('\0'));
        return isTable(entry) && !(isPlace && !looksLikeServer(entry, shape))
          ? [serverOf(name, here, entry, shape)]
          : [];
      });
    }),
  );
}

function isPlace(value: Value, shape: Shape): boolean {
  return Array.isArray(value) || (isTable(value) && !looksLikeServer(value, shape));
}

function looksLikeServer(entry: Table, { command, url }: Shape): boolean {
  const own = [command, ...url].map((member) => entry[member]);
  return own.some((one) => typeof one === 'string' || Array.isArray(one));
}

/** The paths that a pattern with `*` stands for. */
function expand(value: Value, pattern: Path): Path[] {
  const at = pattern.indexOf('*');
  if (at < 0) return [pattern];
  const above = valueAt(value, pattern.slice(0, at));
  if (!isTable(above)) return [];
  return Object.keys(above).flatMap((key) =>
    // What is there may be called "*" itself.
    expand(valueAt(above, [key]), pattern.slice(at + 1)).map((rest) => [
      ...pattern.slice(0, at),
      key,
      ...rest,
    ]),
  );
}

function serverOf(name: string, path: Path, entry: Table, shape: Shape): HostServer {
  const nested = isTable(entry[shape.command]) ? (entry[shape.command] as Table) : undefined;
  const words = shape.args === undefined ? texts(entry[shape.command]) : [];
  const command = nested === undefined ? (words[0] ?? text(entry[shape.command])) : text(nested.path);
  const args =
    nested === undefined
      ? shape.args === undefined
        ? words.slice(1)
        : texts(entry[shape.args])
      : texts(nested.args);
  const url = shape.url.map((member) => text(entry[member])).find((one) => one !== '') ?? '';
  const [member, value] = shape.off;
  return {
    name,
    path,
    kind: command !== '' ? 'local' : url !== '' ? 'remote' : 'other',
    command,
    args,
    env: { ...passedOn(entry), ...strings(nested?.env ?? entry[shape.env]) },
    url,
    headers: { ...headersBeside(entry), ...strings(entry[shape.headers]) },
    cwd: text(entry.cwd) || undefined,
    enabled: entry[member] !== value,
    entry,
  };
}

/** Variables that a host passes on from its own environment (Codex), or keeps for the server (Goose). */
function passedOn({ env_vars: passed, env_keys: kept }: Table): Record<string, string> {
  const names = [passed, kept].flatMap((list) => (Array.isArray(list) ? list : []));
  return Object.fromEntries(
    names.flatMap((one) => {
      const name = text(isTable(one) ? one.name : one);
      return name === '' ? [] : [[name, `\${${name}}`] as const];
    }),
  );
}

/** Headers that an entry has in members of its own: a variable with the token (Codex), a key, a table (Continue). */
function headersBeside(entry: Table): Record<string, string> {
  const { bearer_token_env_var: variable, bearer_token: token, env_http_headers: fromEnv } = entry;
  const { requestOptions, requestInit, apiKey } = entry;
  const bearer = text(token) || text(apiKey) || (text(variable) && `\${${text(variable)}}`);
  return {
    ...(isTable(requestOptions) ? strings(requestOptions.headers) : {}),
    ...(isTable(requestInit) ? strings(requestInit.headers) : {}),
    ...Object.fromEntries(
      Object.entries(strings(fromEnv)).map(([name, one]) => [name, `\${${one}}`] as const),
    ),
    ...(bearer === '' ? {} : { Authorization: `Bearer ${bearer}` }),
  };
}

/** Whether a server is started by Warder's launch command; the profile that it names. */
export function profileOf(
  { command, args }: HostServer,
  launchCommands: readonly string[],
): string | undefined {
  const [verb, profile, ...rest] = args;
  if (verb !== 'run' || profile === undefined || rest.length > 0) return undefined;
  return launchCommands.includes(command) ? profile : undefined;
}

/** The edit by which a server that is there is started by another program. Members that this does not name stay. */
export function moveServer(server: HostServer, launch: LaunchEntry, shape: Shape): ServerEdit {
  const { entry, path } = server;
  const changes: Change[] = [];
  const set = (member: string, value: Value): void => {
    if (value !== undefined || Object.hasOwn(entry, member)) changes.push({ path: [member], value });
  };
  const env = launch.env === undefined || Object.keys(launch.env).length === 0 ? undefined : launch.env;
  if (isTable(entry[shape.command])) {
    changes.push({
      path: [shape.command],
      value: { path: launch.command, args: launch.args, ...(env && { env }) },
    });
    return { path, changes };
  }
  if (shape.type !== undefined && Object.hasOwn(entry, 'type') && entry.type !== shape.type)
    set('type', shape.type);
  if (shape.args === undefined) set(shape.command, [launch.command, ...launch.args]);
  else {
    set(shape.command, launch.command);
    set(shape.args, [...launch.args]);
  }
  set(shape.env, env);
  // Last, so that the entry is never empty.
  for (const member of [...shape.url, shape.headers, 'cwd']) set(member, undefined);
  // What else names a secret of the entry that was.
  for (const member of OTHER_SECRETS) set(member, undefined);
  if (server.kind === 'remote') {
    const words = shape.type === undefined ? ['type', ...OF_REMOTE] : OF_REMOTE;
    for (const member of words) set(member, undefined);
  }
  return { path, changes };
}

/** Members by which hosts authenticate to a server, or pass variables on. */
const OTHER_SECRETS = [
  'envFile',
  'env_vars',
  'env_keys',
  'bearer_token',
  'bearer_token_env_var',
  'env_http_headers',
  'oauth',
  'authProviderType',
];

/** Members that only a remote server has. */
const OF_REMOTE = [
  ...[
    'transport',
    'transportType',
    'scopes',
    'oauth_resource',
    'headersHelper',
    'requestOptions',
    'requestInit',
  ],
  ...['apiKey', 'sse_read_timeout'],
];

/** The members of an entry that `moveServer` leaves as they are; those of the host's own form are among them. */
export function keptMembers({ kind, entry }: HostServer): [member: string, value: Value][] {
  const gone = kind === 'remote' ? [...OTHER_SECRETS, ...OF_REMOTE] : OTHER_SECRETS;
  return Object.entries(entry).filter(([member]) => !gone.includes(member));
}

/** The edit that adds a server. */
export function addServer(
  { value }: Document,
  { servers, shape }: Pick<HostFile, 'servers' | 'shape'>,
  name: string,
  launch: LaunchEntry,
): ServerEdit {
  // The newer place, where a file has that already.
  const place =
    servers.findLast((path) => !path.includes('*') && isPlace(valueAt(value, path), shape)) ??
    servers[0] ??
    [];
  return {
    path: entryPath(value, place, shape, name),
    changes: [{ path: [], value: newEntry(shape, name, launch) }],
  };
}

/** A new entry in the form of its host. */
export function newEntry(shape: Shape, name: string, { command, args, env }: LaunchEntry): Table {
  const program =
    shape.args === undefined
      ? { [shape.command]: [command, ...args] }
      : { [shape.command]: command, [shape.args]: [...args] };
  return {
    ...(shape.named === undefined ? {} : { [shape.named]: name }),
    ...shape.added,
    ...(shape.command === 'cmd' ? { name } : {}),
    ...program,
    ...(env === undefined || Object.keys(env).length === 0 ? {} : { [shape.env]: { ...env } }),
  };
}

function entryPath(value: Value, place: Path, { named }: Shape, name: string): Path {
  if (named === undefined) return [...place, name];
  const list = valueAt(value, place);
  return [...place, Array.isArray(list) ? list.length : 0];
}

function text(value: Value): string {
  return typeof value === 'string' ? value : '';
}

function texts(value: Value): string[] {
  return Array.isArray(value) ? value.map((item) => (typeof item === 'string' ? item : String(item))) : [];
}

function strings(value: Value): Record<string, string> {
  if (!isTable(value)) return {};
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, typeof one === 'string' ? one : String(one)]),
  );
}
