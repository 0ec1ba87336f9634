// The names of the credentials that profiles use.

import { catchWarderError, WarderError } from '../errors.ts';
import type { Places } from '../wire/places.ts';
import { listProfiles, loadProfile } from './load.ts';

/** The credential names of all valid profiles, unique and sorted. */
export function credentialNames(places: Places): string[] {
  const loaded = listProfiles(places).names.map((name) => catchWarderError(() => loadProfile(places, name)));
  const names = loaded.flatMap((result) =>
    result instanceof WarderError ? [] : result.profile.credentials.map(({ name }) => name),
  );
  return [...new Set(names)].sort();
}
