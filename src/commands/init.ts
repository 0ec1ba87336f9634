// warder init: chooses where credentials are kept. Nothing is chosen silently: without options it asks, and without a
// terminal it tells which options to use. The daemon does the work, and tests the store with a value before it writes
// the settings.

import { join, resolve } from 'node:path';
import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import { hosts } from '../host/table.ts';
import { homeFolder } from '../os/home.ts';
import { expandHome } from '../profile/format.ts';
import { settingsPath, type VaultKey } from '../profile/settings.ts';
import type { Params, Result } from '../wire/control.ts';
import type { Context } from './command.ts';
import { hostsHere } from './hosts/surroundings.ts';
import { launchCommandPath, launchNotes } from './launch-command.ts';
import { pluralize } from './terminal/plural.ts';

interface InitArguments {
  readonly store: 'keychain' | 'vault' | undefined;
  readonly 'key-file': string | undefined;
  readonly systemd: string | undefined;
  readonly force: boolean;
}

type StoreState = Result<'store.state'>;
type StoreChoice = Params<'store.init'>;

/** Minimum length. A shorter passphrase can be guessed by anybody who has the file. */
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
          describe: "the file with the vault's key; created if it does not exist",
        })
        .option('systemd', {
          type: 'string',
          requiresArg: true,
          describe: "the systemd credential that is the vault's key",
        })
        .option('force', {
          type: 'boolean',
          default: false,
          describe:
            'change the store even if it contains credentials; with the same store, sign the audit log as it is now',
        })
        .example('warder init', 'asks what to use')
        .example('warder init --store vault --key-file ~/.warder-key', 'for a machine without a keychain'),
    handler: (args) => init(context, args),
  };
}

async function init(context: Context, args: InitArguments): Promise<void> {
  const { places, terminal, json } = context;
  const given = choiceFromOptions(args);
  const notes = launchNotes(context, { take: true });
  await using control = await context.control();
  const now = await control.request('store.state', {});
  if (given.store === undefined && now.kind !== null) {
    show(context, now, notes);
    return;
  }
  const choice = await completeChoice(context, given, now);
  const done = await control.request('store.init', { ...choice, ...(args.force && { force: true }) });
  if (json) {
    terminal.json({
      ...done,
      ...(choice.key !== undefined && { key: choice.key }),
      launchCommand: launchCommandPath(context) ?? null,
    });
    return;
  }
  terminal.out(`credentials are kept in ${describe(done.store, choice.key)}; it was tested and works`);
  if (done.made !== undefined) {
    terminal.out(
      `the key file ${done.made} was created: keep a copy elsewhere, because nothing else opens the vault`,
    );
  }
  if (choice.key === 'passphrase') {
    terminal.out('nothing but the passphrase opens it; it is asked for once after each start of the daemon');
  }
  if (done.left > 0) {
    const other = done.store === 'keychain' ? 'vault' : 'keychain';
    terminal.out(
      `${pluralize(done.left, 'credential')} stay in the ${other}, unused: set them again, or write "from: ${other}" in the profiles`,
    );
  }
  terminal.out(`the audit log is signed; its public key is ${done.signer}`);
  terminal.out(`settings: ${done.config}`);
  showLaunch(context, notes);
  terminal.out('');
  terminal.out('next:');
  const here = hostsHere(process.env).map((id) => hosts[id]?.title ?? id);
  if (here.length > 0) {
    terminal.out('  warder import');
    terminal.out(`    shows the servers of ${joined(here)}, and the tokens in their files`);
    terminal.out('or, for a server of your own:');
  }
  terminal.out('  warder add github --credential GITHUB_TOKEN --host api.github.com \\');
  terminal.out('    -- node ./server.js');
  terminal.out('  warder credential set github GITHUB_TOKEN');

  function describe(store: StoreChoice['store'], key: VaultKey | undefined): string {
    return store === 'keychain' ? "the system's keychain" : `a vault in ${places.state}${describeKey(key)}`;
  }
}

/** Names in a sentence, three at most. */
function joined(names: readonly string[]): string {
  const shown = names.length > 3 ? [...names.slice(0, 2), 'others'] : names;
  return shown.length < 2 ? shown.join() : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}`;
}

/** The choice that the options make. Throws `usage` if they contradict each other. */
function choiceFromOptions({ store, 'key-file': file, systemd }: InitArguments): Partial<StoreChoice> {
  if (file !== undefined && systemd !== undefined) {
    throw new WarderError('usage', 'a vault has one key: "--key-file" or "--systemd"', {
      hint: 'use one of them',
    });
  }
  const key =
    file !== undefined ? { file: absolutePath(file) } : systemd !== undefined ? { systemd } : undefined;
  if (key === undefined) return store === undefined ? {} : { store };
  if (store === 'keychain') {
    throw new WarderError('usage', '"--key-file" and "--systemd" are for a vault, not for a keychain', {
      hint: 'use "--store vault", or leave the key out',
    });
  }
  return { store: 'vault', key };
}

/** Completes the choice by asking for what the options do not give. */
async function completeChoice(
  { places, terminal }: Context,
  given: Partial<StoreChoice>,
  now: StoreState,
): Promise<StoreChoice> {
  const store = given.store ?? (await askStore());
  if (store === 'keychain') return { store };
  // An existing vault keeps its kind of key by default.
  const key = given.key ?? (now.kind === 'vault' ? now.key : await askKey());
  if (key !== 'passphrase') return { store, key };
  const exists = now.kind === 'vault' && now.chosen.state !== 'unset';
  return { store, key, passphrase: await askPassphrase(exists) };

  async function askStore(): Promise<StoreChoice['store']> {
    requireTerminal('choose where credentials are kept', 'use "--store keychain" or "--store vault"');
    const { state, detail, hint } = now.keychain;
    const ready = state === 'ready' || state === 'locked';
    terminal.err('Where should credentials be kept?');
    terminal.err(`  1  the system's keychain${ready ? ' (recommended)' : ''}`);
    if (!ready || state === 'locked') {
      terminal.err(`     ${detail ?? (state === 'locked' ? 'it is locked now' : 'it cannot be used')}`);
      if (hint !== undefined) terminal.err(`     ${hint}`);
    }
    terminal.err('  2  an encrypted file of Warder: a vault');
    return (await pick(ready ? 1 : 2)) === 1 ? 'keychain' : 'vault';
  }

  async function askKey(): Promise<VaultKey> {
    requireTerminal('choose how the vault is opened', 'use "--key-file FILE" or "--systemd NAME"');
    terminal.err('What should open the vault?');
    terminal.err('  1  a passphrase, asked for once after each start of the daemon');
    terminal.err('  2  a key file: nothing is asked; who can read both files has all credentials');
    if ((await pick(1)) === 1) return 'passphrase';
    const defaultFile = join(places.config, 'vault.key');
    return { file: absolutePath((await terminal.ask(`key file [${defaultFile}]: `)).trim() || defaultFile) };
  }

  async function pick(defaultAnswer: 1 | 2): Promise<1 | 2> {
    for (;;) {
      const answer = (await terminal.ask(`1 or 2 [${defaultAnswer}]: `)).trim() || String(defaultAnswer);
      if (answer === '1') return 1;
      if (answer === '2') return 2;
      terminal.err('type 1 or 2');
    }
  }

  async function askPassphrase(exists: boolean): Promise<string> {
    requireTerminal(
      "the vault's passphrase can only be typed, and there is no terminal",
      'use "--key-file FILE" or "--systemd NAME"',
    );
    for (;;) {
      const passphrase = await terminal.askSecret("the vault's passphrase: ");
      if (exists) return passphrase;
      if ([...passphrase].length < MIN_PASSPHRASE) {
        terminal.err(
          `a passphrase needs at least ${MIN_PASSPHRASE} characters: several words are easy to remember`,
        );
      } else if ((await terminal.askSecret('once more: ')) !== passphrase) {
        terminal.err('the two passphrases differ: type it again');
      } else return passphrase;
    }
  }

  function requireTerminal(message: string, hint: string): void {
    if (!terminal.interactive) throw new WarderError('usage', message, { hint });
  }
}

/** Says what hosts start. `notes`: what is to be known of it. */
function showLaunch(context: Context, notes: readonly string[]): void {
  const path = launchCommandPath(context);
  if (path !== undefined) context.terminal.out(`hosts start servers with ${path}`);
  for (const note of notes) context.terminal.out(`  ${note}`);
}

/** Shows the current choice. */
function show(context: Context, { kind, chosen, key }: StoreState, notes: readonly string[]): void {
  const { places, terminal, json } = context;
  const config = settingsPath(places);
  if (json) {
    const launchCommand = launchCommandPath(context) ?? null;
    terminal.json({ store: kind, config, ...(kind === 'vault' && { key }), ...chosen, launchCommand });
    return;
  }
  const { state, detail, hint } = chosen;
  terminal.out(
    `credentials are kept in ${kind === 'vault' ? `a vault in ${places.state}${describeKey(key)}` : "the system's keychain"}`,
  );
  terminal.out(`its state: ${state}${detail === undefined ? '' : `: ${detail}`}`);
  if (hint !== undefined) terminal.out(`to fix it: ${hint}`);
  terminal.out(`settings: ${config}`);
  showLaunch(context, notes);
  terminal.out('to keep them elsewhere: "warder init --store keychain" or "warder init --store vault"');
}

function describeKey(key: VaultKey | undefined): string {
  if (key === undefined) return '';
  if (key === 'passphrase') return ', opened by a passphrase';
  if ('file' in key) return `, opened by the key file ${key.file}`;
  return `, opened by the systemd credential "${key.systemd}"`;
}

function absolutePath(path: string): string {
  return resolve(expandHome(path, homeFolder(process.env)));
}
