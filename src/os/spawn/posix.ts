// Starts programs by posix_spawn(3). The C library lets the child run in this process's memory until it is the program, and
// the thread waits for that: less than a millisecond, however large this process is, but several on a machine on which many
// programs start at once. So of those only the first is waited for here, and the others by threads of the pool.
import { closeSync } from 'node:fs';
import { type OnReadOpts, Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import { DirectWrites } from '../direct-writes.ts';
import type { Child, Reader, SpawnOptions } from '../program.ts';
import { Endings } from './endings.ts';

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const F_DUPFD_CLOEXEC = 1030;
const ENOEXEC = 8;
const EINVAL = 22;
/** What a script runs under whose first line names nothing. */
const SHELL = '/bin/sh';

/** POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID */
const FLAGS = 0x04 | 0x08 | 0x80;
/**
 * Milliseconds after the start of a program within which another one belongs to the same burst. More than those by which starts are
 * spread: a child that waits for a processor holds up no call of another session.
 */
const BURST = 100;
/** How many threads of the pool start programs. It has four. */
const MAX_THREADS = 3;
/** More characters than that do not fit in what a call in a thread is given. */
const MAX_THREAD_TEXT = 16_384;

/** More bytes than any C library needs: glibc's take 80, 336 and 128. */
const ACTIONS_SIZE = 512;
const ATTRIBUTES_SIZE = 1024;
const SIGNALS_SIZE = 256;

/**
 * As `Spawn`. Undefined where the system is not Linux, the C library cannot be called, or it is too old to begin a session or to
 * change the folder (glibc before 2.29).
 */
export async function loadPosixSpawn(): Promise<((options: SpawnOptions) => Promise<Child>) | undefined> {
  // Another thread is told of no signal.
  if (process.platform !== 'linux' || !isMainThread) return undefined;
  try {
    return bind((await import('koffi')).default);
  } catch {
    return undefined;
  }
}

function bind(koffi: typeof import('koffi')['default']): (options: SpawnOptions) => Promise<Child> {
  const library = koffi.load(null);
  const posixSpawn = library.func(
    'int posix_spawn(int *pid, const char *path, const void *actions, const void *attributes, const char **argv, const char **envp)',
  );
  const actionsInit = library.func('int posix_spawn_file_actions_init(void *actions)');
  const actionsDestroy = library.func('int posix_spawn_file_actions_destroy(void *actions)');
  const addDup = library.func('int posix_spawn_file_actions_adddup2(void *actions, int from, int to)');
  const addFolder = library.func('int posix_spawn_file_actions_addchdir_np(void *actions, const char *path)');
  const attributesInit = library.func('int posix_spawnattr_init(void *attributes)');
  const setFlags = library.func('int posix_spawnattr_setflags(void *attributes, short flags)');
  const setDefaults = library.func(
    'int posix_spawnattr_setsigdefault(void *attributes, const void *signals)',
  );
  const socketpair = library.func('int socketpair(int family, int type, int protocol, void *pair)');
  const duplicate = library.func('int fcntl(int descriptor, int command, int least)');
  const endings = new Endings(library);

  // Nothing that is set here changes later: no signal is blocked or ignored, and the child begins a session.
  const attributes = Buffer.alloc(ATTRIBUTES_SIZE);
  const signals = Buffer.alloc(SIGNALS_SIZE, 0xff);
  const refused =
    attributesInit(attributes) !== 0 ||
    setDefaults(attributes, signals) !== 0 ||
    setFlags(attributes, FLAGS) !== 0;
  if (refused) throw new Error('the C library is too old');

  const threads = new Threads();
  let last = Number.NEGATIVE_INFINITY;

  const pairOf = (): readonly [own: number, given: number] => {
    const pair = Buffer.alloc(8);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) !== 0) throw systemError(koffi.errno());
    return [pair.readInt32LE(0), pair.readInt32LE(4)];
  };

  return async ({ file, args, cwd, env, descriptors = [], reader }) => {
    const own: number[] = [];
    const given: number[] = [];
    /** Descriptors whose numbers the child's would take. */
    const moved: number[] = [];
    const actions = Buffer.alloc(ACTIONS_SIZE);
    let made = false;
    try {
      const wanted = ['pipe' as const, 'pipe' as const, 'pipe' as const, ...descriptors];
      const sources = wanted.map((entry) => {
        if (entry !== 'pipe') return entry;
        const [mine, theirs] = pairOf();
        own.push(mine);
        given.push(theirs);
        return theirs;
      });
      check(actionsInit(actions));
      made = true;
      for (const [to, source] of sources.entries()) {
        let from = source;
        if (from < sources.length) {
          from = duplicate(source, F_DUPFD_CLOEXEC, sources.length);
          if (from < 0) throw systemError(koffi.errno());
          moved.push(from);
        }
        check(addDup(actions, from, to));
      }
      check(addFolder(actions, cwd));
      const words = [file, ...args];
      const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
      if ([cwd, ...words, ...variables].some((text) => text.includes('\0'))) throw systemError(EINVAL);
      const pid = Buffer.alloc(4);
      const isBurst = performance.now() - last < BURST;
      last = performance.now();
      const length = [...words, ...variables].reduce((sum, text) => sum + text.length, 0);
      const run = (path: string, argv: readonly string[]): number | Promise<number> => {
        const given = [pid, path, actions, attributes, [...argv, null], [...variables, null]] as const;
        return isBurst && length < MAX_THREAD_TEXT ? threads.call(posixSpawn, given) : posixSpawn(...given);
      };
      const failure = await run(file, words);
      check(failure === ENOEXEC ? await run(SHELL, [SHELL, ...words]) : failure);
      return childOf(pid.readInt32LE(0), own.splice(0), sources, given, endings, reader);
    } finally {
      if (made) actionsDestroy(actions);
      for (const descriptor of [...own, ...given, ...moved]) closeSync(descriptor);
    }
  };
}

/** Threads of the pool that call the C library. They live as long as this process: a child may want to end with its parent thread. */
class Threads {
  #busy = 0;
  readonly #waiting: (() => void)[] = [];

  async call(
    called: Pick<ReturnType<import('koffi').LibraryHandle['func']>, 'async'>,
    given: readonly unknown[],
  ): Promise<number> {
    while (this.#busy >= MAX_THREADS) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#busy++;
    try {
      return await new Promise((resolve, reject) => {
        called.async(...given, (error: Error | null, result: number) => {
          if (error === null) resolve(result);
          else reject(error);
        });
      });
    } finally {
      this.#busy--;
      this.#waiting.shift()?.();
    }
  }
}

/** `own`: this side's ends of the pipes, in order. `given`: the child's ends. */
function childOf(
  pid: number,
  own: number[],
  sources: readonly number[],
  given: readonly number[],
  endings: Endings,
  reader: Reader | undefined,
): Child {
  const ended = endings.of(pid);
  const [input] = own;
  const stdio = sources.map((source, at) => {
    if (!given.includes(source)) return null;
    const fd = own.shift() as number;
    const onread = at === 1 ? reader && onreadOf(reader) : undefined;
    return new Socket({ fd, readable: at > 0, writable: at === 0 || at > 2, ...(onread && { onread }) });
  });
  const [stdin, stdout, stderr] = stdio as [Socket, Socket, Socket];
  // A child that closes its stdin, or ends, is not an error here.
  stdin.on('error', () => {});
  void ended.then(() => stdin.destroy());
  const direct = input === undefined ? undefined : new DirectWrites(stdin, input);
  return { pid, stdin, direct, stdout, isRead: reader !== undefined, stderr, stdio, ended };
}

function onreadOf(reader: Reader): OnReadOpts {
  return {
    buffer: () => reader.room(),
    callback: (length, room) => {
      reader.take(length, room as Buffer);
      return true;
    },
  };
}

function check(failure: number): void {
  if (failure !== 0) throw systemError(failure);
}

function systemError(number: number): Error {
  return Object.assign(new Error('the system starts no program'), { code: getSystemErrorName(-number) });
}
