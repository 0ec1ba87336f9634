// The names of credentials that profiles give.

import { catchWarderError, WarderError } from '../errors.ts';
import type { Places } from '../wire/places.ts';
import { listProfiles, loadProfile } from './load.ts';

/** Names of credentials, each once and sorted. A profile that does not read tells of none. */
export function credentialNames(places: Places): string[] {
  const found = listProfiles(places).names.map((name) => catchWarderError(() => loadProfile(places, name)));
  const names = found.flatMap((one) =>
    one instanceof WarderError ? [] : one.profile.credentials.map(({ name }) => name),
  );
  return [...new Set(names)].sort();
}
