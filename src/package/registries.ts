// The registries that packages come from.
import type { BundleSource } from './bundle.ts';
import { bundleRegistry } from './mcpb/registry.ts';
import { npmRegistry } from './npm/registry.ts';
import { Pythons } from './pypi/python.ts';
import { pypiRegistry } from './pypi/registry.ts';
import type { OpenRegistry, Registry, ScriptRunner } from './registry.ts';

/** What the registries need. */
export interface RegistriesOptions {
  /** The user's environment, for npm and pip. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Called with each step, to show progress, and with notes that the user has to see. */
  readonly progress: (text: string, isNote?: boolean) => void;
  /** Runs the install scripts that the user allowed, confined. */
  readonly runScripts: ScriptRunner;
  /** The Python for packages of PyPI: a version, a name or a path; by default the one of the lock, or `python3`. */
  readonly python?: string | undefined;
  /** The bundle that is installed, if one is. */
  readonly bundle?: BundleSource | undefined;
}

/** The registries as the user's own clients are set up for them. */
export function userRegistries(options: RegistriesOptions): OpenRegistry {
  const { env, progress, runScripts, python, bundle } = options;
  const open = {
    npm: () => npmRegistry({ env, progress, runScripts }),
    pypi: () => pypiRegistry({ env, progress, python }),
    mcpb: () => bundleRegistry({ source: bundle, env, progress, python, pythons: new Pythons() }),
  };
  const opened = new Map<string, Registry>();
  return (name) => {
    const registry = opened.get(name) ?? open[name]();
    opened.set(name, registry);
    return registry;
  };
}
