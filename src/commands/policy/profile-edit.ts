// A profile whose rules are to be changed: read once, and written only if nobody has changed it meanwhile.
import { WarderError } from '../../errors.ts';
import { type Profile, parseProfile } from '../../profile/format.ts';
import { parseContent, readProfile, writeProfile } from '../../profile/load.ts';
import { changeRules, type RuleChange } from '../../profile/rule-edit.ts';
import type { Places } from '../../wire/places.ts';

export interface ProfileEdit {
  readonly name: string;
  readonly profile: Profile;
  readonly file: string;
  readonly text: string;
  /** Of the text. */
  readonly digest: string;
}

/** Throws `name-invalid`, `profile-missing` and `profile-invalid`. */
export function openProfile(places: Places, name: string): ProfileEdit {
  const content = readProfile(places, name);
  const { profile, file, digest } = parseContent(places, name, content);
  return { name, profile, file, digest, text: content.bytes.toString('utf8') };
}

/** The text with changed rules: a valid profile. Throws `unsupported` where they cannot be changed in place. */
export function textWithRules({ name, file, text }: ProfileEdit, changes: readonly RuleChange[]): string {
  const changed = changeRules(text, changes);
  if (changed === undefined) {
    throw new WarderError('unsupported', `the policy of "${name}" cannot be edited in place`, {
      hint: `use "warder edit ${name}"`,
    });
  }
  parseProfile(changed, file, name);
  return changed;
}

/** Writes a new text. Throws `cannot-write`, also if the profile was changed meanwhile. */
export function replaceText(places: Places, { name, digest }: ProfileEdit, text: string): void {
  if (readProfile(places, name).digest !== digest) {
    throw new WarderError('cannot-write', `"${name}" was changed in the meantime`, { hint: 'try again' });
  }
  writeProfile(places, name, text, { replace: true });
}
