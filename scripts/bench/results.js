// What was measured, one file of JSON for each subject, so that one can be measured again and the others stay.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The figures of a subject with when, at which commit and on which machine they were taken; undefined without any. */
export function readResult(folder, subject) {
  try {
    return JSON.parse(readFileSync(join(folder, `${subject}.json`), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

export function writeResult(folder, subject, result) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${subject}.json`), `${JSON.stringify(result, rounded, 1)}\n`);
}

/** Five digits are more than any figure is good for. */
const rounded = (_key, value) =>
  typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;
