// warder revoke: the panic switch. The credential is out of use before anything else is looked at: whether anybody knows
// its name is asked afterwards.
import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import { credentialNames } from '../profile/credential-names.ts';
import { suggest } from '../profile/suggestion.ts';
import { detectSecret } from '../profile/variable.ts';
import { type ControlClient, credentialName, type Result } from '../wire/control.ts';
import type { Places } from '../wire/places.ts';
import type { Context } from './command.ts';
import { pluralize } from './terminal/plural.ts';

interface RevokeArguments {
  readonly credential: string[];
  readonly undo: boolean;
}

export function revokeCommand(context: Context): CommandModule<object, RevokeArguments> {
  return {
    // All words, so that none of them is repeated: in a hurry people paste the value.
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
        .option('undo', { type: 'boolean', default: false, describe: 'take it back: it may be used again' })
        .example('warder revoke github/token', 'cuts its connections, and ends servers that were given it')
        .example('warder revoke github/token --undo', 'as does a new value: "warder credential set"'),
    handler: (args) => (args.undo ? restore(context, args) : revoke(context, args)),
  };
}

async function revoke(context: Context, { credential }: RevokeArguments): Promise<void> {
  const { terminal, json, places } = context;
  const name = parseName(credential);
  await using control = await context.control();
  const done = await control.request('credential.revoke', { name });
  const known = await knownNames(places, control);
  const slip = known !== undefined && !known.includes(name);
  // It is done, and most likely not what was meant.
  if (slip) context.exit(1);
  if (json) {
    terminal.json({ ...done, known: known === undefined ? null : !slip });
    return;
  }
  terminal.out(done.changed ? `revoked "${name}": nothing gets or uses it` : `"${name}" was revoked already`);
  terminal.out(effectLine(done));
  if (slip) {
    const near = suggest(name, known);
    const meant = near === undefined ? '' : `; did you mean "${near}"?`;
    terminal.err(
      `${terminal.paint('yellow', 'warder: note:')} no store has "${name}", and no profile names it${meant}`,
    );
  } else terminal.out('where it was issued it is still good: revoke it there too');
  terminal.out(`to take it back: warder revoke ${name} --undo`);
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
  const near = suggest(name, revoked);
  terminal.out(`"${name}" was not revoked${near === undefined ? '' : `; did you mean "${near}"?`}`);
}

/** The one name that was said. What may be a value is not repeated. */
function parseName([name = '', ...rest]: readonly string[]): string {
  if (detectSecret(name) !== undefined) {
    throw new WarderError('usage', 'that looks like a value, and the name is what is wanted', {
      hint: 'say its name as "warder credential list" shows it; what you typed is in your shell\'s history: revoke it where it was issued',
    });
  }
  if (rest.length === 0 && credentialName.safeParse(name).success) return name;
  throw new WarderError(
    'usage',
    rest.length > 0 ? 'one credential is revoked at a time' : 'that is no name of a credential',
    {
      hint: 'say its name as "warder credential list" shows it: github/token',
    },
  );
}

/** The names that profiles give and stores have; undefined where that cannot be seen now. */
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
