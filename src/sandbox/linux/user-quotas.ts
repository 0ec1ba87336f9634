// What the kernel counts for a user, and not for a sandbox: inotify instances (inotify(7)), pages of pipes (pipe(7)), and
// descriptors in flight (unix(7), SCM_RIGHTS; counted against the open files of whoever sends next). A server that uses
// them up takes them from the user's desktop, and no limit of a process bounds them. So they are counted while the server
// runs, and a server with more than half of what the user has is ended. What it queues as signals and messages is bounded
// by limits of its own (limits.ts), and the filter lets no pipe grow.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { WarderError } from '../../errors.ts';
import type { ProcessIdentity } from './process.ts';

/** How many a server may have. */
export interface UserQuotas {
  readonly inotify: number;
  readonly pipes: number;
  readonly inFlight: number;
}

/** Milliseconds between two counts, and how many times longer than a count the pause is at least. */
const INTERVAL = 1000;
const PAUSE_FACTOR = 20;

/** How many descriptors are looked at in one turn of the event loop. */
const SLICE = 128;

/** Pages of a pipe, and the kernel's own defaults for a user. */
const PIPE_PAGES = 16;
const DEFAULT_INSTANCES = 128;
const DEFAULT_PIPE_PAGES = 16_384;
/** How many files a desktop's program may usually have open: so many descriptors in flight, and it can pass none. */
const USUAL_FILES = 1024;

const NAMES: Readonly<Record<keyof UserQuotas, string>> = {
  inotify: 'inotify instances',
  pipes: 'pipes',
  inFlight: 'descriptors in flight',
};

/** Half of what the kernel allows a user. */
function halfOfQuotas(): UserQuotas {
  const setting = (name: string, usual: number): number => {
    try {
      return Number(readFileSync(`/proc/sys/fs/${name}`, 'utf8')) || usual;
    } catch {
      return usual;
    }
  };
  return {
    inotify: Math.floor(setting('inotify/max_user_instances', DEFAULT_INSTANCES) / 2),
    pipes: Math.floor(setting('pipe-user-pages-soft', DEFAULT_PIPE_PAGES) / PIPE_PAGES / 2),
    inFlight: USUAL_FILES / 2,
  };
}

/** Counts what processes have, until one count exceeds `most`. A pipe or a socket that several have counts once. */
async function countQuotas(processes: readonly ProcessIdentity[], most: UserQuotas): Promise<UserQuotas> {
  const pipes = new Set<string>();
  const sockets = new Set<string>();
  let [inotify, inFlight, looked] = [0, 0, 0];
  for (const { pid } of processes) {
    const folder = `/proc/${pid}`;
    // A descriptor may be closed, and a process may end, between two looks.
    for (const descriptor of attempt(() => readdirSync(`${folder}/fd`)) ?? []) {
      if (++looked % SLICE === 0) await setImmediate();
      const link = attempt(() => readlinkSync(`${folder}/fd/${descriptor}`)) ?? '';
      if (link.startsWith('pipe:')) pipes.add(link);
      if (link === 'anon_inode:inotify' || link === 'inotify') inotify++;
      if (link.startsWith('socket:') && !sockets.has(link)) {
        sockets.add(link);
        const info = attempt(() => readFileSync(`${folder}/fdinfo/${descriptor}`, 'latin1')) ?? '';
        inFlight += Number(/^scm_fds:\s*(\d+)/m.exec(info)?.[1] ?? 0);
      }
      if (inotify > most.inotify || pipes.size > most.pipes || inFlight > most.inFlight) break;
    }
  }
  return { inotify, pipes: pipes.size, inFlight };
}

/** Counts what a server has while it runs. */
export class QuotaWatch {
  readonly #stop = new AbortController();

  /** `onExceeded` is called once. */
  constructor(
    profile: string,
    processes: () => readonly ProcessIdentity[],
    onExceeded: (error: WarderError) => void,
    most: UserQuotas = halfOfQuotas(),
  ) {
    void this.#repeat(profile, processes, onExceeded, most);
  }

  /** Stops counting. */
  end(): void {
    this.#stop.abort();
  }

  async #repeat(
    profile: string,
    processes: () => readonly ProcessIdentity[],
    onExceeded: (error: WarderError) => void,
    most: UserQuotas,
  ): Promise<void> {
    let pause = INTERVAL;
    try {
      for (;;) {
        await setTimeout(pause, undefined, { ref: false, signal: this.#stop.signal });
        const began = performance.now();
        const use = await countQuotas(processes(), most);
        pause = Math.max(INTERVAL, PAUSE_FACTOR * (performance.now() - began));
        const name = (['inotify', 'pipes', 'inFlight'] as const).find((kind) => use[kind] > most[kind]);
        if (name === undefined || this.#stop.signal.aborted) continue;
        onExceeded(
          new WarderError(
            'server-overuse',
            `the session of "${profile}" was ended: its server had more than ${most[name]} ${NAMES[name]}, which the kernel takes from all of your programs`,
            { hint: 'the server has a fault, or does harm: look at what it does' },
          ),
        );
        return;
      }
    } catch {
      // The end.
    }
  }
}

function attempt<T>(get: () => T): T | undefined {
  try {
    return get();
  } catch {
    return undefined;
  }
}
