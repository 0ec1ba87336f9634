// An older daemon gives way to a newer program: it lets go of the lock and of the socket, keeps its sessions with its own
// build's files, and ends after the last of them. The client that asked for it starts the new daemon, unless there is
// something to pass on that only the user could give again: the keys of a vault that a passphrase opened. Then the old
// daemon starts the new one itself, from its own folder of builds, and passes them by a pipe: whoever asks, over the
// socket, gets nothing, and nothing is on the disk.
import { setTimeout as delay } from 'node:timers/promises';
import { WarderError } from '../errors.ts';
import { buildState, newestDaemonFile } from '../os/build.ts';
import { daemonCommand, startDaemon } from '../os/connect.ts';
import { acquireLock, type Lock } from '../os/lock.ts';
import type { Log } from '../os/log.ts';
import { retiredLock, retiredSocket } from '../os/retired.ts';
import { control, type Handlers } from '../wire/control.ts';
import { WIRE_VERSION } from '../wire/frame.ts';
import type { HandOver, HandOverAnswer, Inheritance } from '../wire/hello.ts';
import type { Places } from '../wire/places.ts';
import type { DaemonSocket } from './daemon-socket.ts';

export interface RetirementParts {
  readonly places: Places;
  readonly version: string;
  readonly log: Log;
  /** The daemon's lock. */
  readonly lock: Lock;
  readonly socket: () => DaemonSocket;
  /** How many sessions are open or being opened. */
  readonly sessions: () => number;
  readonly rooms: RetiringRooms;
  stop(reason: string): void;
  readonly stopping: () => boolean;
}

/** What the rooms do for a hand-over. */
export interface RetiringRooms {
  /**
   * Another daemon takes over the lock: from now on both append to the audit log, and the other one signs it and writes what
   * people accept and answer. Settles once what was accepted before is written, or that takes too long.
   */
  retire(): Promise<void>;
  /** What is named was changed through another daemon. Counts what that did to sessions. */
  refresh(what: Refresh): Promise<Omit<HandOverAnswer, 'pid'>>;
  /** The sessions, for whoever asks a daemon that has handed over. */
  list(): readonly object[];
  /** Ends a session. Throws `usage` if there is none. */
  end(session: string): unknown;
  /** What of the control API is asked of a daemon that has handed over too. */
  readonly handlers: Pick<Handlers, 'approvals.list' | 'approvals.answer' | 'grants.list'>;
  /** What the next daemon gets from this one. */
  inheritance(): Inheritance | undefined;
}

/** What another daemon has changed, beside the locks. */
export type Refresh = Pick<HandOver, 'credential' | 'revoked' | 'trust' | 'grants' | 'grant'>;

/** Milliseconds that the new daemon has to start before whoever asked for it is answered. */
const START_TIMEOUT = 4000;

/** A daemon's giving way. A lock of its own says that it goes on with its sessions. */
export class Retirement implements Disposable {
  readonly #parts: RetirementParts;
  #record: Lock | undefined;
  #retiring: Promise<void> | undefined;

  constructor(parts: RetirementParts) {
    this.#parts = parts;
  }

  /** Whether the lock is another daemon's. */
  get done(): boolean {
    return this.#record !== undefined;
  }

  [Symbol.dispose](): void {
    this.#record?.[Symbol.dispose]();
  }

  /** Answers a program of another version: gives way to it, or, once that is done, tells and does what it asks. */
  async answer(request: HandOver): Promise<HandOverAnswer> {
    const { ask, wire, session = '', watch = false, seen, answer: given, ...what } = request;
    const { version, sessions, rooms, stop } = this.#parts;
    const answer = { pid: process.pid, version, sessions: sessions() };
    if (ask === 'stop') setImmediate(stop, 'requested');
    else if (ask === 'refresh') return { ...answer, ...(await rooms.refresh(what)) };
    else if (ask === 'hand-over') await this.#handOver(wire);
    else if (ask === 'end') rooms.end(session);
    else if (ask === 'questions') {
      const { questions } = await rooms.handlers['approvals.list']({
        watch,
        ...(seen && { seen: [...seen] }),
      });
      return { ...answer, questions };
    } else if (ask === 'grants') return { ...answer, ...(await rooms.handlers['grants.list']({})) };
    else if (ask === 'answer') await this.#answerQuestion(given);
    else return { ...answer, list: rooms.list() };
    return answer;
  }

  async #answerQuestion(given: unknown): Promise<void> {
    const { data } = control['approvals.answer'].params.safeParse(given);
    if (data === undefined) throw new WarderError('wire-malformed', 'the HAND_OVER has no answer');
    await this.#parts.rooms.handlers['approvals.answer'](data);
  }

  async #handOver(clientWire: number): Promise<void> {
    const { sessions, stopping, stop, socket } = this.#parts;
    const build = buildState();
    if (clientWire <= WIRE_VERSION && build === 'current')
      throw new WarderError('daemon-version', 'the daemon is not older than this program');
    const alone = sessions() === 0 && (socket().activated || this.#parts.rooms.inheritance() === undefined);
    if (stopping() || alone) {
      stop('handed over');
      return;
    }
    if (socket().activated) {
      // systemd would start no other daemon while this one runs.
      throw new WarderError('daemon-version', `the older daemon has ${sessions()} open sessions`, {
        hint: 'end them, or run "systemctl --user restart warder.service"',
      });
    }
    this.#retiring ??= this.#retire();
    await this.#retiring;
  }

  async #retire(): Promise<void> {
    const { places, socket, stopping, rooms, lock, log, sessions, stop } = this.#parts;
    const leave = await socket().move(retiredSocket(places, process.pid));
    const record = acquireLock(retiredLock(places, process.pid));
    if (!('owner' in record)) throw new TypeError("a lock that is named by a pid is that process's own");
    this.#record = record;
    // It waits for the lock before anybody else can have it.
    const successor = await this.#startSuccessor();
    // Whoever comes later finds the lock until the other daemon may have it.
    await leave();
    if (stopping()) return;
    await rooms.retire();
    lock[Symbol.dispose]();
    log.info({ sessions: sessions() }, 'handed over to a newer daemon');
    await successor?.ready;
    if (sessions() === 0) stop('handed over');
  }

  /**
   * Starts the next daemon if there is something to pass on. Settles when that waits for the lock; its `ready` does when it
   * serves. Neither rejects, nor takes longer than its time: the user may give it again.
   */
  async #startSuccessor(): Promise<{ readonly ready: Promise<unknown> } | undefined> {
    const { rooms, log } = this.#parts;
    const given = rooms.inheritance();
    if (given === undefined || buildState() === 'current') return undefined;
    const waiting = Promise.withResolvers<void>();
    const starting = async (): Promise<void> => {
      try {
        const command = [...daemonCommand(process.execPath, newestDaemonFile()), '--report', '--inherit'];
        await startDaemon(command, process.env, {
          input: JSON.stringify(given),
          onWaiting: waiting.resolve,
        });
      } catch (error) {
        log.warn(
          { error: String(error) },
          'the newer daemon does not start with what it would have been passed',
        );
      }
    };
    const limit = delay(START_TIMEOUT, undefined, { ref: false });
    const ready = Promise.race([starting(), limit]);
    await Promise.race([waiting.promise, ready]);
    return { ready };
  }
}
