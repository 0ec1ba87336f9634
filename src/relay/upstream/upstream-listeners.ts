// What a session does with what a server sends: all of it from the server that has the session; of one that had it, or did
// not get it, only what it writes to standard error.
import { type Inbox, LONG } from '../flow/inbox.ts';
import type { Intake } from '../flow/intake.ts';
import type { LongAnswer } from '../flow/long-answer.ts';
import type { Stderr } from '../flow/stderr.ts';
import type { Shutdown } from '../shutdown.ts';
import type { CheckedAnswers } from '../trust/checked-answers.ts';
import type { Upstream, UpstreamListener } from '../upstream.ts';
import type { OwnRequests } from './own-requests.ts';
import type { UpstreamWaits } from './upstream-waits.ts';

export interface UpstreamListenersOptions {
  readonly shutdown: Shutdown;
  readonly serverInbox: Inbox<LongAnswer>;
  readonly intake: Intake;
  readonly stderr: Stderr;
  readonly ownRequests: OwnRequests;
  readonly waits: UpstreamWaits;
  readonly answers: CheckedAnswers;
  /** Writes what there is, and reads on. */
  readonly settle: () => void;
  /** Reads on where that is in order. */
  readonly steer: () => void;
}

export class UpstreamListeners {
  readonly #options: UpstreamListenersOptions;

  constructor(options: UpstreamListenersOptions) {
    this.#options = options;
  }

  /** Owns the server that has the session. */
  owner(from: Upstream): UpstreamListener {
    const { shutdown, serverInbox, intake, waits, answers, settle } = this.#options;
    return {
      message: (bytes, start, end) => {
        if (!shutdown.isOver) serverInbox.line(bytes, start, end);
      },
      oversize: (line) => serverInbox.oversize(line),
      begun: (line) => {
        if (!shutdown.isOver) serverInbox.begun(line);
      },
      dropped: () => serverInbox.dropped(),
      taken: (bytes, begun) => intake.line(bytes, begun > LONG),
      stderr: (chunk) => this.#passStderr(from, chunk),
      waiting: (id, text) => {
        if (shutdown.isOver) return;
        waits.waiting(id, text);
        settle();
      },
      introduced: (result) => {
        if (!shutdown.isOver) answers.introduced(result);
      },
      settle,
      drained: settle,
      closed: () => shutdown.serverClosed(from),
      ended: () => shutdown.serverEnded(from),
    };
  }

  /** Owns a server that had the session, or did not get it. */
  retired(from: Upstream): UpstreamListener {
    return {
      message: () => {},
      oversize: () => {},
      taken: () => {},
      stderr: (chunk) => this.#passStderr(from, chunk),
      waiting: () => {},
      introduced: () => {},
      settle: () => {},
      drained: () => {},
      closed: () => {},
      ended: () => {
        this.#options.ownRequests.abandon(from);
        this.#endStderr(from);
      },
    };
  }

  #passStderr(from: Upstream, chunk: Buffer): void {
    const { shutdown, stderr, intake, steer } = this.#options;
    if (shutdown.isOver) return;
    stderr.pass(from, chunk);
    intake.stderr(chunk.length);
    steer();
  }

  #endStderr(from: Upstream): void {
    const { shutdown, stderr, steer } = this.#options;
    if (shutdown.isOver) return;
    stderr.end(from);
    steer();
  }
}
