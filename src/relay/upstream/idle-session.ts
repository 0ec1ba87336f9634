// The idle end of a session's server: what of the session counts as use, and what takes the server's place.
import type { Clock } from '../../os/clock.ts';
import type { Calls } from '../calls.ts';
import type { Guard } from '../guard.ts';
import type { IdleServer, LateServer } from '../late-server.ts';
import { hostOfSession } from '../recorded-answers.ts';
import type { Shutdown } from '../shutdown.ts';
import type { SessionServer } from '../upstream.ts';
import type { Current } from './current.ts';
import { IdleEnd } from './idle-end.ts';
import type { Replay } from './replay.ts';
import type { Rotation } from './rotation.ts';

export interface IdleSessionParts {
  /** Undefined: the server is not ended before the session. */
  readonly idle: IdleServer | undefined;
  readonly clock: Clock;
  readonly calls: Pick<Calls, 'usedAt'>;
  readonly shutdown: Pick<Shutdown, 'isOver'>;
  readonly current: Current;
  readonly replay: Replay;
  readonly rotation: Rotation;
  readonly guard: Guard;
  /** What answers in the place of a server that is started later. */
  readonly recorded: (next: LateServer) => SessionServer;
}

/** Ends the server once it is not used. */
export function idleEndOf(parts: IdleSessionParts): IdleEnd | undefined {
  const { idle, clock, calls, shutdown, current, guard } = parts;
  if (idle === undefined) return undefined;
  return new IdleEnd({
    after: idle.after,
    clock,
    usedAt: () => calls.usedAt,
    isRunning: () => !shutdown.isOver && !current.isRecorded,
    end: () => {
      let isEnded = false;
      guard.run(() => {
        isEnded = rest(idle, parts);
      });
      return isEnded;
    },
  });
}

/** False: something is open that needs the server. */
function rest(idle: IdleServer, { replay, rotation, recorded }: IdleSessionParts): boolean {
  const host = hostOfSession(replay);
  return rotation.rest(() => {
    const next = host === undefined ? undefined : idle.end(host);
    return next && recorded(next);
  });
}
