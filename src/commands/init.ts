// warder init: where credentials are kept. Nothing is chosen silently: what is not said is asked, and where
// nobody can be asked the command says what to say. The daemon does the work, and tries the store with a value
// before it writes the settings.
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import { expandHome } from '../profile/format.ts';
import { settingsPath, type VaultKey } from '../profile/settings.ts';
import type { Params, Result } from '../wire/control.ts';
import type { Context } from './command.ts';
import { pluralize } from './terminal/plural.ts';

interface InitArguments {
  readonly store: 'keychain' | 'vault' | undefined;
  readonly 'key-file': string | undefined;
  readonly systemd: string | undefined;
  readonly force: boolean;
}

type StoreState = Result<'store.state'>;
type StoreChoice = Params<'store.init'>;

/** Shorter ones are guessed by whoever has the file. */
const MIN_PASSPHRASE = 8;

export function initCommand(context: Context): CommandModule<object, InitArguments> {
  return {
    command: 'init',
    describe: 'choose where credentials are kept',
    builder: (yargs) =>
      yargs
        .option('store', {
          choices: ['keychain', 'vault'] as const,
          requiresArg: true,
          describe: "the system's keychain, or an encrypted file",
        })
        .option('key-file', {
          type: 'string',
          requiresArg: true,
          describe: "the vault's key; made where there is none",
        })
        .option('systemd', {
          type: 'string',
          requiresArg: true,
          describe: "the systemd credential that is the vault's key",
        })
        .option('force', {
          type: 'boolean',
          default: false,
          describe: 'leave a store that holds credentials',
        })
        .example('warder init', 'asks')
        .example('warder init --store vault --key-file ~/.warder-key', 'for a machine without a keychain'),
    handler: (args) => init(context, args),
  };
}

async function init(context: Context, args: InitArguments): Promise<void> {
  const { places, terminal, json } = context;
  const said = choiceFromOptions(args);
  await using control = await context.control();
  const now = await control.request('store.state', {});
  if (said.store === undefined && now.kind !== null) {
    show(context, now);
    return;
  }
  const choice = await completeChoice(context, said, now);
  const done = await control.request('store.init', { ...choice, ...(args.force && { force: true }) });
  if (json) {
    terminal.json({ ...done, ...(choice.key !== undefined && { key: choice.key }) });
    return;
  }
  terminal.out(`credentials are kept in ${describe(done.store, choice.key)}; it was tried and works`);
  if (done.made !== undefined) {
    terminal.out(`the key file ${done.made} was made: keep a copy elsewhere, nothing else opens the vault`);
  }
  if (choice.key === 'passphrase') {
    terminal.out('nothing but the passphrase opens it; it is asked for once after each start of the daemon');
  }
  if (done.left > 0) {
    const other = done.store === 'keychain' ? 'vault' : 'keychain';
    terminal.out(
      `${pluralize(done.left, 'credential')} stay in the ${other}, unused: set them again, or say "from: ${other}" in the profiles`,
    );
  }
  terminal.out(`the audit log is signed; its public key is ${done.signer}`);
  terminal.out(`settings: ${done.config}`);
  terminal.out('');
  terminal.out('next:');
  terminal.out('  warder add github --credential GITHUB_TOKEN -- node ./server.js');
  terminal.out('  warder credential set github GITHUB_TOKEN');

  function describe(store: StoreChoice['store'], key: VaultKey | undefined): string {
    return store === 'keychain' ? "the system's keychain" : `a vault in ${places.state}${describeKey(key)}`;
  }
}

/** What the options say. Throws `usage` where they contradict each other. */
function choiceFromOptions({ store, 'key-file': file, systemd }: InitArguments): Partial<StoreChoice> {
  if (file !== undefined && systemd !== undefined) {
    throw new WarderError('usage', 'a vault has one key: "--key-file" or "--systemd"', { hint: 'say one' });
  }
  const key =
    file !== undefined ? { file: absolutePath(file) } : systemd !== undefined ? { systemd } : undefined;
  if (key === undefined) return store === undefined ? {} : { store };
  if (store === 'keychain') {
    throw new WarderError(
      'usage',
      'a keychain has no key of ours: "--key-file" and "--systemd" are a vault\'s',
      {
        hint: 'say "--store vault", or leave the key out',
      },
    );
  }
  return { store: 'vault', key };
}

/** What to send: as said, and asked where it was not. */
async function completeChoice(
  { places, terminal }: Context,
  said: Partial<StoreChoice>,
  now: StoreState,
): Promise<StoreChoice> {
  const store = said.store ?? (await askStore());
  if (store === 'keychain') return { store };
  // A vault that is there keeps the kind of its key where no other is said.
  const key = said.key ?? (now.kind === 'vault' ? now.key : await askKey());
  if (key !== 'passphrase') return { store, key };
  const there = now.kind === 'vault' && now.chosen.state !== 'unset';
  return { store, key, passphrase: await askPassphrase(there) };

  async function askStore(): Promise<StoreChoice['store']> {
    need('where credentials are kept is not said', 'say "--store keychain" or "--store vault"');
    const { state, detail, hint } = now.keychain;
    const ready = state === 'ready' || state === 'locked';
    terminal.err('Where shall credentials be kept?');
    terminal.err(`  1  the system's keychain${ready ? ' (recommended)' : ''}`);
    if (!ready || state === 'locked') {
      terminal.err(`     ${detail ?? (state === 'locked' ? 'it is locked now' : 'it cannot be used')}`);
      if (hint !== undefined) terminal.err(`     ${hint}`);
    }
    terminal.err('  2  an encrypted file of Warder: a vault');
    return (await pick(ready ? 1 : 2)) === 1 ? 'keychain' : 'vault';
  }

  async function askKey(): Promise<VaultKey> {
    need('how the vault is opened is not said', 'say "--key-file FILE" or "--systemd NAME"');
    terminal.err('What shall open the vault?');
    terminal.err('  1  a passphrase, asked for once after each start of the daemon');
    terminal.err('  2  a key file: nobody is asked, and whoever reads both files has all');
    if ((await pick(1)) === 1) return 'passphrase';
    const usual = join(places.config, 'vault.key');
    return { file: absolutePath((await terminal.ask(`key file [${usual}]: `)).trim() || usual) };
  }

  async function pick(usual: 1 | 2): Promise<1 | 2> {
    const answer = (await terminal.ask(`1 or 2 [${usual}]: `)).trim() || String(usual);
    if (answer === '1') return 1;
    if (answer === '2') return 2;
    throw new WarderError('usage', 'that was neither 1 nor 2', { hint: 'run "warder init" again' });
  }

  async function askPassphrase(there: boolean): Promise<string> {
    need(
      "the vault's passphrase can only be typed, and there is no terminal",
      'say "--key-file FILE" or "--systemd NAME"',
    );
    const passphrase = await terminal.askSecret("the vault's passphrase: ");
    if (there) return passphrase;
    if ([...passphrase].length < MIN_PASSPHRASE) {
      throw new WarderError('usage', `a passphrase has at least ${MIN_PASSPHRASE} characters`, {
        hint: 'several words are easier to keep than a short one with signs in it',
      });
    }
    if ((await terminal.askSecret('once more: ')) !== passphrase) {
      throw new WarderError('usage', 'the two passphrases differ', { hint: 'run "warder init" again' });
    }
    return passphrase;
  }

  function need(what: string, hint: string): void {
    if (!terminal.interactive) throw new WarderError('usage', what, { hint });
  }
}

/** What is set already. */
function show({ places, terminal, json }: Context, { kind, chosen, key }: StoreState): void {
  const config = settingsPath(places);
  if (json) {
    terminal.json({ store: kind, config, ...(kind === 'vault' && { key }), ...chosen });
    return;
  }
  const { state, detail, hint } = chosen;
  terminal.out(
    `credentials are kept in ${kind === 'vault' ? `a vault in ${places.state}${describeKey(key)}` : "the system's keychain"}`,
  );
  terminal.out(`its state: ${state}${detail === undefined ? '' : `: ${detail}`}`);
  if (hint !== undefined) terminal.out(`to mend it: ${hint}`);
  terminal.out(`settings: ${config}`);
  terminal.out('to keep them elsewhere: "warder init --store keychain" or "warder init --store vault"');
}

function describeKey(key: VaultKey | undefined): string {
  if (key === undefined) return '';
  if (key === 'passphrase') return ', opened by a passphrase';
  if ('file' in key) return `, opened by the key file ${key.file}`;
  return `, opened by the systemd credential "${key.systemd}"`;
}

function absolutePath(path: string): string {
  return resolve(expandHome(path, homedir()));
}
