// warder pin: sets the PIN that proves that a person is there, for answers that hold for good.
import type { CommandModule } from 'yargs';
import type { Context } from './command.ts';
import { POLKIT_POLICY, POLKIT_POLICY_PATH } from './pin/polkit-policy.ts';
import { readNewPassphrase } from './terminal/passphrase.ts';
import { withTries } from './terminal/tries.ts';

/** Characters; the daemon refuses fewer. */
const SHORTEST = 4;

interface PinArguments {
  readonly polkit: boolean;
}

export function pinCommand(context: Context): CommandModule<object, PinArguments> {
  return {
    command: 'pin',
    builder: (yargs) =>
      yargs
        .option('polkit', {
          type: 'boolean',
          default: false,
          describe: "print what root installs so that polkit asks for your system's password instead",
        })
        .example('warder pin', 'asks for it twice, without echo')
        .example(`warder pin --polkit | sudo tee ${POLKIT_POLICY_PATH}`, 'lets polkit ask'),
    handler: ({ polkit }) => (polkit ? printPolicy(context) : setPin(context)),
  };
}

function printPolicy({ terminal, json }: Context): void {
  if (json) terminal.json({ path: POLKIT_POLICY_PATH, policy: POLKIT_POLICY });
  else terminal.text(POLKIT_POLICY.trimEnd());
}

async function setPin(context: Context): Promise<void> {
  const { terminal, json } = context;
  await using control = await context.control();
  const { set } = await control.request('pin.state', {});
  await withTries(terminal, ['refused'], async () => {
    const old = set ? { old: await terminal.askSecret('the PIN so far: ') } : {};
    const pin = await readNewPassphrase(terminal, `a PIN of at least ${SHORTEST} characters: `, (typed) =>
      [...typed].length < SHORTEST ? `a PIN has at least ${SHORTEST} characters` : undefined,
    );
    await control.request('pin.set', { pin, ...old });
  });
  if (json) terminal.json({ set: true });
  else terminal.out('the PIN is set: answers that hold for good ask for it');
}
