// A systemd scope of the daemon's own. A daemon that a host started is in the host's control group: systemd ends it with
// the host's unit, and counts its memory as the host's.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Milliseconds that systemd has: the daemon's start waits for it. */
const TIMEOUT = 500;
/** Where systemd installs its programs: a host's PATH may contain anything. */
const PATH = '/usr/bin:/bin:/run/current-system/sw/bin';

/**
 * Moves this process into a scope of its own where the user has a service manager: StartTransientUnit of
 * org.freedesktop.systemd1(5), called by busctl. Returns whether systemd accepted that. Never rejects.
 */
export async function enterScope(
  env: Readonly<Record<string, string | undefined>>,
  uid: number,
): Promise<boolean> {
  const runtime = env.XDG_RUNTIME_DIR ?? `/run/user/${uid}`;
  if (process.platform !== 'linux' || !existsSync(`${runtime}/systemd/private`)) return false;
  const { pid } = process;
  const call = ['org.freedesktop.systemd1', '/org/freedesktop/systemd1', 'org.freedesktop.systemd1.Manager'];
  const properties = ['Description', 's', 'Warder', 'CollectMode', 's', 'inactive-or-failed'];
  const words = [
    ...['--user', '--quiet', 'call', ...call, 'StartTransientUnit', 'ssa(sv)a(sa(sv))'],
    ...[`warder-${pid}.scope`, 'fail', '3', 'PIDs', 'au', '1', String(pid), ...properties, '0'],
  ];
  return new Promise((resolve) => {
    const child = spawn('busctl', words, {
      env: {
        PATH,
        XDG_RUNTIME_DIR: runtime,
        DBUS_SESSION_BUS_ADDRESS: env.DBUS_SESSION_BUS_ADDRESS ?? `unix:path=${runtime}/bus`,
      },
      stdio: 'ignore',
      timeout: TIMEOUT,
      killSignal: 'SIGKILL',
    });
    child.once('error', () => resolve(false));
    child.once('exit', (code) => resolve(code === 0));
  });
}
