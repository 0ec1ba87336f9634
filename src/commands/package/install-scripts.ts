// Runs install scripts in a sandbox, with the tree to write to.
import type { ScriptRun, ScriptRunner } from '../../package/registry.ts';
import type { Places } from '../../wire/places.ts';
import { runConfined } from './confined-run.ts';

/** How long all scripts of a package may take. Milliseconds. */
const TIMEOUT = 10 * 60_000;

/** How much of their output is kept, in characters. */
const MAX_OUTPUT = 64 * 1024;

/** A runner of install scripts. It throws `sandbox-unavailable` where there is no sandbox without a network. */
export function sandboxedScripts(places: Places, home: string): ScriptRunner {
  return ({ tree, file, args }: ScriptRun) =>
    runConfined(
      {
        title: 'install scripts',
        file,
        args,
        cwd: tree,
        env: { npm_config_offline: 'true', npm_config_update_notifier: 'false' },
        roots: [],
        writableRoots: [tree],
      },
      { places, home },
      async (child, confined) => {
        let output = '';
        for (const stream of [child.stdout, child.stderr]) {
          stream.on('data', (chunk: Buffer) => {
            output = (output + chunk.toString('utf8')).slice(-MAX_OUTPUT);
          });
          stream.resume();
        }
        child.stdin.end();
        const timer = setTimeout(() => confined.signal('SIGKILL'), TIMEOUT);
        try {
          const { code } = await child.ended;
          return { code, output };
        } finally {
          clearTimeout(timer);
        }
      },
    );
}
