// A session's host for the bench of isolation, which outlives whatever happens to its session.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds after which a call counts as lost. */
export const LOST = 20_000;

export const initialize = {
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: { name: 'bench', version: '1' },
};

export class Host {
  #child;
  #id = 0;
  #waiting = new Map();
  isEnded = false;

  constructor(command, env, readsStderr = true) {
    this.#child = spawn(command[0], command.slice(1), {
      env,
      stdio: ['pipe', 'pipe', readsStderr ? 'pipe' : 'ignore'],
    });
    this.ended = new Promise((resolve) =>
      this.#child.once('close', () => {
        this.isEnded = true;
        resolve();
      }),
    );
    for (const stream of this.#child.stdio) stream?.on('error', () => {});
    this.#child.stderr?.resume();
  }

  /** Reads answers: only the quiet session does. */
  read() {
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const { id } = JSON.parse(line);
      this.#waiting.get(id)?.();
      this.#waiting.delete(id);
    });
    return this;
  }

  /** Reads and drops answers. Resolves at each end of a line, as often as `next` is called. */
  skim() {
    this.#child.stdout.on('data', (chunk) => {
      if (chunk.includes(10)) this.#waiting.get('line')?.();
    });
    return this;
  }

  /** Calls back with the number of lines that have come. */
  onLines(listener) {
    this.#child.stdout.on('data', (chunk) => {
      let lines = 0;
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines++;
      if (lines > 0) listener(lines);
    });
  }

  /** Reads nothing any more. */
  pause() {
    this.#child.stdout.removeAllListeners('data').pause();
  }

  nextLine() {
    return Promise.race([
      new Promise((resolve) => this.#waiting.set('line', resolve)),
      this.ended,
      sleep(LOST),
    ]);
  }

  send(message) {
    return this.#child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  }

  drained() {
    return Promise.race([new Promise((resolve) => this.#child.stdin.once('drain', resolve)), this.ended]);
  }

  /** Milliseconds of a request; `LOST` without an answer. */
  async call(method, params) {
    const id = ++this.#id;
    const answered = new Promise((resolve) => this.#waiting.set(id, resolve));
    const lost = new AbortController();
    const from = performance.now();
    this.send({ id, method, params });
    const timeout = sleep(LOST, undefined, { signal: lost.signal }).catch(() => {});
    await Promise.race([answered, this.ended, timeout]);
    lost.abort();
    return this.#waiting.has(id) ? LOST : performance.now() - from;
  }

  kill() {
    this.#child.kill('SIGKILL');
  }
}
