// warder pin: sets the PIN that proves that a person is there, for answers that hold for good.
import type { CommandModule } from 'yargs';
import type { Context } from './command.ts';
import { readNewPassphrase } from './terminal/passphrase.ts';

export function pinCommand(context: Context): CommandModule<object, object> {
  return {
    command: 'pin',
    builder: (yargs) => yargs.example('warder pin', 'asks for it twice, without echo'),
    handler: () => setPin(context),
  };
}

async function setPin(context: Context): Promise<void> {
  const { terminal, json } = context;
  await using control = await context.control();
  const { set } = await control.request('pin.state', {});
  const old = set ? { old: await terminal.askSecret('the PIN so far: ') } : {};
  const pin = await readNewPassphrase(terminal, 'a PIN of at least 4 characters: ');
  await control.request('pin.set', { pin, ...old });
  if (json) terminal.json({ set: true });
  else terminal.out('the PIN is set: answers that hold for good ask for it');
}
