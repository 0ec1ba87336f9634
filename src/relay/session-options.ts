// What a session is made of, and what it is like: see session.ts.
import type { BackgroundDigests } from '../os/background-digest.ts';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import type { Profile, ProfilePolicy } from '../profile/format.ts';
import type { Budgets } from './budgets.ts';
import type { Consent } from './consent.ts';
import type { HostEnd } from './endpoint.ts';
import type { IdleServer, LateServer } from './late-server.ts';
import type { AnswerBookOptions } from './lists/answer-book.ts';
import type { Neighbours } from './neighbours.ts';
import type { SessionLog } from './recorder.ts';
import type { Trust } from './trust.ts';
import type { Redaction } from './upstream/current.ts';
import type { SessionServer } from './upstream.ts';

export interface SessionOptions {
  /** Unique in the audit log. */
  readonly id: string;
  /** The profile's name. */
  readonly profile: string;
  readonly policy: ProfilePolicy;
  readonly host: HostEnd;
  /** Running, or started when something needs it. */
  readonly server: SessionServer | LateServer;
  /** Whether it is ended once it is not used; undefined: never before the session. */
  readonly idle?: IdleServer | undefined;
  /** Where its answers are kept for sessions to come, and whether it has used a credential already; undefined: nowhere. */
  readonly answers?: Pick<AnswerBookOptions, 'store' | 'isUsed'> | undefined;
  readonly audit: SessionLog;
  readonly auditSettings: Profile['audit'];
  readonly redactor: Redaction;
  readonly consent: Consent;
  readonly trust: Trust;
  readonly clock: Clock;
  /** The same for all sessions of the daemon. */
  readonly neighbours: Neighbours;
  readonly log: Log;
  /** Those not set are as in `BUDGETS`. */
  readonly budgets: Partial<Budgets>;
  /** Called while a long line is read. By default nobody wants to know. */
  readonly onBulk?: (() => void) | undefined;
  /** Another thread digests long answers, if it can. */
  readonly digests?: BackgroundDigests | undefined;
}

/** What a session is like now. */
export interface Snapshot {
  readonly id: string;
  readonly profile: string;
  readonly pid: number | undefined;
  /** Tool calls so far, refused ones included. */
  readonly calls: number;
  /** Requests of the host that wait for their answer. */
  readonly inflight: number;
  readonly rotating: boolean;
  /** The longest time for which the session has held the event loop, in milliseconds. */
  readonly loop: number;
}
