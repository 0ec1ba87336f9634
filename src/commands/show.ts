// warder show: prints a profile with all its defaults.
import type { CommandModule } from 'yargs';
import { escapeUnprintable } from '../audit/printable.ts';
import { formatProfile } from '../profile/draft.ts';
import { loadProfile } from '../profile/load.ts';
import type { Context } from './command.ts';
import { hostEntry } from './profile/host-entry.ts';
import { accountRows, fetchAccounts } from './remote/account.ts';

interface ShowArguments {
  readonly name: string;
}

export function showCommand(context: Context): CommandModule<object, ShowArguments> {
  return {
    command: 'show <name>',
    describe: 'print a profile with its defaults',
    builder: (yargs) =>
      yargs
        .positional('name', { type: 'string', demandOption: true, describe: 'a profile' })
        .example('warder show github', 'the whole profile, including defaults'),
    handler: ({ name }) => show(context, name),
  };
}

async function show(context: Context, name: string): Promise<void> {
  const { places, terminal, json } = context;
  const loaded = loadProfile(places, name);
  const accounts = await fetchAccounts(context, [loaded.profile]);
  const account = accounts.of(name);
  const host = hostEntry(context, name);
  if (json) {
    terminal.json({ ...loaded, host, ...(account !== undefined && { account }) });
    return;
  }
  const { error } = accounts;
  const facts = [
    loaded.file,
    `sha256 ${loaded.digest}`,
    `a host starts it with ${[host.command, ...host.args].join(' ')}`,
    ...(account === undefined ? [] : accountRows(account).map(([label, text]) => `${label} ${text}`)),
    ...(error === undefined ? [] : [`account not known: ${error.message}`]),
  ];
  const comments = facts.map((fact) => `# ${escapeUnprintable(fact)}\n`).join('');
  terminal.text(`${comments}${formatProfile(loaded.profile).trimEnd()}`);
}
