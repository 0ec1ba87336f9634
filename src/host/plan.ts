// What a host's server becomes: a profile, with its secrets taken out, or nothing, with the reason. Pure: nothing is run,
// and nothing that the host fills in is filled in here.
import { withoutReferences } from '../profile/argument-credentials.ts';
import { detectSecret } from '../profile/variable.ts';
import { knownHosts, knownServer } from './known.ts';
import { baseName, packageRunner } from './package-runner.ts';
import { sealInside } from './plan/seal-inside.ts';
import { takeSecrets } from './plan/secret-removal.ts';
import { planRemote } from './plan-remote.ts';
import { type Left, left, type Origin, type Planned, type PlannedLocal, profileName } from './planned.ts';
import { isSecretText, MAX_LOOKED_AT, textsIn } from './secrets.ts';
import { type HostServer, keptMembers } from './servers.ts';

const UNKNOWN: Origin = { scope: 'user', inputs: new Map() };

/** Characters of the name of a server or a variable. */
const MAX_NAME_LENGTH = 1024;
const UNTAKEN = 'it has a secret in a place from which none can be taken';

/**
 * Plans what becomes of a server. `sealedFor`: the hosts for which a person has its secrets sealed, none if they are not; undefined:
 * those that are known.
 */
export function planServer(
  server: HostServer,
  origin: Origin = UNKNOWN,
  sealedFor?: readonly string[],
): Planned | Left {
  if (server.kind === 'other') return left('it is a part of the host');
  if (tooLong(server)) return left('a name, a header or a word of it is too long to be looked at');
  if (detectSecret(server.name) !== undefined)
    return left('its name looks like a secret: rename it in the host');
  const stays = secretLeftIn(server);
  if (stays !== undefined)
    return left(`"${stays}" of its entry has a secret, for which a profile has no place: take it out first`);
  const plan = server.kind === 'remote' ? planRemote(server, origin) : planLocal(server, origin, sealedFor);
  if (plan.kind === 'left' && detectSecret(plan.why) !== undefined) return left(UNTAKEN);
  if (plan.kind === 'left' || plan.wanted.length === 0 || origin.scope === 'user') return plan;
  return left(
    `the host fills in ${plan.wanted[0]?.reference.name}, and a project's file does not say what of yours goes to a server: add it with "warder add"`,
  );
}

/** A member of an entry that Warder leaves as it is, and that has a secret; undefined if none has. */
function secretLeftIn(server: HostServer): string | undefined {
  const { command, args, env, url, headers, cwd } = server;
  const taken = new Set([command, ...args, url, cwd, ...Object.values(env), ...Object.values(headers)]);
  return keptMembers(server).find(([member, value]) =>
    textsIn(value, member).some(([name, text]) => !taken.has(text) && isSecretText(name, text)),
  )?.[0];
}

/** What is shown and searched has a bound; values of variables have none, because a long one is taken for a secret. */
function tooLong({ name, command, args, env, url, headers, cwd = '' }: HostServer): boolean {
  const shown = [command, ...args, url, cwd, ...Object.entries(headers).flat()];
  const names = [name, ...Object.keys(env)];
  return (
    shown.some((word) => word.length > MAX_LOOKED_AT) || names.some((word) => word.length > MAX_NAME_LENGTH)
  );
}

function planLocal(
  server: HostServer,
  origin: Origin,
  sealedFor: readonly string[] | undefined,
): Planned | Left {
  const { args } = server;
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
  if (typeof server.entry.envFile === 'string')
    return left(
      'it has its variables from a file ("envFile"), which stays in clear: write them into its entry, or use "warder add"',
    );
  const offset = args.length - rest.length;
  const line = packageRunner([command, ...rest]);
  const name = line && packageName(line.words);
  if (name === 'mcp-remote' && line !== undefined) return planRemote(server, origin, line.words);
  if (/^(?:supergateway|mcp-proxy)$/.test(name ?? program) && rest.some((word) => /^https?:/.test(word)))
    return left('it is a bridge to a remote server, which Warder speaks itself: "warder add NAME URL"');
  const base = server.cwd ?? (relativePart(server) === undefined ? undefined : projectOf(server));
  const relative = base === undefined ? relativePart(server) : isAbsolute(base) ? undefined : base;
  if (relative !== undefined && origin.scope === 'user')
    return left(
      `"${relative}" is a relative path, and the folder in which it begins is not known: give the entry a "cwd"`,
    );
  const taken = takeSecrets(server, offset, origin.inputs);
  if (taken.problem !== undefined) return left(taken.problem);
  const own = [command, ...taken.args.slice(offset)];
  const start = packageRunner(own);
  const words = start?.words ?? own;
  // What is shown, and written into the profile.
  const open = [
    ...words.map(withoutReferences),
    base ?? '',
    ...Object.entries(taken.env).flat(),
    ...taken.credentials.map(({ variable }) => variable),
    ...taken.wanted.flatMap(({ reference, into }) => [reference.text, 'name' in into ? into.name : '']),
  ];
  if (open.some((text) => detectSecret(text) !== undefined)) return left(UNTAKEN);
  const knows = knownServer(start?.kind === 'uvx' ? 'pypi' : 'npm', name ?? '');
  const plan: PlannedLocal = {
    kind: 'profile',
    name: profileName(server.name),
    start: start?.kind ?? 'command',
    words,
    env: taken.env,
    credentials: taken.credentials,
    wanted: taken.wanted,
    hosts: knownHosts(knows, taken.env),
    cwd: base,
    knows,
  };
  return sealInside(plan, sealedFor);
}

/** The folder of the project for which Claude Code keeps a server among the user's settings. */
function projectOf({ path }: HostServer): string | undefined {
  const [first, folder] = path;
  return first === 'projects' && typeof folder === 'string' ? folder : undefined;
}

/** A word of a server that means a file in the folder where it is started: its program, its script, `.` and `./…`. */
function relativePart({ command, args }: HostServer): string | undefined {
  const words = unwrap([command, ...args]);
  const [first = '', ...rest] = words;
  const isRelative = (word: string): boolean => word !== '' && !isAbsolute(word) && !word.startsWith('~');
  if (/[/\\]/.test(first) && isRelative(first)) return first;
  const isInterpreter = /^(?:node|nodejs|deno|bun|tsx|ts-node|python[\d.]*|ruby|php|perl|java|uv)$/.test(
    baseName(first),
  );
  const script = rest.find((word) => /^[^-].*\.(?:[cm]?[jt]sx?|py|rb|php|pl|jar)$/.test(word));
  if (isInterpreter && script !== undefined && isRelative(script) && !rest.includes('--directory'))
    return script;
  return rest.find((word) => /^(?:--?[\w-]+=)?\.{1,2}(?:[/\\]|$)/.test(word));
}

function isAbsolute(path: string): boolean {
  return /^(?:[/~\\]|[A-Za-z]:[/\\])/.test(path);
}

/** `cmd /c npx …` and `env npx …` are `npx …`. */
function unwrap(words: readonly string[]): readonly string[] {
  const [first = '', second = ''] = words;
  if (/^cmd$/i.test(baseName(first)) && /^\/c$/i.test(second)) return words.slice(2);
  return baseName(first) === 'env' && second !== '' && !second.startsWith('-') && !second.includes('=')
    ? words.slice(1)
    : words;
}

/** Options of npx and uvx that name the package, where the first word is a program of it. */
const PACKAGE_OPTION = /^(?:--package|-p|--from)(?:=(.*))?$/s;

/** The package of an npx or uvx line, without its version. */
function packageName(words: readonly string[]): string | undefined {
  const first = words.findIndex((word, index) => index > 0 && !word.startsWith('-'));
  const at = words.findIndex((word) => PACKAGE_OPTION.test(word));
  const isNamed = at > 0 && (first < 0 || at < first);
  const named = isNamed ? (PACKAGE_OPTION.exec(words[at] ?? '')?.[1] ?? words[at + 1]) : words[first];
  return named?.replace(/(?<=.)@[^/]*$/, '').replace(/(?:\[.*\])?(?:[=<>~!].*)?$/, '');
}
