// What `warder add` is asked for of a remote server: the URL, the headers and how it is signed in to, by the options. Nothing
// that may be a secret is repeated.
import { WarderError } from '../../errors.ts';
import type { AuthFile } from '../../profile/auth-schema.ts';
import { urlProblem } from '../../profile/remote-checks.ts';
import { detectSecret } from '../../profile/variable.ts';
import type { Result } from '../../wire/control.ts';
import { type AddArguments, LOCAL_ACCESS } from './options.ts';

/** Options that are for servers on this machine. */
const LOCAL_OPTIONS = [
  ...LOCAL_ACCESS,
  'package',
  'bin',
  'from-npx',
  'from-uvx',
  'python',
  'allow-scripts',
  'without-scripts',
] as const;

/** Options that are for remote servers. */
const REMOTE_OPTIONS = [
  'auth',
  'bearer',
  'header',
  'key-header',
  'client-id',
  'scope',
  'device',
  'allow-private',
  'insecure-loopback',
] as const;

/** The URL that was given, if one was. Throws `usage` for options that do not go with it, or need it. */
export function requestedUrl(args: AddArguments): string | undefined {
  const { name, place, url = place } = args;
  const words = args['--'] ?? [];
  const isGiven = (option: keyof AddArguments): boolean => {
    const value = args[option];
    return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;
  };
  if (url === undefined) {
    const remote = REMOTE_OPTIONS.find(isGiven);
    if (remote !== undefined) {
      throw new WarderError('usage', `"--${remote}" is for a remote server, and there is no URL`, {
        hint: `warder add ${name} https://mcp.example.com/mcp`,
      });
    }
    const wrapped = wrappedUrl([args['from-npx'] ?? '', ...words]);
    if (wrapped === undefined) return undefined;
    throw new WarderError('usage', 'a bridge to a remote server is not needed: Warder connects itself', {
      hint: detectSecret(wrapped) === undefined ? `warder add ${name} ${wrapped}` : `warder add ${name} URL`,
    });
  }
  if (args.url !== undefined && place !== undefined) throw new WarderError('usage', 'give one URL');
  if (!/^[a-z][a-z0-9+.-]*:/i.test(url)) {
    throw new WarderError('usage', 'the second word is no URL', {
      hint: `a command goes after "--": warder add ${name} -- node ./server.js`,
    });
  }
  if (words.length > 0) {
    throw new WarderError('usage', 'give a URL or a command, not both');
  }
  const local = LOCAL_OPTIONS.find(isGiven);
  if (local !== undefined) {
    throw new WarderError('usage', `"--${local}" has no meaning for a remote server`, {
      hint: 'a token is given with --bearer, a header with --header',
    });
  }
  return url;
}

/** The URL that a bridge such as mcp-remote is given. */
function wrappedUrl(words: readonly string[]): string | undefined {
  const all = words.flatMap((word) => word.split(/\s+/));
  return all.some((word) => /^(mcp-remote|supergateway|mcp-proxy)(@|$)/.test(word))
    ? all.find((word) => /^https?:\/\//.test(word))
    : undefined;
}

/** Throws `usage`. A URL that may hold a secret is not repeated. */
export function refuseUrl(url: string, isLoopbackOpen: boolean): void {
  const [problem, hint] = urlProblem(url, isLoopbackOpen) ?? [];
  if (problem === undefined) return;
  const here = problem === 'is on this machine' ? 'say --insecure-loopback if that is meant' : hint;
  throw new WarderError('usage', `the URL ${problem}`, here === undefined ? {} : { hint: here });
}

/** Parses `Name: value` and `Name=value`. Throws `usage`, and does not repeat what may be a secret. */
export function parseHeaders(options: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [index, option] of options.entries()) {
    const [, name, value] = /^([A-Za-z0-9._-]+)\s*[:=]\s*(.*)$/.exec(option) ?? [];
    if (name === undefined || value === undefined)
      throw new WarderError('usage', `--header number ${index + 1} is not "Name: value"`);
    if (name.toLowerCase() === 'authorization') {
      throw new WarderError('usage', 'a token must not be an argument: other programs can see it there', {
        hint: 'say --bearer: it is asked for without echo, or read from stdin. If it was a real one, replace it where it was issued',
      });
    }
    headers[name] = value;
  }
  return headers;
}

/** The auth that the options say; undefined: the server is asked. Throws `usage`. */
export function chosenAuth(args: AddArguments): AuthFile | undefined {
  const { scope, device } = args;
  const type = args.bearer ? 'bearer' : args['key-header'] !== undefined ? 'header' : args.auth;
  if (args.bearer && args['key-header'] !== undefined)
    throw new WarderError('usage', '"--bearer" and "--key-header" exclude each other');
  if (args.auth !== undefined && args.auth !== type)
    throw new WarderError('usage', `"--auth ${args.auth}" is not "${type}", which another option says`);
  const client = {
    ...(args['client-id'] === undefined ? {} : { 'client-id': args['client-id'] }),
    ...(scope.length === 0 ? {} : { scopes: scope }),
  };
  const isOAuth = type === 'oauth' || type === 'client-credentials';
  if (type !== undefined && !isOAuth && Object.keys(client).length > 0)
    throw new WarderError('usage', `"--scope" and "--client-id" have no effect with "auth: {type: ${type}}"`);
  switch (type) {
    case 'none':
      return { type };
    case 'bearer':
      return { type };
    case 'header':
      return { type, header: args['key-header'] ?? 'X-API-Key' };
    case 'client-credentials': {
      const id = args['client-id'];
      if (id === undefined) throw new WarderError('usage', '"--auth client-credentials" needs "--client-id"');
      return { type, ...client, 'client-id': id, 'client-secret': `${args.name}/client-secret` };
    }
    case 'oauth':
      return { type, ...client, ...(device ? { flow: 'device' as const } : {}) };
    case undefined:
      // Scopes, a client and a device are for signing in.
      return Object.keys(client).length > 0 || device
        ? { type: 'oauth', ...client, ...(device ? { flow: 'device' as const } : {}) }
        : undefined;
  }
}

/** The auth for what was found. Throws `usage` where the server asks for something that it does not explain. */
export function authFor(
  { name }: Pick<AddArguments, 'name'>,
  found: Result<'remote.probe'> | undefined,
): AuthFile {
  if (found === undefined || found.needs === 'oauth') return { type: 'oauth' };
  if (found.needs === 'nothing') return { type: 'none' };
  throw new WarderError(
    'usage',
    `${new URL(found.url).host} asks for a token, and does not say where to get one`,
    {
      hint: `if you have one, say --bearer, or --key-header NAME for a header of its own: warder add ${name} ${found.url} --bearer`,
    },
  );
}
