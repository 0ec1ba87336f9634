// warder lock: locks all credentials, as `ssh-add -x` locks an agent. The lock stays in force when the daemon restarts.
import type { CommandModule } from 'yargs';
import type { Context } from './command.ts';
import { readNewPassphrase, refuseWords } from './terminal/passphrase.ts';
import { pluralize } from './terminal/plural.ts';

interface LockArguments {
  /** A string, so that a passphrase after it is noticed and refused. */
  readonly passphrase: string | undefined;
}

export function lockCommand(context: Context): CommandModule<object, LockArguments> {
  return {
    command: 'lock',
    builder: (yargs) =>
      yargs
        .usage('warder lock [--passphrase]')
        // Words are passed to the handler, which does not repeat them. Unknown options are still refused.
        .strict(false)
        .strictOptions()
        .option('passphrase', {
          type: 'string',
          describe: 'unlocking needs this passphrase; it is asked for',
        })
        .example('warder lock', 'no credential is used until "warder unlock", even after a restart')
        .example('warder lock --passphrase', 'asks twice without echo, or reads stdin'),
    handler: ({ passphrase, _: [, ...words] }) => {
      refuseWords(passphrase ? [...words, passphrase] : words);
      return lock(context, passphrase !== undefined);
    },
  };
}

async function lock(context: Context, guarded: boolean): Promise<void> {
  const { terminal, json } = context;
  const passphrase = guarded ? await readNewPassphrase(terminal, 'a passphrase to unlock with: ') : undefined;
  await using control = await context.control();
  const params = passphrase === undefined ? {} : { passphrase };
  const { sessions } = await control.request('credential.lock', params);
  if (json) {
    terminal.json({ locked: true, passphrase: guarded, sessions });
    return;
  }
  terminal.out('locked: no credential is used, and no session that needs one opens');
  if (sessions > 0) {
    terminal.out(
      `${pluralize(sessions, 'session')} ${sessions === 1 ? 'stays' : 'stay'} open: requests with a sealed credential are refused; a server that got a value still has it ("warder stop" ends all)`,
    );
  }
  terminal.out(`to unlock: warder unlock${guarded ? ', with the passphrase' : ''}`);
}
