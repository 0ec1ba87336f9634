// The command line. `commands/verbs.ts` has the table of verbs. A verb's file is loaded only when the verb is used, so that
// help and simple verbs are fast. Exit codes and the format of errors are defined in `errors.ts`.
import { fileURLToPath } from 'node:url';
import yargs, { type Argv, type FallbackCompletionFunction } from 'yargs';
import manifest from '../package.json' with { type: 'json' };
import type { Context } from './commands/command.ts';
import { repairLaunchCommand } from './commands/launch-command.ts';
import { openTerminal } from './commands/terminal.ts';
import { otherNames, verbNamed, verbs } from './commands/verbs.ts';
import { EXIT, WarderError } from './errors.ts';
import { homeFolder } from './os/home.ts';
import { suggest } from './profile/suggestion.ts';
import { places as placesOf } from './wire/places.ts';

/** The option that the completion script uses: `warder --get-yargs-completions word…`. */
const COMPLETIONS_FLAG = '--get-yargs-completions';
/** The option by which a launch command has a Node recorded that it found: `warder --record-launch-command FILE`. */
const RECORD_FLAG = '--record-launch-command';

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // The reader of the output has closed it, as `head` does.
  if (error.code === 'EPIPE') process.exit();
  throw error;
});
await main(process.argv.slice(2));

async function main(argv: string[]): Promise<void> {
  const terminal = openTerminal(process);
  try {
    if (argv[0] === COMPLETIONS_FLAG) await complete(argv);
    else if (argv[0] === RECORD_FLAG) repairLaunchCommand(contextOf(argv), argv[1]);
    else await run(argv);
  } catch (error) {
    const warderError =
      error instanceof WarderError
        ? error
        : new WarderError('daemon-internal', 'the command failed', {
            hint: 'please report this',
            cause: error,
          });
    terminal.err(`${terminal.paint('red', 'warder: error:')} ${warderError.message}`);
    if (warderError.hint !== undefined)
      terminal.err(`${terminal.paint('yellow', 'warder: hint:')} ${warderError.hint}`);
    if (warderError.code === 'daemon-internal' && error !== warderError && error instanceof Error)
      terminal.err(String(error.stack));
    process.exitCode = warderError.exit;
  }
}

async function run(words: string[]): Promise<void> {
  // "warder help add" means "warder add --help".
  const argv = words[0] === 'help' ? [...words.slice(1), '--help'] : words;
  const { program, context, word } = await buildProgram(argv);
  const mended = repairLaunchCommand(context);
  if (mended !== undefined) context.terminal.err(mended);
  if (argv.length === 0) {
    program.showHelp('error');
    process.exitCode = EXIT.usage;
    return;
  }
  const { help, version } = await program.parseAsync();
  if (word === undefined && help !== true && version !== true) throw usageError('', word);
}

/** Prints the completions of the last word of `argv`, one a line. */
async function complete(argv: string[]): Promise<void> {
  // Otherwise yargs would write for the login shell instead of the shell that asks.
  delete process.env.SHELL;
  delete process.env.ZSH_NAME;
  const words = argv.slice(1);
  // yargs completes after a verb's own name only. The word that is being typed stays.
  if (words.length > 1) words[0] = verbNamed(words[0] ?? '');
  const { program, context, word } = await buildProgram([COMPLETIONS_FLAG, ...words], true);
  const completes = verbs[word ?? '']?.completes;
  const completion: FallbackCompletionFunction = (current, _argv, others, done) => {
    others(async (_error, found) => {
      const { completions } = await import('./commands/completions.ts');
      const all = [...(found ?? []), ...(await completions(context, words, completes))];
      // Options only if the word begins with "-". One of a single letter, which yargs writes with two dashes, is none.
      done(
        all.filter(
          (candidate) =>
            candidate.startsWith(current) &&
            candidate.startsWith('-') === current.startsWith('-') &&
            !/^--.$/.test(candidate),
        ),
      );
    });
  };
  // The command of yargs that prints a script gets an unused name, because `completion` is ours.
  await program.completion('yargs-completion', false, completion).parseAsync();
}

function contextOf(argv: readonly string[]): Context {
  const { env, platform } = process;
  const uid = process.getuid?.() ?? -1;
  const places = placesOf({ platform, env, home: homeFolder(env), uid });
  const script = fileURLToPath(new URL('../bin/warder.js', import.meta.url));
  const json = argv.includes('--json');
  const terminal = openTerminal(process, { silent: json });
  return {
    places,
    terminal,
    json,
    version: manifest.version,
    program: script,
    async control({ start = true } = {}) {
      const [{ connect, daemonCommand }, { openControl }, { tellingOfWaits }] = await Promise.all([
        import('./os/connect.ts'),
        import('./control/client.ts'),
        import('./commands/waiting.ts'),
      ]);
      const daemon = [...daemonCommand(process.execPath, script), '--report'] as const;
      return tellingOfWaits(terminal, async () =>
        openControl(await connect({ places, uid, env, ...(start && { daemon }) }), env),
      );
    },
    async browse(url) {
      return (await import('./commands/browse.ts')).browse(url, places, env);
    },
    exit(code) {
      process.exitCode = code;
    },
  };
}

/** Builds the yargs program for `argv`: it loads the verb in use, and adds only names and summaries of the others. */
async function buildProgram(
  argv: string[],
  completing = false,
): Promise<{ program: Argv; context: Context; word: string | undefined }> {
  const end = argv.indexOf('--');
  const ownWords = end < 0 ? argv : argv.slice(0, end);
  const context = { ...contextOf(ownWords), completing };
  const first = ownWords.find((candidate) => !candidate.startsWith('-'));
  const word = first === undefined ? undefined : verbNamed(first);
  const program = yargs(argv)
    .scriptName('warder')
    .usage(
      'warder <command>\n\nKeeps the keys of MCP servers: a host starts "warder run <profile>" instead of a server.',
    )
    .option('json', { type: 'boolean', describe: 'print one JSON value' })
    .help('help', 'print this help')
    .alias('help', 'h')
    .version('version', 'print the version', manifest.version)
    .alias('version', 'v')
    .example('warder init', 'first of all: where credentials are kept')
    .example('warder import', 'then: the servers of your hosts, and the tokens in their files')
    .example(
      'warder add github --credential GITHUB_TOKEN --host api.github.com -- node ./server.js',
      'a server with a sealed token',
    )
    .example('warder approvals --watch', 'asks you about first uses and calls, as they come')
    .example('warder audit tail', 'the calls to all servers, as they happen')
    .strict(!completing)
    .recommendCommands()
    .locale('en')
    .wrap(Math.min(110, process.stdout.columns ?? 80))
    .exitProcess(false)
    .showHelpOnFail(false)
    .fail((message, error) => {
      // What yargs itself throws has a message for the user, as what it only says.
      const isTheirs = error === undefined || error.name === 'YError';
      if (!completing) throw isTheirs ? usageError(message, word) : error;
    });
  // To complete a word yargs parses those before it, and would run the command that they make up.
  if (completing) program.middleware(() => new Promise<never>(() => {}), true);
  for (const [name, verb] of Object.entries(verbs)) {
    if (name === word) await verb.register(program, context);
    else program.command([name, ...otherNames(verb)], verb.summary);
  }
  return { program, context, word };
}

/** Turns a message of yargs into a `WarderError`. */
function usageError(message: string, word: string | undefined): WarderError {
  if (word !== undefined && !Object.hasOwn(verbs, word)) {
    const suggestion = suggest(word, Object.keys(verbs));
    return new WarderError('usage', `there is no command "${word}"`, {
      hint: suggestion === undefined ? '"warder --help" lists the commands' : `did you mean "${suggestion}"?`,
    });
  }
  const help = word === undefined ? 'warder --help' : `warder ${word} --help`;
  const suggested = /^Did you mean (.+)\?$/.exec(message)?.[1];
  if (suggested !== undefined) {
    return new WarderError('usage', `"${word}" has no such command`, {
      hint: `did you mean "${suggested}"?`,
    });
  }
  const choice = /Argument: (\S+), Given: .*, Choices: (.+)/.exec(message);
  if (choice !== null) {
    return new WarderError('usage', `"${choice[1]}" is not one of its values`, {
      hint: `use one of ${choice[2]}`,
    });
  }
  const option = /^Not enough arguments following: (\S+)/.exec(message)?.[1];
  if (option !== undefined) {
    return new WarderError('usage', `"--${option}" needs a value`, {
      hint: `give it in one word, in quotes if it has spaces; "${help}" shows how it is used`,
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
