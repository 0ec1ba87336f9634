// Checks of `doctor` on the egress settings and on the locks of credentials: settings that are valid but name something
// that does not exist, and a lock file that cannot be read.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Locks } from '../../credential/locks.ts';
import { readCertificates } from '../../egress/trust.ts';
import { catchWarderError, WarderError } from '../../errors.ts';
import { homeFolder } from '../../os/home.ts';
import { expandHome } from '../../profile/format.ts';
import { loadSettings, type Settings, settingsPath } from '../../profile/settings.ts';
import type { Check, ControlClient } from '../../wire/control.ts';
import type { Places } from '../../wire/places.ts';
import { pluralize } from '../terminal/plural.ts';

/** Checks the file of certificates that the gate should trust, if the settings name one. */
export function checkCertificates(places: Places): Check[] {
  const ca = egressSettings(places)?.ca;
  if (ca === undefined) return [];
  const name = 'egress.ca';
  const file = expandHome(ca, homeFolder(process.env));
  const hint = `correct "egress.ca" in ${settingsPath(places)}: it names a file of certificates in PEM`;
  try {
    const number = readCertificates(readFileSync(file, 'latin1')).length;
    if (number > 0) return [{ name, state: 'ok', detail: `${file}, ${pluralize(number, 'certificate')}` }];
    return [{ name, state: 'fail', detail: `there is no certificate in ${file}`, hint }];
  } catch (error) {
    const { code = 'not PEM' } = error as NodeJS.ErrnoException;
    return [{ name, state: 'fail', detail: `no certificates can be read from ${file} (${code})`, hint }];
  }
}

/** Checks the proxy's credential, if the settings name one. No result if the stores are not available now. */
export async function checkProxyLogin(places: Places, control: ControlClient): Promise<Check[]> {
  const login = egressSettings(places)?.login;
  if (login === undefined) return [];
  const name = 'egress.login';
  try {
    const { credentials } = await control.request('credential.list', {});
    if (credentials.some((credential) => credential.name === login))
      return [{ name, state: 'ok', detail: `"${login}" is set` }];
  } catch (error) {
    if (error instanceof WarderError) return [];
    throw error;
  }
  const hint = `run "warder credential set --name ${login}"; its value is user:password`;
  return [{ name, state: 'fail', detail: `the proxy's credential "${login}" has no value`, hint }];
}

/** Checks the locks of credentials. A lock file that cannot be read locks all of them. */
export function checkLocks(places: Places): Check {
  const name = 'locks';
  let damaged = false;
  const error = (): void => {
    damaged = true;
  };
  const { locked, revokedNames: all } = new Locks(places, { debug() {}, info() {}, warn() {}, error });
  const revoked = all.length === 0 ? '' : `; revoked: ${all.join(', ')}`;
  if (damaged) {
    return {
      name,
      state: 'fail',
      detail: `${join(places.state, 'locks.json')} cannot be read: all credentials are locked`,
      hint: 'run "warder unlock", which writes it again, then "warder revoke" for each revoked credential',
    };
  }
  if (!locked) return { name, state: 'ok', detail: `nothing is locked${revoked}` };
  return { name, state: 'warn', detail: `all credentials are locked${revoked}`, hint: 'run "warder unlock"' };
}

/** Undefined if the settings are invalid, which is a result of another check. */
function egressSettings(places: Places): Settings['egress'] | undefined {
  const settings = catchWarderError(() => loadSettings(places));
  return settings instanceof WarderError ? undefined : settings.egress;
}
