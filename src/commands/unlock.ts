// warder unlock: takes off the lock that `warder lock` put over all credentials. A passphrase is asked for only where
// the lock has one.
import type { CommandModule } from 'yargs';
import type { ControlClient } from '../wire/control.ts';
import type { Context } from './command.ts';
import { readPassphrase, refuseWords } from './terminal/passphrase.ts';

export function unlockCommand(context: Context): CommandModule<object, object> {
  return {
    command: 'unlock',
    builder: (yargs) =>
      yargs
        .usage('warder unlock')
        // Words come to the handler, which does not repeat them; unknown options are refused all the same.
        .strict(false)
        .strictOptions()
        .example('warder unlock', 'asks for the passphrase if it was locked with one, or takes it from stdin')
        .epilogue('A vault that waits for its own passphrase is opened by "warder credential unlock".'),
    handler: ({ _: [, ...words] }) => {
      refuseWords(words);
      return unlock(context);
    },
  };
}

async function unlock(context: Context): Promise<void> {
  const { terminal, json } = context;
  await using control = await context.control();
  const { locked, guarded, revoked } = (await control.request('status', {})).credentials;
  if (locked) await removeLock(context, control, guarded);
  if (json) {
    terminal.json({ locked: false, changed: locked, revoked });
    return;
  }
  terminal.out(locked ? 'unlocked: credentials are used again' : 'nothing is locked');
  if (revoked.length > 0) terminal.out(`still revoked: ${revoked.join(', ')}`);
}

async function removeLock({ terminal }: Context, control: ControlClient, guarded: boolean): Promise<void> {
  const passphrase = guarded
    ? await readPassphrase(terminal, 'the passphrase it was locked with: ')
    : undefined;
  await control.request('credential.unlock', passphrase === undefined ? {} : { passphrase });
}
