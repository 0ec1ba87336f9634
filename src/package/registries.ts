// The registries that packages come from.
import { npmRegistry } from './npm/registry.ts';
import { pypiRegistry } from './pypi/registry.ts';
import type { OpenRegistry, Registry, ScriptRunner } from './registry.ts';

/** What the registries need. */
export interface RegistriesOptions {
  /** The user's environment, for npm and pip. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Called with each step, to show progress. */
  readonly progress: (step: string) => void;
  /** Runs the install scripts that the user allowed, confined. */
  readonly runScripts: ScriptRunner;
  /** The Python for packages of PyPI: a version, a name or a path; by default the one of the lock, or `python3`. */
  readonly python?: string | undefined;
}

/** The registries as the user's own clients are set up for them. */
export function userRegistries({ env, progress, runScripts, python }: RegistriesOptions): OpenRegistry {
  const opened = new Map<string, Registry>();
  return (name) => {
    const registry =
      opened.get(name) ??
      (name === 'npm' ? npmRegistry({ env, progress, runScripts }) : pypiRegistry({ env, progress, python }));
    opened.set(name, registry);
    return registry;
  };
}
