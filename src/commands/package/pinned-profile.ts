// A profile whose server is a package: what is pinned of it, and the version written into its file.
import { parseDocument } from 'yaml';
import { WarderError } from '../../errors.ts';
import type { PackageLock } from '../../package/lock.ts';
import type { PackageUse } from '../../package/lock-files.ts';
import type { ScriptChoice } from '../../package/registry.ts';
import { parseSpec } from '../../package/spec.ts';
import { parseProfile } from '../../profile/format.ts';
import { type LoadedProfile, readProfile, writeProfile } from '../../profile/load.ts';
import type { Context } from '../command.ts';
import { skipsOthers } from './package-store.ts';

export interface ProfileArgument {
  profile: string;
}

export interface InstallOptions {
  'allow-scripts': string[];
  'without-scripts': boolean;
  python: string | undefined;
}

/** The package of a profile. Throws `usage` where there is none. */
export function packageUse({ name, profile }: LoadedProfile): PackageUse {
  if (profile.server.kind === 'package') return { profile: name, spec: parseSpec(profile.server.package) };
  throw new WarderError('usage', `the server of "${name}" is not a package`, {
    hint: 'only a profile with "package:" has something to lock; "warder package list" shows them',
  });
}

/** Which install scripts run. */
export function scriptChoice({
  'allow-scripts': allow,
  'without-scripts': withoutScripts,
}: Pick<InstallOptions, 'allow-scripts' | 'without-scripts'>): ScriptChoice {
  return { allow, skipOthers: skipsOthers(allow, withoutScripts) };
}

/** Writes the exact version into the profile, and keeps its comments. Returns whether that changed the profile. */
export function pinVersion(
  context: Context,
  { name, file, profile }: LoadedProfile,
  { package: exact }: PackageLock,
): boolean {
  if (profile.server.kind !== 'package' || profile.server.package === exact) return false;
  const { bytes } = readProfile(context.places, name);
  const document = parseDocument(bytes.toString('utf8'));
  document.setIn(['server', 'package'], exact);
  const text = document.toString({ lineWidth: 0 });
  parseProfile(text, file, name);
  writeProfile(context.places, name, text, { replace: true });
  return true;
}
