// The transports, by the era that they are for.
import type { Pipe, PipeParts } from '../pipe.ts';
import { SessionPipe } from './session-pipe.ts';
import { SsePipe } from './sse-pipe.ts';
import { StatelessPipe } from './stateless-pipe.ts';

/** Makes a pipe; nothing is sent before the first message. */
export const OPENERS = {
  stateless: (parts: PipeParts): Pipe => new StatelessPipe(parts),
  session: (parts: PipeParts): Pipe => new SessionPipe(parts),
  sse: (parts: PipeParts): Pipe => new SsePipe(parts),
} as const;
