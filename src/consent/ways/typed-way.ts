// What the ways have in common that start a program in which a word is typed: pinentry and ssh-askpass.
import type { Clock } from '../../os/clock.ts';
import type { Spawn } from '../../os/spawn.ts';
import type { Way } from '../questions/way.ts';
import { checkDialog, type DialogEnvironment } from './environment.ts';

export interface TypedWayOptions {
  /** The program's absolute path; undefined: there is none. */
  readonly program: () => string | undefined;
  readonly environment: DialogEnvironment;
  readonly spawn: Spawn;
  readonly clock: Clock;
}

/** A way but for how it asks. */
export function typedWay({ program, environment }: TypedWayOptions): Omit<Way, 'ask'> {
  return {
    name: 'pinentry',
    isPossible: () => program() !== undefined && environment.isPossible(),
    check: () => checkDialog(program(), environment),
  };
}
