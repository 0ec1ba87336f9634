// What differs between registries: how a package is resolved, and how it is installed. The store, its locks, its
// verification and its stamps are the same for all of them.
import type { WarderError } from '../errors.ts';
import type { Resolution } from './lock.ts';
import type { PackageSpec } from './spec.ts';

/** A registry of packages, used through its own client. It leaves its folders to the caller. */
export interface Registry {
  /**
   * Resolves a package and its dependencies to exact versions and hashes, in an empty folder. `before`: what the same
   * profile runs now. Runs nothing of the packages.
   */
  resolve(spec: PackageSpec, folder: string, before?: Resolution): Promise<Resolution>;
  /**
   * Installs exactly what was resolved into an empty folder, and returns the package's programs: name to path in the
   * folder. `scripts`: the packages whose install scripts run; those of others never do.
   */
  install(
    resolution: Resolution,
    spec: PackageSpec,
    root: string,
    scripts: readonly string[],
  ): Promise<Record<string, string>>;
}

/** Opens the registry of a package. It is called only if something has to be resolved or installed. */
export type OpenRegistry = (name: PackageSpec['registry']) => Registry;

/** What errors say of a registry that does not answer. */
export const UNREACHED = 'cannot be reached';

/** Whether a registry did not answer at all: then it has no other package either, and each would be asked for in vain for long. */
export function isUnreached({ code, message }: WarderError): boolean {
  return code === 'package-registry' && message.includes(UNREACHED);
}

/** A run of a registry's client that runs install scripts in a tree. */
export interface ScriptRun {
  readonly tree: string;
  /** The client's path, and its arguments. */
  readonly file: string;
  readonly args: readonly string[];
}

/** Runs a client for install scripts. Returns its exit code, null if a signal ended it, and its output. */
export type ScriptRunner = (
  run: ScriptRun,
) => Promise<{ readonly code: number | null; readonly output: string }>;

/** Which install scripts run: those of `allow`. Scripts of other packages are an error, or skipped. */
export interface ScriptChoice {
  readonly allow: readonly string[];
  readonly skipOthers: boolean;
}
