// The secrets of a new server, asked for where its profile has just been written, so that it can be started and its tools be shown.
// Each may be left for later. Nothing is asked before there is a store.
import { WarderError } from '../../errors.ts';
import type { Context } from '../command.ts';
import { resolveCredential } from '../credential/credential-ref.ts';
import { retryUnlocked } from '../credential/unlocking.ts';
import { askSecretNow } from '../terminal/secret-input.ts';

/** The form that a value has to have, by its variable: `Bearer ${user_config.key}`. */
export type SecretForms = Readonly<Record<string, string>>;

/**
 * Asks for the values that are not stored, and stores them. Returns the variables that have none afterwards; undefined where
 * nobody could be asked, or nothing can be stored.
 */
export async function askFirstValues(
  context: Context,
  profile: string,
  variables: readonly string[],
  forms: SecretForms = {},
): Promise<readonly string[] | undefined> {
  const { terminal } = context;
  if (!terminal.interactive) return undefined;
  if (variables.length === 0) return [];
  await using control = await context.control();
  let names: ReadonlySet<string>;
  try {
    const { credentials } = await control.request('credential.list', {});
    names = new Set(credentials.map(({ name }) => name));
  } catch (error) {
    if (error instanceof WarderError) return undefined;
    throw error;
  }
  const unset: string[] = [];
  for (const variable of variables) {
    const { note: _, ...credential } = resolveCredential(context.places, [profile, variable], undefined);
    if (names.has(credential.name)) continue;
    const given = await askSecretNow(terminal, credential.name, forms[variable]);
    if (given === undefined) {
      unset.push(variable);
      continue;
    }
    for (const note of given.notes) terminal.err(`${terminal.paint('yellow', 'warder: note:')} ${note}`);
    const { value } = given;
    const request = () => control.request('credential.set', { ...credential, value });
    const { name, store, version } = await retryUnlocked(context, control, request);
    terminal.out(`set "${name}" in the ${store}: version ${version}`);
  }
  return unset;
}
