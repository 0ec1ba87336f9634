// Where a dialog is drawn. Hosts often start their programs, and so the daemon, without the variables of the desktop;
// then they are those that the desktop has given to systemd's manager of the user. A terminal is never guessed: two
// programs that read one terminal take each other's keys.
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { isatty } from 'node:tty';
import { type BusEnvironment, busAddresses, connectBus } from '../../os/bus.ts';
import type { WayCheck } from '../questions/way.ts';

export interface DialogEnvironment {
  /** As far as one can tell without asking anybody. */
  isPossible(): boolean;
  /** Undefined: there is neither a display nor a terminal. */
  find(): Promise<DialogPlace | undefined>;
}

export interface DialogPlace {
  /** The whole environment of the program. */
  readonly env: Readonly<Record<string, string>>;
  /** The terminal that was set aside for questions. */
  readonly tty: string | undefined;
}

export interface DialogEnvironmentOptions {
  readonly bus: BusEnvironment;
  /** `consent.tty`. */
  readonly tty: string | undefined;
}

/** Milliseconds of a call on the bus. */
const CALL_TIMEOUT = 2000;
const DISPLAYS = ['WAYLAND_DISPLAY', 'DISPLAY'];
const PASSED = [...DISPLAYS, 'XAUTHORITY', 'XDG_RUNTIME_DIR', 'XDG_SESSION_TYPE', 'XDG_CURRENT_DESKTOP'];

export function dialogEnvironment({ bus, tty }: DialogEnvironmentOptions): DialogEnvironment {
  const hasDisplay = (env: Variables): boolean => DISPLAYS.some((name) => env[name]);
  return {
    isPossible: () => tty !== undefined || hasDisplay(bus.env) || busAddresses(bus).length > 0,
    async find() {
      const own = tty !== undefined && isOwnTerminal(tty, bus.uid) ? tty : undefined;
      const addresses = busAddresses(bus);
      const display = hasDisplay(bus.env) ? bus.env : await managerVariables(addresses);
      if (!hasDisplay(display) && own === undefined) return undefined;
      const [address] = addresses;
      const passed = PASSED.flatMap((name) => {
        const value = display[name];
        return value ? [[name, value] as const] : [];
      });
      return {
        env: {
          HOME: bus.home,
          PATH: '/usr/local/bin:/usr/bin:/bin',
          LANG: 'C.UTF-8',
          ...Object.fromEntries(passed),
          ...(address !== undefined && { DBUS_SESSION_BUS_ADDRESS: address }),
        },
        tty: own,
      };
    },
  };
}

/** Terminals get other owners: a number of /dev/pts is given away again. */
function isOwnTerminal(path: string, uid: number): boolean {
  try {
    const file = openSync(path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
    try {
      return isatty(file) && fstatSync(file).uid === uid;
    } finally {
      closeSync(file);
    }
  } catch {
    return false;
  }
}

/** Whether a program can ask here. */
export async function checkDialog(
  program: string | undefined,
  environment: DialogEnvironment,
): Promise<WayCheck> {
  if (program === undefined) return { works: false, detail: 'no program' };
  const found = await environment.find();
  const place = found?.tty ?? DISPLAYS.map((name) => found?.env[name]).find((value) => value !== undefined);
  if (place === undefined) return { works: false, detail: `${program}, but no display` };
  return { works: true, detail: `${program} on ${place}` };
}

type Variables = Readonly<Record<string, string | undefined>>;

/** The variables of systemd's manager of the user (org.freedesktop.systemd1(5), Environment); none if it is not there. */
async function managerVariables(addresses: readonly string[]): Promise<Variables> {
  for (const address of addresses) {
    try {
      await using bus = await connectBus([address], CALL_TIMEOUT);
      const reply = await bus?.call({
        destination: 'org.freedesktop.systemd1',
        path: '/org/freedesktop/systemd1',
        interface: 'org.freedesktop.DBus.Properties',
        member: 'Get',
        signature: 'ss',
        body: ['org.freedesktop.systemd1.Manager', 'Environment'],
      });
      const texts = stringsIn(reply);
      if (texts.length > 0) return Object.fromEntries(texts.map(variable));
    } catch {
      // This bus has no such manager.
    }
  }
  return {};
}

function variable(text: string): [name: string, value: string] {
  const at = text.indexOf('=');
  return [text.slice(0, at), text.slice(at + 1)];
}

/** All `NAME=value` in a reply, however deep its variant is. */
function stringsIn(value: unknown): string[] {
  if (typeof value === 'string') return value.includes('=') ? [value] : [];
  return Array.isArray(value) ? value.flatMap(stringsIn) : [];
}
