// The two inboxes of a session: what is looked for in the long lines of each side, and who takes the messages.
import type { BackgroundDigests } from '../../os/background-digest.ts';
import type { Clock } from '../../os/clock.ts';
import type { Calls } from '../calls.ts';
import type { FromHost } from '../host/from-host.ts';
import type { FromServer } from '../server/from-server.ts';
import type { Current } from '../upstream/current.ts';
import { Inbox } from './inbox.ts';
import { type LongAnswer, LongAnswers } from './long-answer.ts';
import { LongLines, type LongRequest } from './long-lines.ts';
import type { MessageTurns } from './message-turns.ts';
import type { Slices } from './slices.ts';

export interface InboxesParts {
  readonly slices: Slices;
  readonly turns: MessageTurns;
  readonly current: Current;
  readonly calls: Calls;
  readonly fromHost: FromHost;
  readonly fromServer: FromServer;
  readonly digests: BackgroundDigests | undefined;
  readonly clock: Clock;
}

export interface Inboxes {
  readonly hostInbox: Inbox<LongRequest>;
  readonly serverInbox: Inbox<LongAnswer>;
}

export function openInboxes({
  slices,
  turns,
  current,
  calls,
  fromHost,
  fromServer,
  digests,
  clock,
}: InboxesParts): Inboxes {
  const longLines = new LongLines({ current });
  const longAnswers = new LongAnswers({ current, calls, digests, clock });
  const hostInbox = new Inbox<LongRequest>({
    slices,
    turns,
    inspect: (line) => longLines.fromHost(line),
    take: (bytes, start, end, known) => fromHost.line(bytes, start, end, known),
    oversize: (line) => fromHost.oversize(line),
  });
  const serverInbox = new Inbox<LongAnswer>({
    slices,
    turns,
    inspect: (line) => longAnswers.look(line),
    take: (bytes, start, end, known) => fromServer.message(bytes, start, end, known),
    oversize: (line) => fromServer.oversize(line),
  });
  return { hostInbox, serverInbox };
}
