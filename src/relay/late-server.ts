// A server of a session that is started when something needs it, as the session has it: see upstream/late-start.ts.
import type { RecordedAnswers } from './recorded-answers.ts';
import type { NewServer } from './upstream/rotation.ts';

/** A server that is started later. */
export interface LateServer {
  /** The host that is answered in its place: see `hostOfRequest`. */
  readonly host: string;
  /** What a host is answered, as it is known now; undefined: nothing is, or it counts no more. */
  readonly answers: (host: string) => RecordedAnswers | undefined;
  /** Starts it. Throws what starting it does. */
  readonly start: () => Promise<NewServer>;
  /** The first request that acts is let through: from now on the server may use what was kept from it. Called again. */
  readonly acts: () => void;
  /** It was started and is not used, for that reason. `isOther`: it is not as it was known. */
  readonly failed: (reason: string, isOther: boolean) => void;
}

/** What becomes of a server that is not used. */
export interface IdleServer {
  /** Milliseconds after which it is ended. */
  readonly after: number;
  /** It is to be ended. Returns what starts it again for a host; undefined: it cannot be ended. */
  readonly end: (host: string) => LateServer | undefined;
}
