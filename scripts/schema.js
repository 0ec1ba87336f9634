// Writes profiles/schema.json, the JSON Schema of a profile for editors, from the schema that Warder itself
// reads profiles with. A test fails when the file is stale.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { profileFile } from '../src/profile/schema.ts';

export const file = fileURLToPath(new URL('../profiles/schema.json', import.meta.url));

/** The file's text. Draft 7 has the best support in editors' YAML servers. */
export function text() {
  const { $schema, ...schema } = z.toJSONSchema(profileFile, {
    io: 'input',
    target: 'draft-7',
    reused: 'inline',
  });
  const title = 'A Warder profile';
  return `${JSON.stringify({ $schema, title, ...schema }, null, 2)}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(file, text());
