// warder grants: what people have answered for more than one call, and taking it back.
import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import type { ShownGrant } from '../wire/control.ts';
import type { Context } from './command.ts';
import { pluralize } from './terminal/plural.ts';

interface RevokeArguments {
  readonly id: string | undefined;
  readonly all: boolean;
}

export function grantsCommand(context: Context): CommandModule<object, object> {
  return {
    command: 'grants',
    builder: (yargs) => yargs.command(revokeCommand(context)),
    handler: () => list(context),
  };
}

function revokeCommand(context: Context): CommandModule<object, RevokeArguments> {
  return {
    command: 'revoke [id]',
    describe: 'take an answer back: the next call is asked about again',
    builder: (yargs) =>
      yargs
        .positional('id', { type: 'string', describe: 'as "warder grants" shows it' })
        .option('all', { type: 'boolean', default: false, describe: 'all grants' })
        .example('warder grants revoke 1f2e3d4c', 'takes one back')
        .example('warder grants revoke --all', 'takes all back'),
    handler: (args) => revoke(context, args),
  };
}

async function list(context: Context): Promise<void> {
  const { terminal, json } = context;
  await using control = await context.control();
  const { grants } = await control.request('grants.list', {});
  if (json) terminal.json(grants);
  else if (grants.length === 0) terminal.out('nothing was allowed or denied for more than one call');
  else {
    terminal.table(
      grants.map((grant) => [
        grant.id,
        grant.decision,
        grant.profile,
        whatOf(grant),
        untilOf(grant),
        grant.host,
        grant.by,
      ]),
      ['ID', 'DECISION', 'PROFILE', 'WHAT', 'UNTIL', 'HOST', 'BY'],
    );
  }
}

async function revoke(context: Context, { id, all }: RevokeArguments): Promise<void> {
  const { terminal, json } = context;
  if ((id === undefined) === !all) {
    throw new WarderError('usage', 'say which grant, or --all', { hint: '"warder grants" lists them' });
  }
  await using control = await context.control();
  const { revoked } = await control.request('grants.revoke', id === undefined ? {} : { id });
  if (json) terminal.json(revoked);
  else terminal.out(`revoked ${pluralize(revoked.length, 'grant')}`);
}

function whatOf({ kind, name, exact }: ShownGrant): string {
  return `${kind} ${name}${exact ? ', these arguments' : ''}`;
}

function untilOf({ session, until }: ShownGrant): string {
  return session !== null ? `session ${session} ends` : (until ?? 'revoked');
}
