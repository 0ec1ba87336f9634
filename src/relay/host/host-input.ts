// What a host sends, and that it has gone. The end of its input is not the end of the host: it may read on.
import { WarderError } from '../../errors.ts';
import { LineSplitter } from '../../json/lines.ts';
import type { HostEnd } from '../endpoint.ts';
import { type Inbox, LONG } from '../flow/inbox.ts';
import type { Intake } from '../flow/intake.ts';
import type { LongRequest } from '../flow/long-lines.ts';
import type { Guard } from '../guard.ts';
import type { Shutdown } from '../shutdown.ts';

export interface HostInputParts {
  readonly host: Pick<HostEnd, 'listen' | 'gone'>;
  readonly guard: Guard;
  readonly shutdown: Shutdown;
  readonly inbox: Inbox<LongRequest>;
  readonly intake: Intake;
  /** The longest line, in bytes. */
  readonly limit: number;
  /** Writes what there is, and reads on. */
  readonly settle: () => void;
}

const NOTHING = Buffer.alloc(0);

/** Has what the host sends taken by the inbox, from now on. */
export function listenToHost({ host, guard, shutdown, inbox, intake, limit, settle }: HostInputParts): void {
  const lines = new LineSplitter(inbox, limit);
  let given: Buffer = NOTHING;
  const take = (): void => {
    const chunk = given;
    given = NOTHING;
    if (shutdown.isOver) return;
    lines.push(chunk);
    intake.line(chunk.length, lines.begun > LONG);
    settle();
  };
  host.listen({
    data: (chunk) => {
      given = chunk;
      guard.run(take);
    },
    end: () =>
      guard.run(() => {
        if (shutdown.isOver) return;
        lines.end();
        shutdown.hostClosed();
      }),
  });
  const { gone } = host;
  const leave = (): void =>
    guard.run(() => shutdown.leave(gone.reason instanceof WarderError ? 'stopped' : 'host'));
  if (gone.aborted) leave();
  else gone.addEventListener('abort', leave, { once: true });
}
