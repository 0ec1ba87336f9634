// warder undo: puts the configuration of a host back, as it was before an import, a connect or a disconnect.
import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import { hosts } from '../host/table.ts';
import type { Result } from '../wire/control.ts';
import type { Context } from './command.ts';
import { confirm } from './terminal/confirmation.ts';

interface UndoArguments {
  readonly id: string | undefined;
  readonly list: boolean;
  readonly forget: boolean;
  readonly yes: boolean;
}

type Edit = Result<'host.edits'>['edits'][number];

const DONE = {
  whole: 'is byte for byte what it was',
  servers: 'has the servers as they were; what the host has changed in it since stays',
  removed: 'was made by Warder, and is removed',
  nothing: 'is as it was: there was nothing to do',
} as const;

export function undoCommand(context: Context): CommandModule<object, UndoArguments> {
  return {
    command: 'undo [id]',
    describe: 'put the configuration of a host back',
    builder: (yargs) =>
      yargs
        .positional('id', { type: 'string', describe: 'which change; by default all of the last command' })
        .option('list', { type: 'boolean', default: false, describe: 'list the changes that can be undone' })
        .option('forget', {
          type: 'boolean',
          default: false,
          describe: 'let the change stand, and delete what would undo it',
        })
        .option('yes', { alias: 'y', type: 'boolean', default: false, describe: 'do not ask' })
        .example('warder undo', 'the last change')
        .example('warder undo --list', 'all that can be undone'),
    handler: (args) => undo(context, args),
  };
}

async function undo(context: Context, { id, list, forget, yes }: UndoArguments): Promise<void> {
  const { terminal, json } = context;
  await using control = await context.control();
  const { edits } = await control.request('host.edits', {});
  if (list) {
    if (json) terminal.json(edits);
    else if (edits.length === 0) terminal.out('nothing can be undone');
    else terminal.table(edits.map((edit) => [edit.id, edit.time, ...describe(edit), edit.file]));
    return;
  }
  // All of one command, the newest first.
  const chosen = edits.filter((edit) =>
    id === undefined ? edit.group === edits[0]?.group : edit.id === id || edit.group === id,
  );
  if (chosen.length === 0) {
    throw new WarderError(
      'refused',
      id === undefined ? 'nothing can be undone' : `there is no change "${id}" to undo`,
      { hint: '"warder undo --list" lists them' },
    );
  }
  if (!yes) {
    const secrets = chosen.some(({ what }) => what !== 'connect');
    for (const edit of chosen) terminal.err(`  ${describe(edit).join(': ')}, in ${edit.file}`);
    await confirm(terminal, {
      what: 'undoing a change',
      question: forget
        ? 'delete what undoes this?'
        : `undo this?${secrets ? ' what was in clear there will be again' : ''}`,
      otherwise: 'nothing was changed',
    });
  }
  const results: object[] = [];
  for (const edit of chosen) {
    const { file, servers } = edit;
    if (forget) {
      await control.request('host.forget', { id: edit.id });
      results.push({ id: edit.id, file, forgotten: true });
      if (!json) terminal.out(`${file} stays as it is; what would undo the change was deleted`);
      continue;
    }
    const { how } = await control.request('host.undo', { id: edit.id });
    results.push({ id: edit.id, file, how, servers });
    if (json) continue;
    terminal.out(`${file} ${DONE[how]}`);
    const restart = hosts[edit.host]?.restart;
    if (restart !== undefined) terminal.out(`  ${restart}`);
  }
  if (json) terminal.json(results);
  else if (!forget && chosen.some(({ what }) => what === 'import'))
    terminal.out(
      'the profiles and their credentials stay, and another import uses them; "warder remove" removes them',
    );
}

/** The host, and what was done there. */
function describe({ host, what, servers }: Edit): [title: string, what: string] {
  return [hosts[host]?.title ?? host, `${what} ${servers.join(', ')}`];
}
