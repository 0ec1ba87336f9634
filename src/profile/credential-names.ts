// The names of the credentials that profiles use.

import type { Places } from '../wire/places.ts';
import { loadValidProfiles } from './load.ts';

/** The credential names of all valid profiles, unique and sorted. */
export function credentialNames(places: Places): string[] {
  const names = loadValidProfiles(places).flatMap(({ profile }) =>
    profile.credentials.map(({ name }) => name),
  );
  return [...new Set(names)].sort();
}
