// warder add: writes a profile. Everything that it decides for the person is written into the file and said.
import { existsSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import { resolveBin } from '../package/bin.ts';
import { type PackageSpec, parseNpx, parseSpec } from '../package/spec.ts';
import { draftProfile } from '../profile/draft.ts';
import { checkProfileName, type Delivery, parseProfile } from '../profile/format.ts';
import { profileExistsError, profilePath, profileStamp, writeProfile } from '../profile/load.ts';
import type { Context } from './command.ts';
import { openPackageStore } from './package/package-store.ts';
import { deliveryLines, planDelivery } from './profile/delivery-options.ts';
import { hostEntry } from './profile/host-entry.ts';
import { checkVariableNames, parseEnvOptions, refuseSecrets } from './profile/option-checks.ts';
import { findExecutable, serverPath } from './profile/preview.ts';

interface AddArguments {
  readonly name: string;
  readonly description: string | undefined;
  readonly credential: string[];
  readonly host: string[];
  readonly deliver: Delivery | undefined;
  readonly env: string[];
  readonly cwd: string | undefined;
  readonly allow: string[];
  readonly deny: string[];
  readonly package: string | undefined;
  readonly bin: string | undefined;
  readonly 'from-npx': string | undefined;
  readonly 'allow-scripts': string[];
  readonly '--'?: string[];
}

/** One value an occurrence: a list would swallow the words that follow. */
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
        .option('credential', repeatable('a variable whose value Warder keeps; may be repeated'))
        .option(
          'host',
          repeatable(
            'a host that the server may reach, and the credentials may be used for; may be repeated',
          ),
        )
        .option('deliver', {
          choices: ['sealed', 'env', 'file'] as const,
          requiresArg: true,
          describe: 'how the credentials reach the server: sealed where there is a --host, else env',
        })
        .option('env', repeatable('NAME=VALUE, never a secret; may be repeated'))
        .option('cwd', { type: 'string', requiresArg: true, describe: "the server's working folder" })
        .option('allow', repeatable('a pattern of tool names; may be repeated'))
        .option('deny', repeatable('a pattern of tool names; wins over --allow; may be repeated'))
        .option('package', {
          type: 'string',
          requiresArg: true,
          describe: 'npm:NAME@VERSION instead of a command',
        })
        .option('bin', { type: 'string', requiresArg: true, describe: "which of the package's programs" })
        .option('from-npx', {
          type: 'string',
          requiresArg: true,
          describe: 'the line of a README, pinned: "npx -y NAME args"',
          conflicts: ['package', 'bin'],
        })
        .option('allow-scripts', repeatable('a package whose install script may run; may be repeated'))
        .example(
          'warder add github --credential GITHUB_TOKEN --host api.github.com -- node ./server.js',
          'a server with a token that it never gets to see',
        )
        .example(
          'warder add db --credential DATABASE_URI --deliver env --host db.example.com:5432 -- pg-server',
          'no HTTP: the server holds the value',
        )
        .example(
          "warder add notes --deny 'delete_*' --from-npx 'npx -y some-server /notes'",
          'pinned, without some of its tools',
        ),
    handler: (args) => add(context, args),
  };
}

async function add(context: Context, args: AddArguments): Promise<void> {
  const { places, terminal, json } = context;
  const { name, credential: credentials, allow, deny } = args;
  checkProfileName(name);
  const wanted = requestedServer(args);
  const way = planDelivery(args.host, args.deliver, credentials.length);
  const env = parseEnvOptions(args.env);
  checkVariableNames([...Object.keys(env), ...credentials]);
  refuseSecrets(name, env, wanted.kind === 'command' ? [wanted.command, ...wanted.args] : wanted.args);
  if (profileStamp(places, name) !== undefined) throw profileExistsError(places, name);

  const notes: string[] = [];
  const cwd = workingFolder(
    args.cwd,
    wanted.kind === 'command' ? [wanted.command, ...wanted.args] : ['', ...wanted.args],
    notes,
  );
  const server =
    wanted.kind === 'command'
      ? { command: resolveCommand(name, wanted.command, cwd, env, notes) }
      : await lockPackage(context, wanted, args['allow-scripts'], notes);
  const draft = {
    description: args.description,
    server,
    args: wanted.args,
    cwd,
    env,
    credentials: [...new Set(credentials)],
    ...way,
    allow,
    deny,
    schema: schemaPath(),
  };
  const text = draftProfile(draft);
  // Nothing is written that could not be read.
  parseProfile(text, profilePath(places, name), name);
  const file = writeProfile(places, name, text);

  const entry = hostEntry(places, name);
  const missing = draft.credentials.map((variable) => `warder credential set ${name} ${variable}`);
  if (json) {
    terminal.json({ name, file, ...way, notes, next: missing, host: entry });
    return;
  }
  terminal.out(`wrote ${file}`);
  for (const line of deliveryLines(way, draft.credentials)) terminal.out(`  ${line}`);
  terminal.out('  policy: {default: allow}: every tool that no pattern names may be called');
  for (const note of notes) terminal.out(`  ${note}`);
  if (missing.length > 0) terminal.out('\nnext:');
  for (const step of missing) terminal.out(`  ${step}`);
  terminal.out("\nin the host's configuration:");
  terminal.out(JSON.stringify({ [name]: entry }, null, 2));
}

/** What the person wants started. */
type RequestedServer =
  | { readonly kind: 'command'; readonly command: string; readonly args: readonly string[] }
  | {
      readonly kind: 'package';
      readonly spec: PackageSpec;
      readonly bin: string | undefined;
      readonly args: readonly string[];
    };

function requestedServer({
  name,
  package: spec,
  bin,
  'from-npx': fromNpx,
  '--': words = [],
}: AddArguments): RequestedServer {
  if (fromNpx !== undefined) {
    const line = parseNpx(fromNpx);
    return { kind: 'package', ...line, args: [...line.args, ...words] };
  }
  if (spec !== undefined) return { kind: 'package', spec: parseSpec(spec), bin, args: words };
  const [command, ...args] = words;
  if (command !== undefined) return { kind: 'command', command, args };
  throw new WarderError('usage', "the server's command is missing", {
    hint: `put it behind "--": warder add ${name} -- node ./server.js`,
  });
}

/** Locks a package, so that the profile can name its one version. */
async function lockPackage(
  context: Context,
  { spec, bin }: RequestedServer & { kind: 'package' },
  scripts: readonly string[],
  notes: string[],
): Promise<{ package: string; bin: string | undefined }> {
  const store = openPackageStore(context);
  const lock = await store.lock(spec, scripts);
  // Says now what a start would say.
  resolveBin(await store.verify(parseSpec(lock.package), false), bin);
  notes.push(`package: ${lock.package}, installed once; it starts offline, with node alone`);
  return { package: lock.package, bin };
}

/** The working folder: the one that was said, or this one where the command counts on it. */
function workingFolder(
  said: string | undefined,
  words: readonly string[],
  notes: string[],
): string | undefined {
  const here = process.cwd();
  if (said !== undefined) {
    const cwd = resolve(said);
    if (statSync(cwd, { throwIfNoEntry: false })?.isDirectory() === true) return cwd;
    throw new WarderError('usage', `there is no folder ${cwd}`);
  }
  const [command = '', ...args] = words;
  const relative = (word: string): boolean =>
    word !== '' && !/^([/~-]|[A-Za-z]:)/.test(word) && existsSync(join(here, word));
  // Of a `--config=file`, the file.
  const named = args.map((word) => word.replace(/^--?[\w-]+=/, '')).find(relative);
  const found = command.includes('/') && !/^([/~]|[A-Za-z]:)/.test(command) ? command : named;
  if (found === undefined) return undefined;
  notes.push(`cwd: ${here}, where ${found} is`);
  return here;
}

/** The command: absolute where only this shell's PATH finds it. */
function resolveCommand(
  name: string,
  said: string,
  cwd: string | undefined,
  env: Readonly<Record<string, string>>,
  notes: string[],
): string {
  const home = homedir();
  const from = cwd ?? home;
  const path = serverPath(name, env);
  if (typeof findExecutable(name, said, from, path, home) === 'string') return said;
  const own = said.includes('/') ? undefined : findExecutable(name, said, from, process.env.PATH ?? '', home);
  if (typeof own === 'string') {
    notes.push(`command: ${own}: the server's PATH does not have ${said}`);
    return own;
  }
  notes.push(`the command ${said} is not found: the server's PATH is ${path}`);
  return said;
}

/** The JSON Schema that ships with Warder, for editors. */
function schemaPath(): string | undefined {
  const path = join(import.meta.dirname, '..', 'profiles', 'schema.json');
  return existsSync(path) ? path : undefined;
}
