// Values that are stored already under the names that a new profile would take: set in advance, or of an earlier profile of
// this name, whose credentials stayed when it was removed. The new server would get them, and it may be another one.
import { WarderError } from '../../errors.ts';
import type { Context } from '../command.ts';
import { confirm } from '../terminal/confirmation.ts';

/** Throws `refused` for what somebody else describes: nobody has said that such a server gets what is there. */
export async function refuseStored(
  context: Context,
  name: string,
  variables: readonly string[],
): Promise<void> {
  const stored = await storedOf(context, name, variables);
  if (stored.length === 0) return;
  throw new WarderError('refused', `${whatIsStored(name, stored)}, and this server would get it`, {
    hint: `use another name than "${name}"; or remove it first: warder credential remove --name ${stored[0]}`,
  });
}

/** Asks the person whether their own new profile takes what is stored. Throws `refused` for a no, and where nobody can be asked. */
export async function agreeOnStored(
  context: Context,
  name: string,
  variables: readonly string[],
): Promise<void> {
  const { terminal, json } = context;
  const stored = await storedOf(context, name, variables);
  if (stored.length === 0) return;
  const what = whatIsStored(name, stored);
  if (!terminal.interactive || json) {
    throw new WarderError('refused', `${what}, and the new server would get it`, {
      hint: `--use-stored says that it may; or remove it first: warder credential remove --name ${stored[0]}`,
    });
  }
  await confirm(terminal, {
    what: `adding "${name}"`,
    question: `${what}: shall the new server get it?`,
    otherwise: `nothing was written: "warder credential remove --name ${stored[0]}" removes it`,
  });
}

function whatIsStored(name: string, stored: readonly string[]): string {
  return `${stored.join(', ')} is stored already, set in advance or of an earlier profile "${name}"`;
}

/** Names in the store; none without a store that can be asked. */
async function storedOf(
  { control: open }: Context,
  name: string,
  variables: readonly string[],
): Promise<string[]> {
  if (variables.length === 0) return [];
  try {
    await using control = await open();
    const { credentials } = await control.request('credential.list', {});
    const wanted = new Set(variables.map((variable) => `${name}/${variable}`));
    return credentials.map((one) => one.name).filter((one) => wanted.has(one));
  } catch (error) {
    if (error instanceof WarderError) return [];
    throw error;
  }
}
