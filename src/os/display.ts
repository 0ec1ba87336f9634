// Where something can be shown to the user. Hosts often start their programs, and so the daemon, without the variables of
// the desktop; then they are those that the desktop has given to systemd's manager of the user.
import { type BusEnvironment, busAddresses, connectBus } from './bus.ts';

/** The desktop of the user. */
export interface Display {
  /** As far as one can tell without asking anybody. */
  isPossible(): boolean;
  find(): Promise<DisplayPlace>;
}

export interface DisplayPlace {
  /** The whole environment of a program that shows something. */
  readonly env: Readonly<Record<string, string>>;
  /** What it draws on; undefined: there is none. */
  readonly display: string | undefined;
}

/** Milliseconds of a call on the bus. */
const CALL_TIMEOUT = 2000;
const DISPLAYS = ['WAYLAND_DISPLAY', 'DISPLAY'];
const PASSED = [...DISPLAYS, 'XAUTHORITY', 'XDG_RUNTIME_DIR', 'XDG_SESSION_TYPE', 'XDG_CURRENT_DESKTOP'];

/** The display of the user's session, looked for anew each time: by this process's variables, else by those of systemd. */
export function userDisplay(bus: BusEnvironment): Display {
  return {
    isPossible: () => hasDisplay(bus.env) || busAddresses(bus).length > 0,
    async find() {
      const addresses = busAddresses(bus);
      const variables = hasDisplay(bus.env) ? bus.env : await managerVariables(addresses);
      const [address] = addresses;
      const passed = PASSED.flatMap((name) => {
        const value = variables[name];
        return value ? [[name, value] as const] : [];
      });
      const env: Readonly<Record<string, string>> = {
        HOME: bus.home,
        PATH: '/usr/local/bin:/usr/bin:/bin',
        LANG: 'C.UTF-8',
        ...Object.fromEntries(passed),
        ...(address !== undefined && { DBUS_SESSION_BUS_ADDRESS: address }),
      };
      return { env, display: DISPLAYS.map((name) => env[name]).find((value) => value !== undefined) };
    },
  };
}

type Variables = Readonly<Record<string, string | undefined>>;

function hasDisplay(env: Variables): boolean {
  return DISPLAYS.some((name) => env[name]);
}

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
