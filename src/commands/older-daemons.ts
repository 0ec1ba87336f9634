// The daemons that have handed over to a newer one and go on until their sessions have ended, for the verbs that show and
// end sessions.
import { askRetired, type RetiredDaemon, retiredDaemons } from '../os/retired.ts';
import { control, type SessionStatus } from '../wire/control.ts';
import type { HandOverAnswer } from '../wire/hello.ts';
import type { Places } from '../wire/places.ts';

/** An older daemon, as far as it tells. */
export interface OlderDaemon extends Omit<HandOverAnswer, 'list'> {
  readonly daemon: RetiredDaemon;
  /** Those of its sessions that this program can read. */
  readonly list: readonly SessionStatus[];
}

/** Asks the older daemons for their sessions. One that does not answer is listed by its pid. */
export async function olderDaemons(places: Places): Promise<OlderDaemon[]> {
  const asked = retiredDaemons(places).map(async (daemon) => {
    const { pid } = daemon;
    const answer = await askRetired(daemon, { ask: 'status' }).catch((): HandOverAnswer => ({ pid }));
    return answer && { ...answer, daemon, list: readList(answer.list) };
  });
  return (await Promise.all(asked)).filter((answer) => answer !== undefined);
}

const sessionStatus = control.status.result.shape.sessions.element;

function readList(list: unknown): SessionStatus[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((item) => {
    const { data } = sessionStatus.safeParse(item);
    return data === undefined ? [] : [data];
  });
}
