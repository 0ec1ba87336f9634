// The package store, opened for a command.
import { clock } from '../../os/clock.ts';
import { findNpm } from '../../package/npm.ts';
import { PackageStore } from '../../package/store.ts';
import type { Context } from '../command.ts';

/** The store as the command line works with it: it may ask the registry, and says what it does. */
export function openPackageStore(context: Context): PackageStore {
  return new PackageStore({
    places: context.places,
    clock,
    npm: () => findNpm(process.env),
    progress: (step) => {
      if (!context.json) context.terminal.err(`warder: ${step}`);
    },
  });
}
