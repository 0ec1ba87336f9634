// The package store, opened for a command.
import { homedir } from 'node:os';
import { clock } from '../../os/clock.ts';
import { type RegistriesOptions, userRegistries } from '../../package/registries.ts';
import { PackageStore } from '../../package/store.ts';
import type { Context } from '../command.ts';
import { sandboxedScripts } from './install-scripts.ts';

/**
 * Opens the package store for the command line: it may use the registries, and prints its progress. `python`: the Python
 * that the user asks for; `bundle`: what is unpacked.
 */
export function openPackageStore(
  context: Context,
  { python, bundle }: Pick<RegistriesOptions, 'python' | 'bundle'> = {},
): PackageStore {
  const progress = (step: string): void => {
    if (!context.json) context.terminal.err(`warder: ${step}`);
  };
  const runScripts = sandboxedScripts(context.places, homedir());
  return new PackageStore({
    places: context.places,
    clock,
    registry: userRegistries({ env: process.env, progress, runScripts, python, bundle }),
    progress,
  });
}

/** Whether scripts that are not named are skipped: none runs unless somebody names some, and then has to decide on the others. */
export function skipsOthers(allow: readonly string[], withoutScripts: boolean): boolean {
  return withoutScripts || allow.length === 0;
}
