// A server of a session that is started when something needs it, as the session has it: see upstream/late-start.ts.
import type { KnownHost } from './recorded-answers.ts';
import type { NewServer } from './upstream/rotation.ts';

/** A server that is started later. */
export interface LateServer extends KnownHost {
  /** Starts it. Throws what starting it does. */
  readonly start: () => Promise<NewServer>;
  /** The first request that acts is let through: from now on the server may use what was kept from it. Called again. */
  readonly acts: () => void;
  /** It was started and is not used, for that reason. `isOther`: it is not as it was known. */
  readonly failed: (reason: string, isOther: boolean) => void;
}
