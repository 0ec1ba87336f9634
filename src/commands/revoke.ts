// warder revoke: for emergencies. The credential is taken out of use first; whether its name is known is checked
// afterwards.
import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import { credentialNames } from '../profile/credential-names.ts';
import { suggest } from '../profile/suggestion.ts';
import { detectSecret } from '../profile/variable.ts';
import type { ControlClient, Result } from '../wire/control.ts';
import { credentialName } from '../wire/credential-name.ts';
import type { Places } from '../wire/places.ts';
import type { Context } from './command.ts';
import { pluralize } from './terminal/plural.ts';

interface RevokeArguments {
  readonly credential: string[];
  readonly undo: boolean;
}

export function revokeCommand(context: Context): CommandModule<object, RevokeArguments> {
  return {
    // Accepts any number of words, so that no message repeats them: people in a hurry paste the value.
    command: 'revoke <credential..>',
    builder: (yargs) =>
      yargs
        .usage('warder revoke <credential> [--undo]')
        .positional('credential', {
          type: 'string',
          array: true,
          demandOption: true,
          describe: 'its name, as "warder credential list" shows it',
        })
        .option('undo', { type: 'boolean', default: false, describe: 'allow the credential again' })
        .example('warder revoke github/token', 'cuts its connections, and ends servers that have it')
        .example('warder revoke github/token --undo', 'allows it again, as does "warder credential set"'),
    handler: (args) => (args.undo ? restore(context, args) : revoke(context, args)),
  };
}

async function revoke(context: Context, { credential }: RevokeArguments): Promise<void> {
  const { terminal, json, places } = context;
  const name = parseName(credential);
  await using control = await context.control();
  const done = await control.request('credential.revoke', { name });
  const names = await knownNames(places, control);
  const unknown = names !== undefined && !names.includes(name);
  // The name is revoked, but probably not the one that was meant.
  if (unknown) context.exit(1);
  if (json) {
    terminal.json({ ...done, known: names === undefined ? null : !unknown });
    return;
  }
  terminal.out(
    done.changed ? `revoked "${name}": it is no longer used or delivered` : `"${name}" was already revoked`,
  );
  terminal.out(effectLine(done));
  if (unknown) {
    const suggestion = suggest(name, names);
    const hint = suggestion === undefined ? '' : `; did you mean "${suggestion}"?`;
    terminal.err(
      `${terminal.paint('yellow', 'warder: note:')} no store has "${name}", and no profile uses it${hint}`,
    );
  } else terminal.out('it is still valid where it was issued: revoke it there too');
  terminal.out(`to allow it again: warder revoke ${name} --undo`);
}

async function restore(context: Context, { credential }: RevokeArguments): Promise<void> {
  const { terminal, json } = context;
  const name = parseName(credential);
  await using control = await context.control();
  const {
    cut: _cut,
    ended: _ended,
    ...done
  } = await control.request('credential.revoke', { name, undo: true });
  if (json) {
    terminal.json(done);
    return;
  }
  if (done.changed) {
    terminal.out(`"${name}" may be used again; sessions that were ended stay ended`);
    return;
  }
  const { revoked } = (await control.request('status', {})).credentials;
  const suggestion = suggest(name, revoked);
  terminal.out(
    `"${name}" was not revoked${suggestion === undefined ? '' : `; did you mean "${suggestion}"?`}`,
  );
}

/** The name in the arguments. Throws `usage`, without repeating what may be a value. */
function parseName([name = '', ...rest]: readonly string[]): string {
  if (detectSecret(name) !== undefined) {
    throw new WarderError('usage', 'this looks like a value: give the name of the credential', {
      hint: '"warder credential list" shows the names. What you typed is in the history of your shell: revoke it where it was issued',
    });
  }
  if (rest.length === 0 && credentialName.safeParse(name).success) return name;
  throw new WarderError(
    'usage',
    rest.length > 0 ? 'only one credential can be revoked at a time' : 'this is not the name of a credential',
    {
      hint: '"warder credential list" shows the names, such as github/token',
    },
  );
}

/** The names in profiles and stores; undefined if the stores cannot be read now. */
async function knownNames(places: Places, control: ControlClient): Promise<readonly string[] | undefined> {
  try {
    const { credentials, missing } = await control.request('credential.list', {});
    return [...credentialNames(places), ...[...credentials, ...missing].map(({ name }) => name)];
  } catch (error) {
    if (error instanceof WarderError) return undefined;
    throw error;
  }
}

function effectLine({ cut, ended }: Result<'credential.revoke'>): string {
  if (cut + ended === 0) return 'no open session had used it';
  return `${pluralize(cut, 'connection')} cut, ${pluralize(ended, 'session')} ended`;
}
