// Descriptors that native launchers hand over: a host's standard input and output, for the daemon to read and write itself.
//
// They come as datagrams to a socket of the daemon's own, `fds-PID` beside the one for connections, each with a one-time number.
// Nothing waits for them: the socket is read, without waiting, when a HELLO names a number, and when a connection ends that
// opened no session. A launcher sends them after it has connected and before its HELLO, so they are there by then.
//
// What came is judged. Both kinds can hold up the daemon. Whoever shares a socket's description may take away O_NONBLOCK, and the
// daemon's next write would wait for as long as nobody reads. Whoever writes to a pipe out of memory whose pages do not come
// (userfaultfd(2), FUSE) holds the pipe's lock, and who reads it waits without an end, O_NONBLOCK or not. So they are taken only
// of a process that could as well stop the daemon by a signal: one in its own namespaces, confined no more than it is. A pipe is
// opened anew, so that nobody else has the description. A socket cannot be: one whose flag is taken by mistake, as by a program
// that puts back the flags that it found, holds up the daemon for a moment. Its other side has no name: who handed over a
// connection to the daemon would have it keep its own session open. Files, terminals and devices are never taken. Linux only.
import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { confinementOf } from './confinement.ts';
import type { DescriptorCalls } from './descriptor-calls.ts';
import { isAlive } from './proc.ts';

/** A host's standard input and output. Whoever takes them closes them. */
export interface HostDescriptors {
  readonly input: number;
  readonly output: number;
}

interface Waiting extends HostDescriptors {
  /** The process that sent them, as the kernel says; 0: one in a namespace that cannot be seen from here. */
  readonly pid: number;
  readonly timer: NodeJS.Timeout;
}

/** Descriptors that wait for their HELLO, and how long they may, in milliseconds: of any more the oldest are closed. */
const MAX_WAITING = 32;
const MAX_WAIT = 5000;
/** Datagrams that are read at once: more than the kernel lets wait (net.unix.max_dgram_qlen, which is 512 with systemd). */
const MAX_READ = 1024;
const NAME = /^fds-(\d+)$/;
const ACCESS_MODE = 3;
const O_PATH = 0o10000000;
const { O_NONBLOCK, O_NOCTTY, O_RDONLY, O_WRONLY } = constants;

/** The daemon's socket for descriptors, and those that were sent and not yet claimed. */
export class DescriptorInbox implements Disposable {
  readonly #calls: DescriptorCalls;
  readonly #uid: number;
  readonly #path: string;
  readonly #socket: number;
  readonly #confinement = confinementOf(process.pid);
  /** By number. */
  readonly #waiting = new Map<string, Waiting>();

  /** Opens the daemon's own, beside its socket. Undefined where the system has no such thing, or it cannot be opened. */
  static open(calls: DescriptorCalls | undefined, socket: string, uid: number): DescriptorInbox | undefined {
    if (calls === undefined) return undefined;
    const folder = dirname(socket);
    const path = join(folder, `fds-${process.pid}`);
    let descriptor = -1;
    try {
      sweep(folder);
      descriptor = calls.open(path);
      if (descriptor < 0) return undefined;
      chmodSync(path, 0o600);
      return new DescriptorInbox(calls, uid, path, descriptor);
    } catch {
      // The folder cannot be read or changed, or it was changed meanwhile.
      if (descriptor >= 0) closeSync(descriptor);
      return undefined;
    }
  }

  private constructor(calls: DescriptorCalls, uid: number, path: string, socket: number) {
    this.#calls = calls;
    this.#uid = uid;
    this.#path = path;
    this.#socket = socket;
  }

  /** How many pairs wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** What a process has handed over under a number; undefined where there is nothing, or nothing that may be used. */
  take(number: string, pid: number | undefined): HostDescriptors | undefined {
    this.#read();
    const found = this.#waiting.get(number);
    if (pid === undefined || found?.pid !== pid) return undefined;
    this.#waiting.delete(number);
    clearTimeout(found.timer);
    const isAsFree = this.#isAsFree(pid);
    const input = this.#judged(found.input, O_RDONLY, isAsFree);
    const output = this.#judged(found.output, O_WRONLY, isAsFree);
    if (input !== undefined && output !== undefined) return { input, output };
    for (const descriptor of [input, output]) if (descriptor !== undefined) closeSync(descriptor);
    return undefined;
  }

  /** Closes what a process has handed over that opens no session. */
  release(pid: number | undefined): void {
    this.#read();
    for (const [number, waiting] of this.#waiting) if (waiting.pid === (pid ?? 0)) this.#drop(number);
  }

  [Symbol.dispose](): void {
    for (const number of [...this.#waiting.keys()]) this.#drop(number);
    closeSync(this.#socket);
    rmSync(this.#path, { force: true });
  }

  /** Reads what has come, as far as it is a launcher's. */
  #read(): void {
    for (let count = 0; count < MAX_READ; count++) {
      const message = this.#calls.receive(this.#socket);
      if (message === undefined) return;
      const { text, pid, uid, descriptors, isWhole } = message;
      const [input, output, ...more] = descriptors;
      const isValid = isWhole && uid === this.#uid && more.length === 0 && !this.#waiting.has(text);
      if (!isValid || input === undefined || output === undefined) {
        for (const descriptor of descriptors) closeSync(descriptor);
        continue;
      }
      const timer = setTimeout(() => this.#drop(text), MAX_WAIT).unref();
      this.#waiting.set(text, { input, output, pid, timer });
      const [oldest = ''] = this.#waiting.keys();
      if (this.#waiting.size > MAX_WAITING) this.#drop(oldest);
    }
  }

  #drop(number: string): void {
    const waiting = this.#waiting.get(number);
    if (waiting === undefined) return;
    this.#waiting.delete(number);
    clearTimeout(waiting.timer);
    closeSync(waiting.input);
    closeSync(waiting.output);
  }

  /** Whether a process is kept from nothing from which the daemon is not. */
  #isAsFree(pid: number): boolean {
    return this.#confinement !== undefined && this.#confinement === confinementOf(pid);
  }

  /** The descriptor to use in place of one that came, which is closed unless it is the same; undefined: neither. */
  #judged(descriptor: number, access: number, isAsFree: boolean): number | undefined {
    let own: number | undefined;
    try {
      if (!isAsFree) return undefined;
      const stats = fstatSync(descriptor);
      const flags = this.#calls.flags(descriptor);
      if ((flags & O_PATH) !== 0) return undefined;
      const link = `/proc/self/fd/${descriptor}`;
      // Who opens a pipe with a name anew does not see that its writer has gone before.
      if (stats.isFIFO() && (flags & ACCESS_MODE) === access && readlinkSync(link).startsWith('pipe:['))
        return openSync(link, access | O_NONBLOCK | O_NOCTTY);
      const isUsable = stats.isSocket() && this.#calls.isNamelessStream(descriptor);
      if (isUsable && this.#calls.limitWaiting(descriptor)) own = descriptor;
    } catch {
      // A pipe that nobody reads any more, or that belongs to another user.
    } finally {
      if (own === undefined) closeSync(descriptor);
    }
    return own;
  }
}

/** Removes the sockets of daemons that were killed. */
function sweep(folder: string): void {
  for (const name of readdirSync(folder)) {
    const pid = Number(NAME.exec(name)?.[1] ?? 0);
    if (pid === 0 || (pid !== process.pid && isAlive(pid))) continue;
    rmSync(join(folder, name), { force: true, recursive: true });
  }
}
