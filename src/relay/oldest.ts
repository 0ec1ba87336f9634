/** Forgets what came first in a map or set that has more than `most` entries. Returns its key, if it did. */
export function forgetOldest<Key>(entries: Map<Key, unknown> | Set<Key>, most: number): Key | undefined {
  if (entries.size <= most) return undefined;
  for (const key of entries.keys()) {
    entries.delete(key);
    return key;
  }
  return undefined;
}
