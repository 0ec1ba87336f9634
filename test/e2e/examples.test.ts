// The examples of profiles/, as a person would put them in: each passes `warder check`.
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { loadProfile } from '../../src/profile/load.ts';
import { Home } from '../fixtures/home.ts';

const folder = join(import.meta.dirname, '../../profiles');
const names = globSync('*.yaml', { cwd: folder }).map((path) => basename(path, '.yaml'));

test('"warder check" accepts every example, and finds nothing in it but what is not installed or set yet', async () => {
  await using home = new Home();
  mkdirSync(home.places.profiles, { recursive: true, mode: 0o700 });
  for (const name of names) {
    const source = readFileSync(join(folder, `${name}.yaml`), 'utf8').replaceAll('/home/me', home.dir);
    writeFileSync(join(home.places.profiles, `${name}.yaml`), source, { mode: 0o600 });
    const { profile } = loadProfile(home.places, name);
    for (const path of [...(profile.sandbox?.read ?? []), ...(profile.sandbox?.write ?? [])]) {
      mkdirSync(path.replace(/^~/, home.dir), { recursive: true });
    }
  }
  const findings: {
    name: string;
    state: string;
    unsupported: unknown[];
    warnings: string[];
    credentials: { deliver: string; limits?: { hosts: string[] } }[];
  }[] = await home.facts('check');
  expect(findings.map(({ name }) => name).toSorted()).toEqual(names.toSorted());
  for (const { name, state, unsupported, warnings } of findings) {
    expect({ name, state, unsupported }).toEqual({ name, state: 'ok', unsupported: [] });
    const unexpected = warnings.filter((text) => !USUAL.test(text));
    expect({ name, unexpected }).toEqual({ name, unexpected: [] });
  }
});

/** What is left to do before the first run, and what sealed credentials cannot do. */
const USUAL =
  /is not locked|is not installed|was not found|cannot enter the folder|has no value yet|whether the credentials are set is not known|"ask" refuses|a program that pins certificates/;
