// A profile that an import has made and that stayed when the import was undone: the next import of the same entry takes it
// again, instead of making another of the same text. What it was made of is in `state/imported`, one file a profile: the
// profile's digest, that of the plan without its secrets, and the versions of the credentials that were stored. Where any of
// them is another one now, the profile is a person's, and stays as it is.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Planned } from '../../host/planned.ts';
import { writeFileAtomic } from '../../os/file.ts';
import { profileStamp, readProfile } from '../../profile/load.ts';
import type { Places } from '../../wire/places.ts';
import type { Making, Versions } from './making.ts';

/** What an import remembers of a profile that it made. Digests are SHA-256, hex. */
interface Mark {
  readonly plan: string;
  readonly profile: string;
  readonly versions: Readonly<Record<string, string>>;
}

/** A profile that is there already, and is what the import would write. Nothing of it is taken back. */
export class Reused implements Making {
  readonly isThere = true;
  readonly name: string;
  readonly #places: Places;
  readonly #plan: Planned;

  constructor(places: Places, name: string, plan: Planned) {
    this.name = name;
    this.#places = places;
    this.#plan = plan;
  }

  willWrite(): void {}

  finish(versions: Versions): void {
    remember(this.#places, this.name, this.#plan, versions);
  }

  async takeBack(): Promise<undefined> {}
}

/** Remembers a profile that was made of a plan, as it is now. Where that cannot be written, another import makes another one. */
export function remember(places: Places, name: string, plan: Planned, versions: Versions): void {
  const path = markPath(places, name);
  try {
    const mark: Mark = {
      plan: planDigest(plan),
      profile: readProfile(places, name).digest,
      versions: Object.fromEntries(versions),
    };
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileAtomic(path, JSON.stringify(mark));
  } catch {
    rmSync(path, { force: true });
  }
}

/** Whether a profile is what an import made of the same plan, and nobody has changed it or a credential of it since. */
export function isUnchanged(places: Places, name: string, plan: Planned, stored: Versions): boolean {
  const mark = readMark(places, name);
  if (mark === undefined || profileStamp(places, name) === undefined) return false;
  const own = [...stored].filter(([credential]) => credential.startsWith(`${name}/`));
  return (
    mark.plan === planDigest(plan) &&
    mark.profile === readProfile(places, name).digest &&
    own.every(([credential, version]) => mark.versions[credential] === version)
  );
}

/** Without names that are chosen here, and without what is secret. */
function planDigest({ name: _name, credentials, ...plan }: Planned): string {
  const open = { ...plan, credentials: credentials.map(({ variable }) => variable) };
  return createHash('sha256').update(JSON.stringify(open)).digest('hex');
}

function readMark(places: Places, name: string): Mark | undefined {
  try {
    const mark = JSON.parse(readFileSync(markPath(places, name), 'utf8'));
    return typeof mark.versions === 'object' && mark.versions !== null ? mark : undefined;
  } catch {
    // It was made by no import.
    return undefined;
  }
}

function markPath({ state }: Places, name: string): string {
  return join(state, 'imported', name);
}
