// Where a dialog is drawn: on the user's desktop, or on a terminal that is set aside for it. A terminal is never guessed:
// two programs that read one terminal take each other's keys.
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { isatty } from 'node:tty';
import type { BusEnvironment } from '../../os/bus.ts';
import { userDisplay } from '../../os/display.ts';
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
  /** Undefined: there is a terminal only. */
  readonly display: string | undefined;
  /** The terminal that was set aside for questions. */
  readonly tty: string | undefined;
}

export interface DialogEnvironmentOptions {
  readonly bus: BusEnvironment;
  /** `consent.tty`. */
  readonly tty: string | undefined;
}

export function dialogEnvironment({ bus, tty }: DialogEnvironmentOptions): DialogEnvironment {
  const desktop = userDisplay(bus);
  return {
    isPossible: () => tty !== undefined || desktop.isPossible(),
    async find() {
      const own = tty !== undefined && isOwnTerminal(tty, bus.uid) ? tty : undefined;
      const { env, display } = await desktop.find();
      return display === undefined && own === undefined ? undefined : { env, display, tty: own };
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
  const place = found?.tty ?? found?.display;
  if (place === undefined) return { works: false, detail: `${program}, but no display` };
  return { works: true, detail: `${program} on ${place}` };
}
