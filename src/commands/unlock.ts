// warder unlock: removes the lock that `warder lock` put on all credentials. It asks for a passphrase only if the lock has
// one.
import type { CommandModule } from 'yargs';
import type { ControlClient } from '../wire/control.ts';
import type { Context } from './command.ts';
import { readPassphrase, refuseWords } from './terminal/passphrase.ts';
import { withTries } from './terminal/tries.ts';

export function unlockCommand(context: Context): CommandModule<object, object> {
  return {
    command: 'unlock',
    builder: (yargs) =>
      yargs
        .usage('warder unlock')
        // Words are passed to the handler, which does not repeat them. Unknown options are still refused.
        .strict(false)
        .strictOptions()
        .example('warder unlock', 'asks for the passphrase if the lock has one, or reads stdin')
        .epilogue('To unlock a vault with its own passphrase, use "warder credential unlock".'),
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
  if (!guarded) {
    await control.request('credential.unlock', {});
    return;
  }
  await withTries(terminal, ['refused'], async () => {
    const passphrase = await readPassphrase(terminal, 'the passphrase of the lock: ');
    await control.request('credential.unlock', { passphrase });
  });
}
