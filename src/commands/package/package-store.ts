// The package store, opened for a command.
import { homedir } from 'node:os';
import { clock } from '../../os/clock.ts';
import { findNpm } from '../../package/npm.ts';
import { PackageStore } from '../../package/store.ts';
import type { Context } from '../command.ts';
import { sandboxedScripts } from './install-scripts.ts';

/** Opens the package store for the command line: it may use the registry, and prints its progress. */
export function openPackageStore(context: Context): PackageStore {
  return new PackageStore({
    places: context.places,
    clock,
    runScripts: sandboxedScripts(context.places, homedir()),
    npm: () => findNpm(process.env),
    progress: (step) => {
      if (!context.json) context.terminal.err(`warder: ${step}`);
    },
  });
}
