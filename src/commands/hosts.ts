// warder hosts: which hosts are on this machine, which of their servers go through Warder, and what is wrong.
import type { CommandModule } from 'yargs';
import { escapeUnprintable } from '../audit/printable.ts';
import type { Context } from './command.ts';
import { copiesInClear } from './hosts/copies.ts';
import { exportManaged, MANAGED } from './hosts/export.ts';
import { lookAtHosts, type ShownFile } from './hosts/look.ts';
import { surroundingsOf } from './hosts/surroundings.ts';
import { pluralize } from './terminal/plural.ts';

export function hostsCommand(context: Context): CommandModule<object, object> {
  return {
    command: 'hosts',
    describe: 'show the hosts on this machine and their servers',
    builder: (yargs) =>
      yargs
        .command(
          'export [profiles..]',
          'print what makes a host start only servers behind Warder',
          (sub) =>
            sub
              .positional('profiles', { type: 'string', array: true, describe: 'profiles; by default all' })
              .option('managed', {
                choices: MANAGED,
                demandOption: true,
                requiresArg: true,
                describe: 'the host whose managed settings these are',
              }),
          ({ managed, profiles }) => exportManaged(context, managed, profiles ?? []),
        )
        .example('warder hosts', 'secrets are shown by name only')
        .example('warder hosts export --managed claude-code', 'the exact commands that it allows'),
    handler: () => showHosts(context),
  };
}

async function showHosts(context: Context): Promise<void> {
  const { terminal, json } = context;
  const files = await lookAtHosts(context);
  const copies = copiesInClear(surroundingsOf(process.env));
  if (json) {
    const copiesOf = (id: string) =>
      copies.filter(({ host }) => host === id).map(({ path, secrets }) => ({ path, secrets }));
    terminal.json(
      files.map((file) => ({ ...file, copies: file.scope === 'user' ? copiesOf(file.host) : [] })),
    );
    return;
  }
  if (files.length === 0) terminal.out('no host that Warder knows has a file here');
  for (const file of files) showFile(context, file);
  for (const { title, path, secrets } of copies) {
    terminal.out(`${terminal.paint('bold', title)}  ${escapeUnprintable(path)} (a copy that it keeps)`);
    terminal.out(
      `  in clear: ${escapeUnprintable(secrets.join(', '))}; the host does not need it: remove it`,
    );
  }
  const open = files.flatMap(({ servers }) => servers).filter(({ secrets }) => secrets.length > 0);
  if (open.length > 0) {
    terminal.out(
      `\n${pluralize(open.length, 'server')} ${open.length === 1 ? 'has' : 'have'} secrets in clear: "warder import" shows what would become of them`,
    );
  }
}

function showFile({ terminal }: Context, { title, path, scope, servers, problem, dropped }: ShownFile): void {
  terminal.out(
    `${terminal.paint('bold', title)}  ${escapeUnprintable(path)}${scope === 'project' ? ' (project)' : ''}`,
  );
  if (problem !== undefined)
    terminal.out(`  ${terminal.paint('yellow', 'problem')}  ${escapeUnprintable(problem)}`);
  for (const { name, path: at, profile, secrets, kind, enabled, problem: wrong } of servers) {
    const how =
      profile !== undefined
        ? `${terminal.paint('green', 'Warder')}: ${escapeUnprintable(profile)}`
        : kind === 'other'
          ? 'part of the host'
          : `not through Warder${kind === 'remote' ? ', remote' : ''}`;
    const notes = [
      ...(at[0] === 'projects' ? [`in ${String(at[1])}`] : []),
      ...(enabled ? [] : ['switched off']),
      ...(secrets.length > 0 ? [`in clear: ${secrets.join(', ')}`] : []),
      ...(wrong === undefined ? [] : [wrong]),
    ];
    terminal.out(
      `  ${[escapeUnprintable(name), how, ...notes.map((note) => escapeUnprintable(note))].join('; ')}`,
    );
  }
  for (const name of dropped)
    terminal.out(
      `  ${escapeUnprintable(name)}; written by Warder, and gone: the host, or somebody, took it out`,
    );
  if (servers.length === 0 && problem === undefined) terminal.out('  no servers');
}
