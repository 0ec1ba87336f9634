// What the translators between the eras share: the pipe below, the listener above, and ids of their own.
import type { Log } from '../../os/log.ts';
import type { Pipe, PipeListener } from '../pipe.ts';

export interface TranslatorParts {
  /** Opens the pipe to the server. Nothing comes of it before that has returned. */
  readonly open: (listener: PipeListener) => Pipe;
  readonly listener: PipeListener;
  readonly log: Log;
  /** Gives the next id of Warder's own: none that the relay uses. */
  readonly nextId: () => number;
}
