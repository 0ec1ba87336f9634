// warder credential: values go in, and never come out. They are typed without echo or come by stdin. A value
// among the arguments is refused and not repeated: other processes have seen it there, and the shell keeps it.
import type { Argv, CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import type { ControlClient, Result } from '../wire/control.ts';
import type { Context } from './command.ts';
import { resolveCredential } from './credential/credential-ref.ts';
import { readPassphrase } from './terminal/passphrase.ts';
import { pluralize } from './terminal/plural.ts';
import { readSecret } from './terminal/secret-input.ts';

interface RefArguments {
  readonly words: string[];
  readonly name: string | undefined;
  /** What stands behind "--", after the two verbs. */
  readonly _?: readonly (string | number)[];
}
interface SetArguments extends RefArguments {
  readonly multiline: boolean;
}
interface RemoveArguments extends RefArguments {
  readonly yes: boolean;
}

const WORDS = '[words..]';

export function credentialCommand(context: Context): CommandModule<object, object> {
  return {
    command: 'credential',
    describe: 'set, rotate, list and remove credentials',
    builder: (yargs) =>
      yargs
        // So that no message repeats a value that begins with "-".
        .parserConfiguration({ 'unknown-options-as-args': true, 'parse-positional-numbers': false })
        .command<SetArguments>(
          `set ${WORDS}`,
          'keep a value: typed, or from stdin',
          setOptions('set'),
          (args) => set(context, 'credential.set', args),
        )
        .command<SetArguments>(
          `rotate ${WORDS}`,
          'replace a value; open sessions go on with the new one',
          setOptions('rotate'),
          (args) => set(context, 'credential.rotate', args),
        )
        .command('list', 'list the credentials, and those that profiles miss', {}, () => list(context))
        .command<RemoveArguments>(
          `remove ${WORDS}`,
          'take a value away',
          (one) =>
            refOptions(one, 'remove').option('yes', {
              alias: 'y',
              type: 'boolean',
              default: false,
              describe: 'do not ask',
            }),
          (args) => remove(context, args),
        )
        .command('unlock', 'open the vault: its passphrase is typed, or from stdin', {}, () =>
          unlock(context),
        )
        .example('warder credential set github GITHUB_TOKEN', 'asks for it without echo')
        .example('pass show github | warder credential set github GITHUB_TOKEN', 'takes it from stdin')
        .example('warder credential set --multiline --name deploy/key <id_ed25519', 'a file, as it is')
        .demandCommand(1),
    handler() {},
  };
}

function refOptions(yargs: Argv, verb: string): Argv<RefArguments> {
  return yargs
    .usage(`warder credential ${verb} <profile> <VARIABLE>\n       warder credential ${verb} --name NAME`)
    .positional('words', { type: 'string', array: true, default: [], describe: 'a profile and its variable' })
    .option('name', { type: 'string', requiresArg: true, describe: 'its name in the store: github/token' });
}

function setOptions(verb: string): (yargs: Argv) => Argv<SetArguments> {
  return (yargs) =>
    refOptions(yargs, verb).option('multiline', {
      type: 'boolean',
      default: false,
      describe: 'take line breaks from stdin as they are, the last one too',
    });
}

async function set(
  context: Context,
  verb: 'credential.set' | 'credential.rotate',
  { words, name, multiline, _: behind }: SetArguments,
): Promise<void> {
  const { terminal, json } = context;
  const { note, ...where } = resolveCredential(context.places, allWords(words, behind), name);
  if (note !== undefined) terminal.err(`${terminal.paint('yellow', 'warder: note:')} ${note}`);
  const { value, notes } = await readSecret(terminal, where.name, multiline);
  for (const one of notes) terminal.err(`${terminal.paint('yellow', 'warder: note:')} ${one}`);

  await using control = await context.control();
  const stored = await retryUnlocked(context, control, () => control.request(verb, { ...where, value }));
  const { moved, kept } = stored.sessions;
  // The value is kept, and some server still has the old one.
  if (kept > 0) context.exit(1);
  if (json) {
    terminal.json(stored);
    return;
  }
  const length = pluralize([...value].length, 'character');
  terminal.out(
    `${stored.replaced ? 'replaced' : 'set'} "${stored.name}" in the ${stored.store}: version ${stored.version}, ${length}`,
  );
  if (moved > 0)
    terminal.out(`${pluralize(moved, 'open session')} ${moved === 1 ? 'goes' : 'go'} on with it`);
  if (kept > 0) {
    terminal.err(
      `${terminal.paint('yellow', 'warder: note:')} ${pluralize(kept, 'open session')} ${kept === 1 ? 'goes' : 'go'} on with the old value: the server did not start with the new one; "warder audit list" and ${context.places.log} say more`,
    );
  }
}

async function list(context: Context): Promise<void> {
  const { terminal, json } = context;
  await using control = await context.control();
  const all = await retryUnlocked(context, control, () => control.request('credential.list', {}));
  const { locked, revoked, doubted } = (await control.request('status', {})).credentials;
  if (json) {
    terminal.json({ ...all, locked, revoked, doubted });
    return;
  }
  const note = (name: string): string => {
    if (revoked.includes(name)) return 'revoked';
    return doubted.some((one) => one.name === name) ? 'may have expired: see "warder status"' : '';
  };
  const rows = [
    ...all.credentials.map(({ name, store, version, updated, bound, problem, profiles }) => [
      name,
      store,
      version || '-',
      updated ?? '-',
      profiles.join(', ') || '-',
      [problem ?? (bound ? '' : 'set by another program'), note(name)]
        .filter((text) => text !== '')
        .join('; '),
    ]),
    ...all.missing.map(({ name, profiles }) => [name, '-', '-', '-', profiles.join(', '), 'missing']),
  ];
  if (rows.length === 0) terminal.out('there are no credentials; "warder credential set" keeps one');
  else terminal.table(rows, ['NAME', 'STORE', 'VERSION', 'SET', 'USED BY', 'NOTE']);
  if (locked) terminal.err('\nall credentials are locked: "warder unlock"');
}

async function remove(context: Context, { words, name, yes, _: behind }: RemoveArguments): Promise<void> {
  const { terminal, json } = context;
  const { note, ...where } = resolveCredential(context.places, allWords(words, behind), name);
  if (!yes && !terminal.interactive) {
    throw new WarderError('usage', `nobody is here to say that "${where.name}" may go`, {
      hint: 'say --yes',
    });
  }
  await using control = await context.control();
  const users = await retryUnlocked(context, control, () => profilesUsing(control, where.name));
  if (!yes) {
    const used =
      users.length === 0 ? '' : `, which ${users.join(', ')} ${users.length === 1 ? 'uses' : 'use'}`;
    if (!(await terminal.confirm(`remove "${where.name}"${used}? its value is lost`))) {
      throw new WarderError('refused', `"${where.name}" stays`);
    }
  }
  const { store } = await retryUnlocked(context, control, () => control.request('credential.remove', where));
  if (json) {
    terminal.json({ name: where.name, store, profiles: users });
    return;
  }
  terminal.out(`removed "${where.name}" from the ${store}; open sessions keep what they have`);
  if (users.length > 0) terminal.out(`still named by: ${users.join(', ')}`);
}

/** The profiles that name a credential, whether it has a value or not. */
async function profilesUsing(control: ControlClient, name: string): Promise<readonly string[]> {
  const { credentials, missing }: Result<'credential.list'> = await control.request('credential.list', {});
  return [
    ...new Set(
      [...credentials, ...missing].filter((one) => one.name === name).flatMap((one) => one.profiles),
    ),
  ];
}

async function unlock(context: Context): Promise<void> {
  const { terminal, json } = context;
  await using control = await context.control();
  await unlockVault(context, control);
  if (json) terminal.json({ unlocked: true });
  else terminal.out('the vault is open until the daemon ends');
}

/** Does `work`; where the vault is locked and a person is there, asks for the passphrase and does it again. */
async function retryUnlocked<T>(
  context: Context,
  control: ControlClient,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const locked = error instanceof WarderError && error.code === 'vault-locked';
    if (!locked || !context.terminal.interactive) throw error;
  }
  await unlockVault(context, control);
  return work();
}

async function unlockVault({ terminal }: Context, control: ControlClient): Promise<void> {
  const passphrase = await readPassphrase(terminal, "the vault's passphrase: ");
  await control.request('vault.unlock', { passphrase });
}

function allWords(words: readonly string[], behind: readonly (string | number)[] = []): string[] {
  return [...words, ...behind.slice(2).map(String)];
}
