// Requests that only a person may make: polkit's dialog proves it where it asks, else the PIN.
import { WarderError } from '../../errors.ts';
import type { ControlClient } from '../../wire/control.ts';
import type { Context } from '../command.ts';
import { withTries } from './tries.ts';

export interface Proof {
  readonly pin?: string;
}

/** What is said while polkit asks. */
export const POLKIT_ASKS = 'your system asks for your password, in a dialog of its own';

/** Sends a request with a proof. Without a terminal the PIN is on stdin. Throws the daemon's errors. */
export async function withProof<T>(
  { terminal }: Context,
  control: ControlClient,
  send: (proof: Proof) => Promise<T>,
): Promise<T> {
  if (!terminal.interactive) {
    const pin = (await terminal.readStdin()).replace(/\r?\n$/, '');
    // Without one the daemon says what is missing.
    return await send(pin === '' ? {} : { pin });
  }
  const { pin: isSet, polkit } = await control.request('approvals.list', {});
  if (polkit) {
    terminal.err(POLKIT_ASKS);
    try {
      return await send({});
    } catch (error) {
      if (!isSet || !(error instanceof WarderError) || error.code !== 'refused') throw error;
      terminal.err('it did not: your PIN will do');
    }
  }
  if (!isSet) return await send({});
  return await withTries(terminal, ['refused'], async () => send({ pin: await terminal.askSecret('PIN: ') }));
}
