// The words of this machine that complete a command: profiles, hosts, servers of hosts, credentials. Verbs and options are
// completed by yargs. The program that completes never fails and changes nothing: what cannot be read gives no words.
import { catchWarderError, WarderError } from '../errors.ts';
import type { Context } from './command.ts';
import type { Completable } from './verbs.ts';

/** The options whose values are names of something, by verb. */
const OPTIONS: Readonly<Record<string, Readonly<Record<string, Completable>>>> = {
  import: { '--server': 'server of a host' },
  connect: { '--host': 'host' },
  disconnect: { '--host': 'host' },
  audit: { '--profile': 'profile' },
};

/**
 * The candidates for the last of `words`, which begin with the verb's own name. `completes`: what the verb's first argument
 * is completed with.
 */
export async function completions(
  context: Context,
  words: readonly string[],
  completes: Completable | undefined,
): Promise<readonly string[]> {
  const [verb = '', second = ''] = words;
  if (words.at(-1)?.startsWith('-') === true) return [];
  const ofOption = OPTIONS[verb]?.[words.at(-2) ?? ''];
  if (ofOption !== undefined) return await namesOf(context, ofOption);
  if (completes === undefined || words.length < (completes.endsWith(' below') ? 3 : 2)) return [];
  // After the profile: what it was refused.
  if (verb === 'allow' && words.length > 2)
    return (await import('./allow.ts')).allowableEntries(context.places, second);
  if (verb === 'credential') {
    if (!/^(?:set|rotate|remove)$/.test(second) || words.length > 4) return [];
    return words.length === 3
      ? await namesOf(context, 'profile')
      : await variablesOf(context, words[2] ?? '');
  }
  return await namesOf(context, completes);
}

async function namesOf(context: Context, kind: Completable): Promise<readonly string[]> {
  const { places } = context;
  if (kind === 'credential') return (await import('../profile/credential-names.ts')).credentialNames(places);
  if (kind === 'host') return Object.keys((await import('../host/table.ts')).hosts);
  if (kind === 'server of a host') return (await import('./import/server-names.ts')).serverNames(context);
  const { listProfiles, loadValidProfiles } = await import('../profile/load.ts');
  if (kind !== 'remote profile') return listProfiles(places).names;
  return loadValidProfiles(places).flatMap(({ name, profile }) =>
    profile.server.kind === 'url' ? [name] : [],
  );
}

async function variablesOf({ places }: Context, name: string): Promise<readonly string[]> {
  const { loadProfile } = await import('../profile/load.ts');
  const found = catchWarderError(() => loadProfile(places, name));
  return found instanceof WarderError ? [] : found.profile.credentials.map(({ variable }) => variable);
}
