// A connection to the daemon that tells of a wait for an answer, where the command itself tells of nothing.
import type { ControlClient, Params, Verb } from '../wire/control.ts';
import type { Terminal } from './terminal.ts';

const WAITING = 'waiting for the daemon';

/** Tells of the wait for what `connect` opens, and for each answer after that. */
export async function tellingOfWaits(
  terminal: Terminal,
  connect: () => Promise<ControlClient>,
): Promise<ControlClient> {
  const control = await telling(connect);
  return {
    ...control,
    request: (verb, params) =>
      isLong(verb, params) ? control.request(verb, params) : telling(() => control.request(verb, params)),
  };

  async function telling<T>(work: () => Promise<T>): Promise<T> {
    using _progress = terminal.progress(WAITING, { isGeneral: true });
    return await work();
  }
}

/** Whether a request waits for something that may never happen: its command has said so. */
function isLong<V extends Verb>(verb: V, params: Params<V>): boolean {
  return 'watch' in params || 'seen' in params || verb === 'stop';
}
