// What a host's server becomes: a profile, with its secrets taken out, or nothing, with the reason. Pure: nothing is run,
// and nothing that the host fills in is filled in here.
import { type KnownServer, known } from './known.ts';
import { type HostSecret, isReference, secretsOf } from './secrets.ts';
import type { HostServer } from './servers.ts';

/** A server that stays as it is. */
export interface Left {
  readonly kind: 'left';
  readonly why: string;
}

/** A server that becomes a profile. */
export interface Planned {
  readonly kind: 'profile';
  /** The name of the profile, if it is free. */
  readonly name: string;
  /** How it is started: a pinned package from its npx or uvx line, or a command. */
  readonly start: 'npx' | 'uvx' | 'command';
  /** The words of that line, with `${credential:NAME}` in place of secrets. */
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The secrets: variables and their values. */
  readonly credentials: readonly {
    readonly variable: string;
    readonly value: string;
    readonly from: HostSecret;
  }[];
  readonly hosts: readonly string[];
  readonly cwd: string | undefined;
  readonly knows: KnownServer;
}

const MAX_NAME = 63;

/** Plans what becomes of a server. */
export function planServer(server: HostServer): Planned | Left {
  const { kind, env, headers, args } = server;
  if (kind === 'other') return left('it is a part of the host');
  if (kind === 'remote') return left(remoteHint(server));
  const reference = Object.entries({ ...env, ...headers }).find(
    ([, value]) => isReference(value) || /\$\{[^}]+\}/.test(value),
  );
  if (reference !== undefined)
    return left(`the host fills in ${reference[0]}: give it as a credential, with "warder add"`);
  if (args.some((word) => isReference(word) || /\$\{(?:env|input|workspaceFolder|userHome)[:}]/.test(word)))
    return left('the host fills in a part of its arguments');
  const [command, ...rest] = unwrap([server.command, ...args]);
  if (command === undefined) return left('it has no command');
  const program = baseName(command);
  if (/^(?:docker|podman|nerdctl)$/.test(program))
    return left(
      'it is a container: Warder takes its place, with the npx or uvx line, or the program of the server',
    );
  if (
    /^(?:sh|bash|zsh|dash|fish|powershell|pwsh)$/.test(program) &&
    rest.some((word) => /^-\w*c\w*$/i.test(word))
  )
    return left('it is a line of a shell: give the program itself');
  const offset = args.length - rest.length;
  const taken = takeSecrets(server, offset);
  const line = [command, ...taken.args.slice(offset)];
  const start = runnerOf(line);
  const words = start === 'command' ? line : start.words;
  const name = start === 'command' ? undefined : packageName(words);
  if (name === 'mcp-remote') {
    const url = words.find((word) => /^https?:\/\//.test(word)) ?? '';
    return left(remoteHint({ ...server, url }));
  }
  const knows = known[name ?? ''] ?? {};
  return {
    kind: 'profile',
    name: profileName(server.name),
    start: start === 'command' ? 'command' : start.kind,
    words,
    env: taken.env,
    credentials: taken.credentials,
    // A secret in the arguments is the server's to hold.
    hosts: taken.credentials.some(({ from }) => from.where === 'argument') ? [] : (knows.hosts ?? []),
    cwd: server.cwd,
    knows,
  };
}

/** A name for a profile: of a-z, 0-9 and "-". */
export function profileName(name: string): string {
  const plain = name
    .normalize('NFKD')
    .replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, '-')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, MAX_NAME);
  return plain === '' ? 'server' : plain;
}

/** What a person does with a remote server. A URL with a secret is not repeated. */
function remoteHint(server: HostServer): string {
  const secrets = secretsOf({ ...server, args: [], env: {} });
  const url = secrets.some(({ where }) => where === 'url') ? 'URL' : server.url;
  const name = profileName(server.name);
  const token = secrets.some(({ where }) => where === 'header') ? ' --bearer' : '';
  return `it is remote: "warder add ${name} ${url}${token}", then "warder connect ${name} --as ${server.name} --replace"`;
}

function left(why: string): Left {
  return { kind: 'left', why };
}

/** `cmd /c npx …` and `env npx …` are `npx …`. */
function unwrap(words: readonly string[]): readonly string[] {
  const [first = '', second = ''] = words;
  if (/^cmd$/i.test(baseName(first)) && /^\/c$/i.test(second)) return words.slice(2);
  return baseName(first) === 'env' && second !== '' && !second.startsWith('-') && !second.includes('=')
    ? words.slice(1)
    : words;
}

/** What fetches a package at each start, and the line that says which. */
function runnerOf(words: readonly string[]): 'command' | { kind: 'npx' | 'uvx'; words: readonly string[] } {
  const [first = '', second = '', third = ''] = words;
  const program = baseName(first);
  const npx = (skip: number) => ({ kind: 'npx' as const, words: ['npx', ...words.slice(skip)] });
  if (program === 'npx' || program === 'bunx') return npx(1);
  if ((program === 'npm' && (second === 'exec' || second === 'x')) || (program === 'bun' && second === 'x'))
    return npx(2);
  if ((program === 'pnpm' || program === 'yarn') && second === 'dlx') return npx(2);
  if (program === 'uvx') return { kind: 'uvx', words: ['uvx', ...words.slice(1)] };
  if (program === 'uv' && second === 'tool' && third === 'run')
    return { kind: 'uvx', words: ['uvx', ...words.slice(3)] };
  return 'command';
}

/** The package of an npx or uvx line, without its version. */
function packageName(words: readonly string[]): string | undefined {
  const named = words.find((word, index) => index > 0 && !word.startsWith('-'));
  return named?.replace(/(?<=.)@[^/]*$/, '').replace(/(?:\[.*\])?(?:[=<>~!].*)?$/, '');
}

/** The base of a path of any system, without `.exe` and the like. */
function baseName(path: string): string {
  return (path.split(/[/\\]/).at(-1) ?? '').replace(/\.(?:exe|cmd|bat)$/i, '');
}

/** Takes the secrets out of arguments and variables; what stands there instead names them. */
function takeSecrets(
  server: HostServer,
  offset: number,
): Pick<Planned, 'env' | 'credentials'> & { readonly args: readonly string[] } {
  const secrets = secretsOf(server);
  const inEnv = new Map(
    secrets.flatMap((secret) => (secret.where === 'variable' ? [[secret.name, secret] as const] : [])),
  );
  const credentials: { variable: string; value: string; from: HostSecret }[] = [];
  const used = new Set(Object.keys(server.env));
  for (const [variable, from] of inEnv) credentials.push({ variable, value: from.value, from });
  const args = [...server.args];
  for (const secret of secrets) {
    const { argument, value } = secret;
    if (argument === undefined || argument.index < offset) continue;
    const same = credentials.find((one) => one.value === value && one.from.where === 'argument');
    const variable = same?.variable ?? variableFor(secret, used);
    if (same === undefined) credentials.push({ variable, value, from: secret });
    const word = args[argument.index] ?? '';
    args[argument.index] =
      `${word.slice(0, argument.start)}\${credential:${variable}}${word.slice(argument.end)}`;
  }
  const env = Object.entries(server.env).filter(([name]) => !inEnv.has(name));
  return { args, env: Object.fromEntries(env), credentials };
}

/** A variable's name for a secret of the arguments: `--api-key` is `API_KEY`. */
function variableFor({ name, value }: HostSecret, used: Set<string>): string {
  const plain = name
    .replaceAll(/[^A-Za-z0-9]+/g, '_')
    .replaceAll(/^_+|_+$/g, '')
    .toUpperCase();
  const base = /^\d*$/.test(plain)
    ? /^[a-z]+:\/\//i.test(value)
      ? 'URL'
      : `ARGUMENT_${plain || 1}`
    : plain.replace(/^(?=\d)/, '_');
  let variable = base;
  for (let number = 2; used.has(variable); number++) variable = `${base}_${number}`;
  used.add(variable);
  return variable;
}
