// Makes a profile of a host's remote server: asks the server what it needs where its entry has no token, writes the profile,
// stores the token, and lists the tools once. If that fails, whoever calls takes it back.
import { WarderError } from '../../errors.ts';
import { remoteProfileText } from '../../host/plan-remote.ts';
import type { PlannedRemote } from '../../host/planned.ts';
import { clock } from '../../os/clock.ts';
import type { AuthFile } from '../../profile/auth-schema.ts';
import { parseProfile } from '../../profile/format.ts';
import { loadProfile, profilePath, writeProfile } from '../../profile/load.ts';
import { schemaPath } from '../add/schema-path.ts';
import type { Context } from '../command.ts';
import { TRIAL_TIMEOUT } from '../test/trial-client.ts';
import { trialRefusals } from '../test/trial-refusals.ts';
import { tryProfile } from '../test/try-profile.ts';
import { type Progress, quietly, storeSecrets } from './create-profile.ts';
import { failedTrial } from './failed-trial.ts';
import { throwIfInterrupted, unlessInterrupted } from './interruption.ts';

import type { Making, Versions } from './making.ts';

/**
 * Returns whether a person has to sign in. Throws what the store and the probe throw, and `refused` for a server that does
 * not take the token of its entry, or wants one that is not there.
 */
export async function createRemote(
  context: Context,
  making: Making,
  plan: PlannedRemote,
  progress: Progress,
  signal: AbortSignal,
): Promise<{ readonly needsSignIn: boolean; readonly versions: Versions }> {
  const { places } = context;
  const { name, isThere } = making;
  const { host } = new URL(plan.url);
  const hasToken = plan.auth !== undefined && plan.auth.type !== 'oauth';
  if (!hasToken) progress(`asking ${host} what it needs`);
  const auth = hasToken ? plan.auth : await unlessInterrupted(signal, askServer(context, plan));
  throwIfInterrupted(signal);
  const text = remoteProfileText(plan, name, auth, schemaPath());
  parseProfile(text, profilePath(places, name), name);
  if (!isThere) {
    making.willWrite(text);
    writeProfile(places, name, text);
  }
  const versions = await storeSecrets(context, name, plan);
  throwIfInterrupted(signal);
  if (auth.type === 'oauth') return { needsSignIn: true, versions };
  progress(`asking ${host} for its tools`);
  const { profile } = loadProfile(places, name);
  const since = clock.now();
  const trial = await tryProfile(quietly(context), name, {
    timeout: TRIAL_TIMEOUT,
    isAgreed: true,
    signal,
  });
  throwIfInterrupted(signal);
  if (trial.error !== undefined) {
    const refused = await trialRefusals(context, profile, trial, since);
    throw failedTrial(
      `${host} does not answer as it should: ${trial.error}`,
      refused,
      '',
      hasToken
        ? 'its token may have ended: get a new one, and add it with "warder add NAME URL --bearer"'
        : 'add it by hand with "warder add NAME URL"',
    );
  }
  return { needsSignIn: false, versions };
}

/** How a server without a token in its entry is signed in to. Throws `refused` where it wants a token. */
async function askServer(
  context: Context,
  { url, headers, auth, insecureLoopback }: PlannedRemote,
): Promise<AuthFile> {
  await using control = await context.control();
  const { needs } = await control.request('remote.probe', {
    url,
    ...(Object.keys(headers).length > 0 && { headers: { ...headers } }),
    ...(insecureLoopback && { 'insecure-loopback': true }),
  });
  if (auth !== undefined) return auth;
  if (needs === 'oauth') return { type: 'oauth' };
  if (needs === 'nothing') return { type: 'none' };
  throw new WarderError('refused', `${new URL(url).host} asks for a token, and its entry has none`, {
    hint: 'if you have one: "warder add NAME URL --bearer", or --key-header for a header of its own',
  });
}
