// The options of `warder add`.
import type { Argv } from 'yargs';
import type { BundleSource } from '../../package/bundle.ts';
import type { Delivery } from '../../profile/credential.ts';
import { detectSecret } from '../../profile/variable.ts';
import { yesOption } from '../terminal/confirmation.ts';
import { repeatable } from '../terminal/repeatable-option.ts';
import type { SecretForms } from './first-values.ts';

/** The options of `warder add`. */
export interface AddArguments {
  readonly name: string;
  /** The URL of a remote server, as a word or an option. */
  readonly place: string | undefined;
  readonly url: string | undefined;
  readonly auth: 'oauth' | 'none' | 'bearer' | 'header' | 'client-credentials' | undefined;
  readonly bearer: boolean;
  readonly header: string[];
  readonly 'key-header': string | undefined;
  readonly 'client-id': string | undefined;
  readonly scope: string[];
  readonly device: boolean;
  readonly 'allow-private': string[];
  readonly 'insecure-loopback': boolean;
  readonly description: string | undefined;
  readonly credential: string[];
  readonly host: string[];
  readonly deliver: Delivery | undefined;
  readonly env: string[];
  readonly cwd: string | undefined;
  readonly read: string[];
  readonly write: string[];
  /** Where sealed credentials are carried. */
  readonly as?: string | undefined;
  readonly home?: 'kept' | undefined;
  readonly allow: string[];
  readonly ask: string[];
  readonly deny: string[];
  readonly test: boolean | undefined;
  readonly package: string | undefined;
  readonly bin: string | undefined;
  readonly 'from-npx': string | undefined;
  readonly 'from-uvx': string | undefined;
  readonly python: string | undefined;
  readonly 'allow-scripts': string[];
  readonly 'without-scripts': boolean;
  /** A file that describes the server, or `-`: stdin. */
  readonly from?: string | undefined;
  /** `KEY=VALUE` for what a bundle asks for. */
  readonly 'user-config'?: string[];
  /** The bundle that `from` names, once it was read. */
  readonly bundle?: BundleSource;
  /** No option: whether what the arguments name may be read without a question, because the person has seen it. */
  readonly 'reads-named'?: (path: string) => boolean;
  /** No option: what the values of some secrets have to be, by their variables. */
  readonly 'secret-forms'?: SecretForms;
  /** What is stored under the names of its credentials, of an earlier profile, may go to the new server. */
  readonly 'use-stored'?: boolean | undefined;
  /** What it describes need not be confirmed. */
  readonly yes?: boolean;
  readonly '--'?: string[];
}

/** Whether the server's credentials are going to be sealed: see `planDelivery`. */
export function isSealed({ deliver, host }: AddArguments): boolean {
  return deliver === undefined ? host.length > 0 : deliver === 'sealed';
}

/** What a server on this machine gets, whatever starts it. */
export const LOCAL_ACCESS = [
  'credential',
  'host',
  'deliver',
  'as',
  'env',
  'cwd',
  'read',
  'write',
  'home',
] as const;

/** Options that may be given beside a command or a package. */
const BESIDE = ['description', ...LOCAL_ACCESS, 'allow', 'ask', 'deny', 'test'] as const;

/** The options that were given beside the server, as words. What may be a secret is not among them. */
export function givenOptions(args: AddArguments): string[] {
  return BESIDE.flatMap((option) => {
    const value = args[option];
    if (typeof value === 'boolean') return value ? [`--${option}`] : option === 'test' ? ['--no-test'] : [];
    return [value ?? []]
      .flat()
      .flatMap((one) => (detectSecret(one) === undefined ? [`--${option}`, one] : []));
  });
}

export function addOptions(yargs: Argv): Argv<AddArguments> {
  return yargs
    .usage('warder add <name> [options] -- <command> [argument...]\n       warder add <name> <url> [options]')
    .parserConfiguration({ 'populate--': true, 'parse-positional-numbers': false })
    .positional('name', { type: 'string', demandOption: true, describe: 'up to 63 of a-z, 0-9 and "-"' })
    .positional('place', { type: 'string', describe: 'the URL of a remote server' })
    .option('url', { type: 'string', requiresArg: true, describe: 'the same' })
    .option('auth', {
      choices: ['oauth', 'none', 'bearer', 'header', 'client-credentials'] as const,
      requiresArg: true,
      describe:
        'how a remote server is signed in to; without it the server is asked. "enterprise", "token-exchange" and "jwt-bearer" are written into the profile by hand',
    })
    .option('bearer', {
      type: 'boolean',
      default: false,
      describe:
        'a remote server takes a token that you have: it is asked for without echo, or read from stdin',
    })
    .option('key-header', {
      type: 'string',
      requiresArg: true,
      describe: 'a remote server takes a key in this header; it is asked for likewise',
    })
    .option('header', repeatable('"Name: value" for a remote server, never a secret; can be repeated'))
    .option('client-id', {
      type: 'string',
      requiresArg: true,
      describe: 'a client that you have registered at the authorization server',
    })
    .option('scope', repeatable('a scope to ask for; can be repeated'))
    .option('device', {
      type: 'boolean',
      default: false,
      describe: 'sign in on another machine, with a code',
    })
    .option(
      'allow-private',
      repeatable('private addresses that a remote server may be at: 10.0.0.0/8; can be repeated'),
    )
    .option('insecure-loopback', {
      type: 'boolean',
      default: false,
      describe: 'the remote server is on this machine, also without TLS',
    })
    .option('description', { type: 'string', requiresArg: true, describe: 'what the server is for' })
    .option('credential', repeatable('a variable whose value Warder keeps; can be repeated'))
    .option(
      'host',
      repeatable('a host that the server may reach and the credentials may be used for; can be repeated'),
    )
    .option('deliver', {
      choices: ['sealed', 'env', 'file', 'arg'] as const,
      requiresArg: true,
      describe: `how the credentials reach the server; by default sealed with a --host, and without one env, or arg if an argument contains \${credential:NAME}`,
    })
    .option('as', {
      choices: ['bearer', 'basic', 'header', 'query', 'path', 'body', 'any'] as const,
      requiresArg: true,
      describe: 'where in a request a sealed credential is carried; by default any header',
    })
    .option(
      'env',
      repeatable(
        `NAME=VALUE, never a secret; \${credential:NAME} in it stands for a sealed credential; can be repeated`,
      ),
    )
    .option('cwd', { type: 'string', requiresArg: true, describe: "the server's working folder" })
    .option('read', repeatable('a file or folder that the server may read; can be repeated'))
    .option('write', repeatable('a folder that the server may change; can be repeated'))
    .option('home', {
      choices: ['kept'] as const,
      requiresArg: true,
      describe: 'keep its own home from session to session: for servers that log in, cache or remember',
    })
    .option(
      'allow',
      repeatable('tools that may be called without asking: a name or pattern; can be repeated'),
    )
    .option('ask', repeatable('tools that are asked about, as all that are not named; wins over --allow'))
    .option('deny', repeatable('tools that are never called; wins over --ask and --allow; can be repeated'))
    .option('test', {
      type: 'boolean',
      describe: 'start the server once and offer its tools; by default in a terminal',
    })
    .option('package', {
      type: 'string',
      requiresArg: true,
      describe: 'npm:NAME@VERSION or pypi:NAME==VERSION instead of a command',
    })
    .option('bin', { type: 'string', requiresArg: true, describe: "which of the package's programs" })
    .option('from-npx', {
      type: 'string',
      requiresArg: true,
      describe: 'the npx line of a README, to be pinned: "npx -y NAME args"',
      conflicts: ['package', 'bin'],
    })
    .option('from-uvx', {
      type: 'string',
      requiresArg: true,
      describe: 'the uvx line of a README, to be pinned: "uvx NAME args"',
      conflicts: ['package', 'bin', 'from-npx'],
    })
    .option('from', {
      type: 'string',
      requiresArg: true,
      describe:
        'a bundle (.mcpb, .dxt), a server.json of the registry, or a file with the JSON that a README has for hosts; "-" is stdin',
      conflicts: ['package', 'bin', 'from-npx', 'from-uvx', 'url', 'place'],
    })
    .option(
      'user-config',
      repeatable('KEY=VALUE for what the manifest of a bundle asks for, never a secret; can be repeated'),
    )
    .option('yes', { ...yesOption, describe: 'do not ask whether what --from describes is meant' })
    .option('use-stored', {
      type: 'boolean',
      describe:
        'the new server may get what is stored for an earlier profile of this name; without it you are asked',
    })
    .option('python', {
      type: 'string',
      requiresArg: true,
      describe: 'the Python for a package of PyPI: a version, a name or a path',
    })
    .option('allow-scripts', {
      type: 'string',
      array: true,
      default: [],
      describe: 'packages whose install scripts run, in a sandbox without a network',
    })
    .option('without-scripts', {
      type: 'boolean',
      default: false,
      describe: 'install a package without the scripts of all others',
    })
    .example(
      'warder add github --credential GITHUB_TOKEN --host api.github.com -- node ./server.js',
      'a server with a token that it never sees',
    )
    .example(
      'warder add db --credential DATABASE_URI --deliver env --host db.example.com:5432 -- pg-server',
      'not HTTP, so the server gets the value',
    )
    .example(
      `warder add pg --host db.example.com:5432 --deliver arg -- pg-server '\${credential:DATABASE_URL}'`,
      'a server that takes a URL with a password as an argument',
    )
    .example(
      "warder add notes --deny 'delete_*' --from-npx 'npx -y some-server /notes'",
      'pinned, without some of its tools',
    )
    .example("warder add fetch --from-uvx 'uvx mcp-server-fetch'", 'a server of PyPI, pinned')
    .example(
      'warder add weather --from server.json',
      'as the registry describes it, shown before it is written',
    )
    .example('warder add files --from files.mcpb', 'a bundle; what it asks for is asked at the terminal')
    .example('warder add notion https://mcp.notion.com/mcp', 'a remote server; you sign in in a browser')
    .example('warder add github https://api.githubcopilot.com/mcp/ --bearer', 'with a token that you have');
}
