// The passphrase of a vault, which a person at the terminal types when it is needed.
import { WarderError } from '../../errors.ts';
import type { ControlClient } from '../../wire/control.ts';
import type { Context } from '../command.ts';
import { readPassphrase } from '../terminal/passphrase.ts';
import { withTries } from '../terminal/tries.ts';

/** Runs `work`. If the vault is locked and there is a terminal, it asks for the passphrase and runs `work` again. */
export async function retryUnlocked<T>(
  context: Context,
  control: ControlClient,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const locked = error instanceof WarderError && error.code === 'vault-locked';
    if (!locked || !context.terminal.interactive) throw error;
  }
  await unlockVault(context, control);
  return work();
}

/** Asks for the passphrase, again where it is wrong, or reads it from stdin. Throws `vault-key`. */
export async function unlockVault({ terminal }: Context, control: ControlClient): Promise<void> {
  await withTries(terminal, ['vault-key'], async () => {
    const passphrase = await readPassphrase(terminal, "the vault's passphrase: ");
    await control.request('vault.unlock', { passphrase });
  });
}
