// Checks of `doctor` on what an import leaves where it is killed, and on secrets that nothing uses.
import { WarderError } from '../../errors.ts';
import { profileStamp } from '../../profile/load.ts';
import type { Check, ControlClient } from '../../wire/control.ts';
import { PROFILE_NAME } from '../../wire/hello.ts';
import type { Places } from '../../wire/places.ts';
import { killedImports } from '../import/unfinished.ts';

/** Imports that were killed. Where there is none there is no check. */
export function checkImports(places: Places): Check[] {
  return killedImports(places).map((name) => ({
    name: 'import',
    state: 'warn',
    detail: `an import was killed while it made the profile "${name}"`,
    hint: 'run "warder import --apply": it takes back what was not finished, and begins again',
  }));
}

/** Secrets of profiles that are no more, and which no other profile names. No result if the stores are not available now. */
export async function checkOrphans(places: Places, control: ControlClient): Promise<Check[]> {
  try {
    const { credentials } = await control.request('credential.list', {});
    return credentials
      .filter(({ bound, profiles }) => bound && profiles.length === 0)
      .flatMap(({ name }): Check[] => {
        const [profile = '', variable = ''] = name.split('/');
        if (!PROFILE_NAME.test(profile) || profileStamp(places, profile) !== undefined) return [];
        return [
          {
            name: 'credentials',
            state: 'warn',
            detail: `"${name}" is of a profile that is no more`,
            hint: `if nobody needs it: "warder credential remove ${profile} ${variable}"`,
          },
        ];
      });
  } catch (error) {
    if (error instanceof WarderError) return [];
    throw error;
  }
}
