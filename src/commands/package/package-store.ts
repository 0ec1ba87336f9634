// The package store, opened for a command.
import { homedir } from 'node:os';
import { clock } from '../../os/clock.ts';
import { type RegistriesOptions, userRegistries } from '../../package/registries.ts';
import { PackageStore } from '../../package/store.ts';
import type { Context } from '../command.ts';
import type { Progress } from '../terminal/progress.ts';
import { sandboxedCode } from './code-run.ts';
import { sandboxedScripts } from './install-scripts.ts';

interface Opening extends Pick<RegistriesOptions, 'python' | 'bundle'> {
  /** Is told each step of what may take long. */
  readonly told?: Progress;
}

/**
 * Opens the package store for the command line: it may use the registries. `python`: the Python that the user asks for;
 * `bundle`: what is unpacked.
 */
export function openPackageStore(context: Context, { python, bundle, told }: Opening = {}): PackageStore {
  const progress = (text: string, isNote = false): void => {
    if (!isNote) told?.step(text);
    else if (!context.json)
      context.terminal.err(`${context.terminal.paint('yellow', 'warder: note:')} ${text}`);
  };
  const runScripts = sandboxedScripts(context.places, homedir());
  return new PackageStore({
    places: context.places,
    clock,
    registry: userRegistries({ env: process.env, progress, runScripts, python, bundle }),
    progress,
    runForCode: sandboxedCode(context.places, homedir()),
  });
}

/** Whether scripts that are not named are skipped: none runs unless somebody names some, and then has to decide on the others. */
export function skipsOthers(allow: readonly string[], withoutScripts: boolean): boolean {
  return withoutScripts || allow.length === 0;
}
