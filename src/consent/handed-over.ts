import { WarderError } from '../errors.ts';

/** Why a daemon that has handed over does not do what would have to be written. */
export function handedOver(): WarderError {
  return new WarderError('daemon-version', 'the daemon has handed over to a newer one meanwhile', {
    hint: 'run it again: the newer daemon does it',
  });
}
