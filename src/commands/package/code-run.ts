// Runs a package's server so that Node writes its code cache (src/package/code-cache.ts): in a sandbox that has the package
// and the cache's empty folder, without a network, a credential, an argument or a variable of the user's. The server is asked
// who it is and what it lists, as a host does, so that what V8 compiles only when it is called is in the cache too.
import { bytesIn, type CodeRunner, MAX_CODE } from '../../package/code-cache.ts';
import type { Places } from '../../wire/places.ts';
import { runConfined } from './confined-run.ts';

/** Milliseconds for its answers. One without arguments or a key may give none. */
const ANSWER = 10_000;
/** Milliseconds until it has ended by the end of its input, and then by the signal. */
const END = 5000;
/** Milliseconds between two looks at how much it has written. */
const LOOK = 100;
/** Characters in which an answer is searched. */
const WINDOW = 64;

const REQUESTS = [
  {
    id: 1,
    method: 'initialize',
    params: {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'warder', version: '1' },
    },
  },
  { method: 'notifications/initialized' },
  { id: 2, method: 'tools/list' },
]
  .map((message) => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
  .join('');
const ANSWERED = /"id":\s*2\b/;

/** Node writes the cache when it ends, but not where a signal ends it. */
const FLUSH = `data:text/javascript,${encodeURIComponent(
  `import { flushCompileCache } from 'node:module';
process.once('SIGTERM', () => { flushCompileCache(); process.exit(0); });`,
)}`;

/** A runner that throws `sandbox-unavailable` where there is no sandbox without a network. */
export function sandboxedCode(places: Places, home: string): CodeRunner {
  return ({ root, folder, args }) =>
    runConfined(
      {
        title: 'the compiling of modules',
        file: process.execPath,
        args: ['--import', FLUSH, ...args],
        cwd: undefined,
        env: { NODE_COMPILE_CACHE: folder },
        roots: [root],
        writableRoots: [folder],
      },
      { places, home },
      async (child, confined) => {
        const kill = (): void => confined.signal('SIGKILL');
        const watch = setInterval(() => {
          if (bytesIn(folder) > MAX_CODE) kill();
        }, LOOK);
        const ended = child.ended.then(() => true);
        const within = async (ms: number, event: Promise<unknown>): Promise<boolean> => {
          const { promise, resolve } = Promise.withResolvers<boolean>();
          const timer = setTimeout(() => resolve(false), ms);
          const isThere = await Promise.race([event.then(() => true), ended, promise]);
          clearTimeout(timer);
          return isThere;
        };
        try {
          child.stderr.resume();
          const answered = new Promise<void>((resolve) => {
            let window = '';
            child.stdout.on('data', (chunk: Buffer) => {
              const text = window + chunk.toString('latin1');
              if (ANSWERED.test(text)) resolve();
              window = text.slice(-WINDOW);
            });
          });
          child.stdout.resume();
          child.stdin.write(REQUESTS);
          await within(ANSWER, answered);
          child.stdin.end();
          if (!(await within(END, ended))) confined.signal('SIGTERM');
          if (!(await within(END, ended))) kill();
          await ended;
        } finally {
          clearInterval(watch);
        }
      },
    );
}
