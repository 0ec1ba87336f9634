import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The path of the JSON Schema that ships with Warder, for editors. */
export function schemaPath(): string | undefined {
  const path = join(import.meta.dirname, '..', 'profiles', 'schema.json');
  return existsSync(path) ? path : undefined;
}
