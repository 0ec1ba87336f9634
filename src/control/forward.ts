// What changes credentials concerns the sessions of daemons that have handed over too: each change is passed on to them,
// and their sessions count in its result. A lock or a revocation that one of them cannot be told of fails.

import { askRetired, retiredDaemons } from '../os/retired.ts';
import { accountName } from '../profile/auth.ts';
import type { Handlers } from '../wire/control.ts';
import type { HandOver, HandOverAnswer } from '../wire/hello.ts';
import type { Places } from '../wire/places.ts';

type Changing =
  | 'credential.set'
  | 'credential.rotate'
  | 'credential.lock'
  | 'credential.unlock'
  | 'credential.revoke'
  | 'logout';

/** The handlers, with each change passed on. */
export function forwardChanges<H extends Pick<Handlers, Changing>>(handlers: H, places: Places): H {
  const change = async (
    verb: 'credential.set' | 'credential.rotate',
    params: Parameters<Handlers['credential.set']>[0],
  ) => {
    const result = await handlers[verb](params);
    const { moved, kept } = await refresh(places, { credential: params.name });
    const { sessions } = result;
    return { ...result, sessions: { moved: sessions.moved + moved, kept: sessions.kept + kept } };
  };
  const forwarding: Pick<Handlers, Changing> = {
    'credential.set': (params) => change('credential.set', params),
    'credential.rotate': (params) => change('credential.rotate', params),
    async 'credential.lock'(params) {
      const result = await handlers['credential.lock'](params);
      await refresh(places, {});
      return result;
    },
    async 'credential.unlock'(params) {
      const result = await handlers['credential.unlock'](params);
      await refresh(places, {});
      return result;
    },
    async 'credential.revoke'(params) {
      const result = await handlers['credential.revoke'](params);
      const { name, undo = false } = params;
      const { cut, ended } = await refresh(places, undo ? {} : { credential: name, revoked: true });
      return { ...result, cut: result.cut + cut, ended: result.ended + ended };
    },
    async logout(params) {
      const result = await handlers.logout(params);
      await refresh(places, { credential: accountName(params.profile), revoked: true });
      return result;
    },
  };
  return { ...handlers, ...forwarding };
}

/** Has each retired daemon look at what has changed. Sums up what that did to their sessions. */
async function refresh(
  places: Places,
  what: Pick<HandOver, 'credential' | 'revoked'>,
): Promise<{ moved: number; kept: number; cut: number; ended: number }> {
  const answers = await Promise.all(
    retiredDaemons(places).map((daemon) => askRetired(daemon, { ask: 'refresh', ...what })),
  );
  const sum = (member: 'moved' | 'kept' | 'cut' | 'ended'): number =>
    answers.reduce((total, answer: HandOverAnswer | undefined) => total + (answer?.[member] ?? 0), 0);
  return { moved: sum('moved'), kept: sum('kept'), cut: sum('cut'), ended: sum('ended') };
}
