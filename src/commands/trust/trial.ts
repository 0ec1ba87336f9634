// What is known of a profile's server, after a trial where nothing was seen of it yet.
import { WarderError } from '../../errors.ts';
import type { ControlClient, ShownTrust } from '../../wire/control.ts';
import type { Context } from '../command.ts';
import { TRIAL_TIMEOUT } from '../test/trial-client.ts';
import { tryProfile } from '../test/try-profile.ts';

/** Starts the server once, as `warder test` does, and lists all that it offers. Throws `refused` where that fails. */
export async function trial(context: Context, control: ControlClient, name: string): Promise<ShownTrust> {
  using _progress = context.terminal.progress(`starting the server of "${name}" once, to see what it lists`);
  const { error } = await tryProfile(context, name, { timeout: TRIAL_TIMEOUT });
  if (error !== undefined) {
    throw new WarderError('refused', `the server of "${name}" did not list what it offers: ${error}`, {
      hint: `see "warder test ${name}"`,
    });
  }
  return await control.request('trust.show', { profile: name });
}

/**
 * Accepts what a trial has just shown of a profile that is used for the first time. False: there is a record, which this
 * does not replace, or nothing was seen.
 */
export async function acceptListed(control: ControlClient, name: string): Promise<boolean> {
  const { state, seen } = await control.request('trust.show', { profile: name });
  if (state !== 'none' || seen === null) return false;
  await control.request('trust.accept', { profile: name, expect: seen.pending });
  return true;
}
