// The last signed record of the log, as the credential store has it: of the daemon, if one runs, or else of the store
// itself. Nobody is asked to unlock anything for it, and no daemon is started: that would write to the log.

import type { SignedPoint } from '../../audit/checkpoint.ts';
import { WarderError } from '../../errors.ts';
import { homeFolder } from '../../os/home.ts';
import { loadSettings } from '../../profile/settings.ts';
import type { Context } from '../command.ts';

/** The point, or why it is not known. Both are `undefined` if nothing was signed yet. */
export interface KnownPoint {
  readonly point?: SignedPoint;
  readonly unknown?: string;
}

/** Finds the last signed record. Never rejects. */
export async function findSignedPoint(context: Context): Promise<KnownPoint> {
  try {
    const answer = await askDaemon(context);
    return answer ?? (await askStore(context));
  } catch (error) {
    return { unknown: error instanceof Error ? error.message : String(error) };
  }
}

/** `undefined`: no daemon runs. */
async function askDaemon(context: Context): Promise<KnownPoint | undefined> {
  try {
    await using control = await context.control({ start: false });
    const { point, unknown } = await control.request('audit.signed', {});
    return { ...(point !== null && { point }), ...(unknown !== null && { unknown }) };
  } catch (error) {
    if (error instanceof WarderError && error.code === 'daemon-unreachable') return undefined;
    throw error;
  }
}

async function askStore({ places }: Context): Promise<KnownPoint> {
  const settings = loadSettings(places);
  const { store } = settings;
  if (store === undefined) return { unknown: 'no credential store is set up' };
  const { opensSilently, readLastSigned } = await import('../../credential/signing.ts');
  const { platform, env, execPath } = process;
  if (!opensSilently(store, platform)) return { unknown: 'the keychain might ask for a password' };
  const [{ openCredentials }, { clock }, { loadSpawn }, { userEnvironment }, { userName }] =
    await Promise.all([
      import('../../credential/open.ts'),
      import('../../os/clock.ts'),
      import('../../os/spawn.ts'),
      import('../../profile/environment.ts'),
      import('../../os/user.ts'),
    ]);
  const silent = { debug() {}, info() {}, warn() {}, error() {} };
  await using credentials = openCredentials({
    places,
    settings,
    clock,
    log: silent,
    user: userEnvironment({ execPath, home: homeFolder(env), user: userName(env), env }),
    spawn: await loadSpawn(),
    platform,
    uid: process.getuid?.() ?? -1,
    env,
  });
  const point = await readLastSigned(credentials.stores.get(), places.state);
  return point === undefined ? {} : { point };
}
