// The ways to ask that this machine has, but for the host's own dialog and for terminals, which come and go with a
// session and a person. Programs are found at fixed places or in the settings: the daemon's environment is that of the
// host which happened to start it.
import type { BusEnvironment } from '../os/bus.ts';
import type { Clock } from '../os/clock.ts';
import type { Spawn } from '../os/spawn.ts';
import type { Way } from './broker.ts';
import type { Question } from './question.ts';
import { freedesktopWay } from './ways/freedesktop.ts';
import { osascript, systemDialogWay, toast } from './ways/system-dialog.ts';

export interface WaysOptions {
  readonly platform: NodeJS.Platform;
  /** Where the session bus is looked for. */
  readonly bus: BusEnvironment;
  readonly spawn: Spawn;
  readonly clock: Clock;
}

export function openWays({ platform, bus, spawn, clock }: WaysOptions): Way[] {
  switch (platform) {
    case 'darwin':
      return [systemDialogWay({ dialog: osascript, spawn, canAllow })];
    case 'win32':
      return [systemDialogWay({ dialog: toast, spawn, canAllow })];
    default:
      return [freedesktopWay({ bus, clock, canAllow })];
  }
}

/** Nothing that these show proves presence. */
function canAllow({ kind }: Question): boolean {
  return kind !== 'credential';
}
