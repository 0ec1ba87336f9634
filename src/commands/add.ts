// warder add: writes a profile. Every default that it chooses is written into the file and printed.

import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import { clock } from '../os/clock.ts';
import { homeFolder } from '../os/home.ts';
import { resolveBin } from '../package/bin.ts';
import { parseNpx, parseUvx } from '../package/readme-line.ts';
import type { ScriptChoice } from '../package/registry.ts';
import { type PackageSpec, parseSpec } from '../package/spec.ts';
import { referencedCredentials } from '../profile/argument-credentials.ts';
import { draftProfile } from '../profile/draft.ts';
import { checkProfileName, type Delivery, expandHome, parseProfile } from '../profile/format.ts';
import { profileExistsError, profilePath, profileStamp, writeProfile } from '../profile/load.ts';
import { setHomeAside } from '../server/kept-home.ts';
import type { Context } from './command.ts';
import { openPackageStore, skipsOthers } from './package/package-store.ts';
import { deliveryLines, planDelivery } from './profile/delivery-options.ts';
import { hostEntry } from './profile/host-entry.ts';
import { namedPaths, pathsToRead } from './profile/named-paths.ts';
import { checkVariableNames, parseEnvOptions, refuseSecrets } from './profile/option-checks.ts';
import { protectedLine } from './profile/planted.ts';
import { findExecutable, previewServer, serverPath } from './profile/preview.ts';
import { refuseRunner } from './profile/runner.ts';

interface AddArguments {
  readonly name: string;
  readonly description: string | undefined;
  readonly credential: string[];
  readonly host: string[];
  readonly deliver: Delivery | undefined;
  readonly env: string[];
  readonly cwd: string | undefined;
  readonly read: string[];
  readonly write: string[];
  readonly 'keep-home': boolean;
  readonly allow: string[];
  readonly deny: string[];
  readonly package: string | undefined;
  readonly bin: string | undefined;
  readonly 'from-npx': string | undefined;
  readonly 'from-uvx': string | undefined;
  readonly python: string | undefined;
  readonly 'allow-scripts': string[];
  readonly 'without-scripts': boolean;
  readonly '--'?: string[];
}

/** An option with one value per occurrence. With an array option, yargs would take the following words as values too. */
const repeatable = (describe: string) =>
  ({
    type: 'string',
    default: [],
    coerce: (value: string | string[]) => [value].flat(),
    describe,
    requiresArg: true,
  }) as const;

export function addCommand(context: Context): CommandModule<object, AddArguments> {
  return {
    command: 'add <name>',
    describe: 'write a profile for a server',
    builder: (yargs) =>
      yargs
        .usage('warder add <name> [options] -- <command> [argument...]')
        .parserConfiguration({ 'populate--': true, 'parse-positional-numbers': false })
        .positional('name', { type: 'string', demandOption: true, describe: 'up to 63 of a-z, 0-9 and "-"' })
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
        .option('env', repeatable('NAME=VALUE, never a secret; can be repeated'))
        .option('cwd', { type: 'string', requiresArg: true, describe: "the server's working folder" })
        .option('read', repeatable('a file or folder that the server may read; can be repeated'))
        .option('write', repeatable('a folder that the server may change; can be repeated'))
        .option('keep-home', {
          type: 'boolean',
          default: false,
          describe: 'keep its own home from session to session: for servers that log in, cache or remember',
        })
        .option('allow', repeatable('a pattern of tool names; can be repeated'))
        .option('deny', repeatable('a pattern of tool names; wins over --allow; can be repeated'))
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
        .example("warder add fetch --from-uvx 'uvx mcp-server-fetch'", 'a server of PyPI, pinned'),
    handler: (args) => add(context, args),
  };
}

async function add(context: Context, args: AddArguments): Promise<void> {
  const { places, terminal, json } = context;
  const { name, allow, deny } = args;
  checkProfileName(name);
  const requested = requestedServer(args);
  const inArguments = referencedCredentials(requested.args);
  const credentials = [...args.credential, ...inArguments.filter((one) => !args.credential.includes(one))];
  const delivery = planDelivery(args.host, args.deliver, credentials.length);
  const env = parseEnvOptions(args.env);
  checkVariableNames([...Object.keys(env), ...credentials]);
  refuseSecrets(
    name,
    env,
    requested.kind === 'command' ? [requested.command, ...requested.args] : requested.args,
  );
  // Its hint repeats the words, which hold no secret.
  if (requested.kind === 'command') refuseRunner(name, [requested.command, ...requested.args]);
  if (profileStamp(places, name) !== undefined) throw profileExistsError(places, name);

  const notes: string[] = [];
  const cwd = workingFolder(
    args.cwd,
    requested.kind === 'command' ? [requested.command, ...requested.args] : ['', ...requested.args],
    args['keep-home'],
    notes,
  );
  const server =
    requested.kind === 'command'
      ? { command: resolveCommand(name, requested.command, cwd, env, notes) }
      : await lockPackage(
          context,
          name,
          requested,
          {
            allow: args['allow-scripts'],
            skipOthers: skipsOthers(args['allow-scripts'], args['without-scripts']),
          },
          notes,
        );
  const draft = {
    description: args.description,
    server,
    args: requested.args,
    cwd,
    env,
    credentials,
    inArguments,
    ...delivery,
    read: args.read.map(listedPath),
    write: args.write.map(listedPath),
    keepHome: args['keep-home'],
    allow,
    deny,
    schema: schemaPath(),
  };
  // An invalid profile is not written.
  const parse = (more: readonly string[]) => {
    const text = draftProfile({ ...draft, read: [...draft.read, ...more] });
    return { text, profile: parseProfile(text, profilePath(places, name), name) };
  };
  const store = openPackageStore(context);
  const named = pathsToRead(
    namedPaths(requested.args, cwd),
    (read) => previewServer(parse(read).profile, places, store).sandbox,
    (path, { message, hint }) => notes.push(`${path} stays out of its sandbox: ${message} (${hint ?? ''})`),
  );
  for (const path of named) {
    notes.push(
      `sandbox.read: ${path}, because the arguments name it; if the server changes it, list its folder under "write"`,
    );
  }
  // Of a profile whose file was removed by hand. It may be another server's.
  const earlier = setHomeAside(places.state, name, clock.now());
  if (earlier !== undefined) notes.push(`the home of an earlier profile "${name}" was put aside: ${earlier}`);
  const file = writeProfile(places, name, parse(named).text);

  const entry = hostEntry(places, name);
  const next = [
    ...draft.credentials.map((variable) => `warder credential set ${name} ${variable}`),
    `warder test ${name}`,
  ];
  if (json) {
    terminal.json({ name, file, ...delivery, notes, next, host: entry });
    return;
  }
  terminal.out(`wrote ${file}`);
  for (const line of deliveryLines(delivery, credentials, inArguments)) terminal.out(`  ${line}`);
  if (draft.write.length > 0) {
    const folders = draft.write.map((path) => expandHome(path, homeFolder(process.env)));
    terminal.out(`  sandbox.write: ${await protectedLine(folders, [])}`);
  }
  terminal.out('  policy: {default: allow}: every tool that matches no pattern may be called');
  for (const note of notes) terminal.out(`  ${note}`);
  terminal.out('\nnext:');
  for (const step of next) terminal.out(`  ${step}`);
  terminal.out("\nin the host's configuration:");
  terminal.out(JSON.stringify({ [name]: entry }, null, 2));
}

/** The server that the options describe. */
type RequestedServer =
  | { readonly kind: 'command'; readonly command: string; readonly args: readonly string[] }
  | {
      readonly kind: 'package';
      readonly spec: PackageSpec;
      readonly bin: string | undefined;
      readonly args: readonly string[];
      readonly python?: string | undefined;
    };

function requestedServer({
  name,
  package: spec,
  bin,
  'from-npx': fromNpx,
  'from-uvx': fromUvx,
  python,
  '--': words = [],
}: AddArguments): RequestedServer {
  if (fromNpx !== undefined) {
    const line = parseNpx(fromNpx);
    return { kind: 'package', ...line, args: [...line.args, ...words] };
  }
  if (fromUvx !== undefined) {
    const line = parseUvx(fromUvx);
    return { kind: 'package', ...line, python: python ?? line.python, args: [...line.args, ...words] };
  }
  if (spec !== undefined) return { kind: 'package', spec: parseSpec(spec), bin, python, args: words };
  const [command, ...args] = words;
  if (command !== undefined) return { kind: 'command', command, args };
  throw new WarderError('usage', "the server's command is missing", {
    hint: `put it after "--": warder add ${name} -- node ./server.js`,
  });
}

/** Locks a package, so that the profile can name its exact version. */
async function lockPackage(
  context: Context,
  profile: string,
  { spec, bin, python }: RequestedServer & { kind: 'package' },
  scripts: ScriptChoice,
  notes: string[],
): Promise<{ package: string; bin: string | undefined }> {
  const store = openPackageStore(context, python);
  const lock = await store.lock({ profile, spec }, scripts);
  // Reports now what a start would report.
  resolveBin(await store.verify({ profile, spec: parseSpec(lock.package) }, false), bin);
  const runtime = 'pypi' in lock ? `Python ${lock.pypi.python.version}` : 'node';
  notes.push(`package: ${lock.package}, installed once; it starts offline, with ${runtime} alone`);
  return { package: lock.package, bin };
}

/** The working folder: the given one, or the current one if the command needs it. */
function workingFolder(
  given: string | undefined,
  words: readonly string[],
  keeps: boolean,
  notes: string[],
): string | undefined {
  const current = process.cwd();
  if (given !== undefined) {
    const cwd = resolve(given);
    if (statSync(cwd, { throwIfNoEntry: false })?.isDirectory() === true) return cwd;
    throw new WarderError('usage', `there is no folder ${cwd}`);
  }
  const [command = '', ...args] = words;
  const relative = (word: string): boolean =>
    word !== '' && !/^([/~-]|[A-Za-z]:)/.test(word) && existsSync(join(current, word));
  // Of `--config=file` only the file is tested.
  const relativeArgument = args.map((word) => word.replace(/^--?[\w-]+=/, '')).find(relative);
  const found = command.includes('/') && !/^([/~]|[A-Za-z]:)/.test(command) ? command : relativeArgument;
  if (found === undefined) {
    notes.push(
      `cwd: a home of its own, not the folder that a host has open; what it writes there is ${keeps ? '' : 'not '}kept ("--cwd" and "--write" name ${keeps ? 'other ' : ''}folders${keeps ? '' : ' that are, "--keep-home" keeps it'})`,
    );
    return undefined;
  }
  notes.push(`cwd: ${current}, where ${found} is`);
  return current;
}

/** A path for the profile: as it was given, or absolute. */
function listedPath(path: string): string {
  return path.startsWith('~/') ? path : resolve(path);
}

/** The command, as an absolute path if only the PATH of this shell finds it. */
function resolveCommand(
  name: string,
  command: string,
  cwd: string | undefined,
  env: Readonly<Record<string, string>>,
  notes: string[],
): string {
  const home = homeFolder(process.env);
  const from = cwd ?? home;
  const path = serverPath(name, env);
  if (typeof findExecutable(name, command, from, path, home) === 'string') return command;
  const found = command.includes('/')
    ? undefined
    : findExecutable(name, command, from, process.env.PATH ?? '', home);
  if (typeof found === 'string') {
    notes.push(`command: ${found}, because the server's PATH does not have ${command}`);
    return found;
  }
  notes.push(`the command ${command} is not found: the server's PATH is ${path}`);
  return command;
}

/** The path of the JSON Schema that ships with Warder, for editors. */
function schemaPath(): string | undefined {
  const path = join(import.meta.dirname, '..', 'profiles', 'schema.json');
  return existsSync(path) ? path : undefined;
}
