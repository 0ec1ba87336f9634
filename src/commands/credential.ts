// warder credential: stores values and never prints them. A value is typed without echo or read from stdin. A value in the
// arguments is refused and not repeated, because other processes can see it there and the shell saves it.
import type { Argv, CommandModule } from 'yargs';
import type { ControlClient, Result } from '../wire/control.ts';
import type { Context } from './command.ts';
import { resolveCredential } from './credential/credential-ref.ts';
import { retryUnlocked, unlockVault } from './credential/unlocking.ts';
import { confirm, requireConfirmer, yesOption } from './terminal/confirmation.ts';
import { pluralize } from './terminal/plural.ts';
import { readSecret } from './terminal/secret-input.ts';

interface RefArguments {
  readonly words: string[];
  readonly name: string | undefined;
  /** The two verbs, and the words after "--". */
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
        // Otherwise a message could repeat a value that begins with "-". Completion is an option that yargs does not know here.
        .parserConfiguration({
          'unknown-options-as-args': context.completing !== true,
          'parse-positional-numbers': false,
        })
        .command<SetArguments>(
          `set ${WORDS}`,
          'store a value: typed, or from stdin',
          setOptions('set'),
          (args) => set(context, 'credential.set', args),
        )
        .command<SetArguments>(
          `rotate ${WORDS}`,
          'replace a value; open sessions use the new one',
          setOptions('rotate'),
          (args) => set(context, 'credential.rotate', args),
        )
        .command('list', 'list the credentials, and those that are missing', {}, () => list(context))
        .command<RemoveArguments>(
          `remove ${WORDS}`,
          'remove a value',
          (remove) => refOptions(remove, 'remove').option('yes', yesOption),
          (args) => remove(context, args),
        )
        .command('unlock', 'unlock the vault: its passphrase is typed, or from stdin', {}, () =>
          unlock(context),
        )
        .example('warder credential set github GITHUB_TOKEN', 'asks for the value without echo')
        .example('pass show github | warder credential set github GITHUB_TOKEN', 'reads the value from stdin')
        .example('warder credential set --multiline --name deploy/key <id_ed25519', 'a file, unchanged')
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
      describe: 'keep all line breaks of stdin, including the last one',
    });
}

async function set(
  context: Context,
  verb: 'credential.set' | 'credential.rotate',
  { words, name, multiline, _: extra }: SetArguments,
): Promise<void> {
  const { terminal, json } = context;
  const { note, ...ref } = resolveCredential(context.places, allWords(words, extra), name);
  if (note !== undefined) terminal.err(`${terminal.paint('yellow', 'warder: note:')} ${note}`);
  const { value, notes } = await readSecret(terminal, ref.name, multiline);
  for (const warning of notes) terminal.err(`${terminal.paint('yellow', 'warder: note:')} ${warning}`);

  await using control = await context.control();
  const stored = await retryUnlocked(context, control, () => control.request(verb, { ...ref, value }));
  const { moved, kept } = stored.sessions;
  // The value is stored, but a server still has the old one.
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
    return doubted.some((doubt) => doubt.name === name) ? 'may have expired: see "warder status"' : '';
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
  if (rows.length === 0) terminal.out('there are no credentials; "warder credential set" stores one');
  else terminal.table(rows, ['NAME', 'STORE', 'VERSION', 'SET', 'USED BY', 'NOTE']);
  if (locked) terminal.err('\nall credentials are locked: "warder unlock"');
}

async function remove(context: Context, { words, name, yes, _: extra }: RemoveArguments): Promise<void> {
  const { terminal, json } = context;
  const { note, ...ref } = resolveCredential(context.places, allWords(words, extra), name);
  const what = `removing "${ref.name}"`;
  // Nothing is opened for a question that cannot be asked.
  if (!yes) requireConfirmer(terminal.interactive, what);
  await using control = await context.control();
  const users = await retryUnlocked(context, control, () => profilesUsing(control, ref.name));
  if (!yes) {
    const used =
      users.length === 0 ? '' : `, which ${users.join(', ')} ${users.length === 1 ? 'uses' : 'use'}`;
    const question = `remove "${ref.name}"${used}? its value is lost`;
    await confirm(terminal, { what, question, otherwise: `"${ref.name}" was not removed` });
  }
  const { store } = await retryUnlocked(context, control, () => control.request('credential.remove', ref));
  if (json) {
    terminal.json({ name: ref.name, store, profiles: users });
    return;
  }
  terminal.out(`removed "${ref.name}" from the ${store}; open sessions keep their value`);
  if (users.length > 0) terminal.out(`still used by: ${users.join(', ')}`);
}

/** The profiles that use a credential, whether or not it has a value. */
async function profilesUsing(control: ControlClient, name: string): Promise<readonly string[]> {
  const { credentials, missing }: Result<'credential.list'> = await control.request('credential.list', {});
  return [
    ...new Set(
      [...credentials, ...missing]
        .filter((credential) => credential.name === name)
        .flatMap(({ profiles }) => profiles),
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

function allWords(words: readonly string[], extra: readonly (string | number)[] = []): string[] {
  return [...words, ...extra.slice(2).map(String)];
}
