// The command line. The table of verbs is `commands/verbs.ts`; a verb's file is loaded only when it is named, so that
// help and the quick verbs stay quick. Exit codes and the form of errors are those of `errors.ts`.
import { homedir } from 'node:os';
import { fileURLToPath } from 'node:url';
import yargs, { type Argv, type FallbackCompletionFunction } from 'yargs';
import manifest from '../package.json' with { type: 'json' };
import type { Context } from './commands/command.ts';
import { openTerminal } from './commands/terminal.ts';
import { verbs } from './commands/verbs.ts';
import { EXIT, WarderError } from './errors.ts';
import { suggest } from './profile/suggestion.ts';
import { places as placesOf } from './wire/places.ts';

/** What the completion script asks: `warder --get-yargs-completions word…`. */
const COMPLETIONS_FLAG = '--get-yargs-completions';

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Whoever read the output has seen enough.
  if (error.code === 'EPIPE') process.exit();
  throw error;
});
await main(process.argv.slice(2));

async function main(argv: string[]): Promise<void> {
  const terminal = openTerminal(process);
  try {
    if (argv[0] === COMPLETIONS_FLAG) await complete(argv);
    else await run(argv);
  } catch (error) {
    const told =
      error instanceof WarderError
        ? error
        : new WarderError('daemon-internal', 'the command failed', {
            hint: 'please report this',
            cause: error,
          });
    terminal.err(`${terminal.paint('red', 'warder: error:')} ${told.message}`);
    if (told.hint !== undefined) terminal.err(`${terminal.paint('yellow', 'warder: hint:')} ${told.hint}`);
    if (told.code === 'daemon-internal' && error !== told && error instanceof Error)
      terminal.err(String(error.stack));
    process.exitCode = told.exit;
  }
}

async function run(said: string[]): Promise<void> {
  // "warder help add" is "warder add --help".
  const argv = said[0] === 'help' ? [...said.slice(1), '--help'] : said;
  const { program, word } = await buildProgram(argv);
  if (argv.length === 0) {
    program.showHelp('error');
    process.exitCode = EXIT.usage;
    return;
  }
  const { help, version } = await program.parseAsync();
  if (word === undefined && help !== true && version !== true) throw usageError('', word);
}

/** Prints what the last word of `argv` may become: one candidate a line. */
async function complete(argv: string[]): Promise<void> {
  // With these yargs would write for the login's shell and not for the one that asks.
  delete process.env.SHELL;
  delete process.env.ZSH_NAME;
  const words = argv.slice(1);
  const { program, context, word } = await buildProgram(argv, true);
  const named = verbs[word ?? '']?.completes;
  const names = async (current: string): Promise<string[]> => {
    if (words.length < 2 || current.startsWith('-') || named === undefined) return [];
    if (named === 'credential')
      return (await import('./profile/credential-names.ts')).credentialNames(context.places);
    const { listProfiles } = await import('./profile/load.ts');
    return listProfiles(context.places).names;
  };
  const completion: FallbackCompletionFunction = (current, _argv, others, done) => {
    others(async (_error, found) => {
      const all = [...(found ?? []), ...(await names(current))];
      // Options only where one was begun.
      done(all.filter((one) => one.startsWith(current) && one.startsWith('-') === current.startsWith('-')));
    });
  };
  // Its own command for the script gets a name that nobody types: ours is `completion`.
  await program.completion('yargs-completion', false, completion).parseAsync();
}

/** The program as far as `argv` needs it: the verb that is named is loaded, of the others only the name. */
async function buildProgram(
  argv: string[],
  completing = false,
): Promise<{ program: Argv; context: Context; word: string | undefined }> {
  const { env, platform } = process;
  const uid = process.getuid?.() ?? -1;
  const places = placesOf({ platform, env, home: env.HOME ?? homedir(), uid });
  const end = argv.indexOf('--');
  const own = end < 0 ? argv : argv.slice(0, end);
  const script = fileURLToPath(new URL('../bin/warder.js', import.meta.url));
  const context: Context = {
    places,
    terminal: openTerminal(process),
    json: own.includes('--json'),
    version: manifest.version,
    program: script,
    async control({ start = true } = {}) {
      const [{ connect, daemonCommand }, { openControl }] = await Promise.all([
        import('./os/connect.ts'),
        import('./control/client.ts'),
      ]);
      const daemon = [...daemonCommand(process.execPath, script), '--report'] as const;
      return openControl(await connect({ places, uid, env, ...(start && { daemon }) }));
    },
    exit(code) {
      process.exitCode = code;
    },
  };
  const word = own.find((one) => !one.startsWith('-'));
  const program = yargs(argv)
    .scriptName('warder')
    .usage(
      'warder <command>\n\nKeeps the keys of MCP servers: a host starts "warder run <profile>" in a server\'s place.',
    )
    .option('json', { type: 'boolean', describe: 'print one JSON value' })
    .help('help', 'print this help')
    .alias('help', 'h')
    .version('version', 'print the version', manifest.version)
    .example(
      'warder add github --credential GITHUB_TOKEN --host api.github.com -- node ./server.js',
      'a server, its token sealed',
    )
    .example('warder credential set github GITHUB_TOKEN', 'its value, asked for without echo')
    .example('warder run github', "what the host's configuration names as the server's command")
    .example('warder audit tail', 'what the servers are asked, as it happens')
    .strict(!completing)
    .recommendCommands()
    .locale('en')
    .wrap(Math.min(110, process.stdout.columns ?? 80))
    .exitProcess(false)
    .showHelpOnFail(false)
    .fail((message, error) => {
      if (!completing) throw error ?? usageError(message, word);
    });
  for (const [name, { summary, register }] of Object.entries(verbs)) {
    if (name === word) await register(program, context);
    else program.command(name, summary);
  }
  return { program, context, word };
}

/** What yargs says, in our form. */
function usageError(message: string, word: string | undefined): WarderError {
  if (word !== undefined && !Object.hasOwn(verbs, word)) {
    const near = suggest(word, Object.keys(verbs));
    return new WarderError('usage', `there is no command "${word}"`, {
      hint: near === undefined ? '"warder --help" lists the commands' : `did you mean "${near}"?`,
    });
  }
  const help = word === undefined ? 'warder --help' : `warder ${word} --help`;
  const meant = /^Did you mean (.+)\?$/.exec(message)?.[1];
  if (meant !== undefined) {
    return new WarderError('usage', `"${word}" has no such command`, { hint: `did you mean "${meant}"?` });
  }
  const choice = /Argument: (\S+), Given: .*, Choices: (.+)/.exec(message);
  if (choice !== null) {
    return new WarderError('usage', `"${choice[1]}" is not one of its values`, {
      hint: `it may be ${choice[2]}`,
    });
  }
  const [line = ''] = message.startsWith('Not enough') ? ['an argument is missing'] : message.split('\n');
  return new WarderError(
    'usage',
    `${line.charAt(0).toLowerCase()}${line.slice(1)}` || 'a command is missing',
    {
      hint: `"${help}" shows how it is used`,
    },
  );
}
