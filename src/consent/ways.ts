// The ways to ask that this machine has, but for the host's own dialog and for terminals, which come and go with a
// session and a person. Programs are found at fixed places or in the settings: the daemon's environment is that of the
// host which happened to start it.
import type { BusEnvironment } from '../os/bus.ts';
import type { Clock } from '../os/clock.ts';
import type { Spawn } from '../os/spawn.ts';
import type { Settings } from '../profile/settings.ts';
import type { Presence } from './presence.ts';
import type { Question } from './questions/question.ts';
import type { Way } from './questions/way.ts';
import { askpassWay } from './ways/askpass.ts';
import { dialogEnvironment } from './ways/environment.ts';
import { freedesktopWay } from './ways/freedesktop.ts';
import { pinentryWay } from './ways/pinentry.ts';
import { ASKPASS, dialogProgram, PINENTRY } from './ways/programs.ts';
import { osascript, systemDialogWay, toast } from './ways/system-dialog.ts';

export interface WaysOptions {
  readonly platform: NodeJS.Platform;
  readonly settings: Settings['consent'];
  /** Where the session bus and the display are looked for. */
  readonly bus: BusEnvironment;
  readonly spawn: Spawn;
  readonly presence: Presence;
  readonly clock: Clock;
}

export function openWays(options: WaysOptions): Way[] {
  return [desktopWay(options), ...typedWays(options)];
}

function desktopWay({ platform, bus, spawn, presence, clock }: WaysOptions): Way {
  switch (platform) {
    case 'darwin':
      return systemDialogWay({ dialog: osascript, spawn, canAllow });
    case 'win32':
      return systemDialogWay({ dialog: toast, spawn, canAllow });
    default:
      return freedesktopWay({ bus, clock, presence });
  }
}

/** pinentry, or ssh-askpass where there is no pinentry. */
function typedWays({ settings, bus, spawn, presence, clock }: WaysOptions): Way[] {
  const environment = dialogEnvironment({ bus, tty: settings.tty });
  const pinentry = () => dialogProgram(settings.pinentry, PINENTRY);
  const askpass = () => (pinentry() === undefined ? dialogProgram(settings.askpass, ASKPASS) : undefined);
  return [
    pinentryWay({ program: pinentry, environment, spawn, presence, clock }),
    askpassWay({ program: askpass, environment, spawn, clock }),
  ];
}

/** Nothing that these two show proves presence. */
function canAllow({ kind }: Question): boolean {
  return kind !== 'credential';
}
