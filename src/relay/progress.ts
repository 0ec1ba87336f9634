// Progress of requests that wait for a person: whoever waits long is told so, and does not give up.

import type { Envelope } from '../json/envelope.ts';
import { readMember } from '../json/read.ts';
import type { Outbox } from './flow/outbox.ts';

export interface ProgressParts {
  readonly toHost: Outbox;
  /** Runs what goes on later as a turn of the session. */
  readonly resume: (turn: () => void) => void;
}

/** Milliseconds between two notices. */
const INTERVAL = 5000;
/** What each adds: far less than a server reports. */
const STEP = 1e-6;

/** The JSON text of a request's `progressToken`; undefined: its host has not asked for progress. */
export function progressTokenOf({ metaStart, metaEnd }: Envelope, bytes: Buffer): string | undefined {
  const token = metaStart === -1 ? 'absent' : readMember(bytes, metaStart, metaEnd, 'progressToken');
  return typeof token === 'string' ? undefined : bytes.toString('utf8', token.start, token.end);
}

/** Tells the host at once, and then now and then until the timer is cleared, why a request waits. */
export function reportProgress(
  { toHost, resume }: ProgressParts,
  token: string,
  notice: () => string,
): NodeJS.Timeout {
  let progress = 0;
  const report = (): void => {
    const rest = JSON.stringify({ progress, message: notice() });
    toHost.message(
      `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${token},${rest.slice(1)}}`,
    );
    progress += STEP;
  };
  report();
  return setInterval(() => resume(report), INTERVAL);
}
