// What changes credentials, and what people accept or take back, concerns the sessions of daemons that have handed over too:
// each change is passed on to them once it is written, and their sessions count in its result. A change that one of them
// cannot be told of fails, though it holds for all other sessions.

import { WarderError } from '../errors.ts';
import { askRetired, retiredDaemons } from '../os/retired.ts';
import { accountName } from '../profile/auth.ts';
import type { Handlers, ShownGrant } from '../wire/control.ts';
import type { HandOverAnswer } from '../wire/hello.ts';
import type { Places } from '../wire/places.ts';
import type { Refresh } from './hand-over.ts';
import { readGrants, withGrants } from './older-questions.ts';

type Changing =
  | 'credential.set'
  | 'credential.rotate'
  | 'credential.lock'
  | 'credential.unlock'
  | 'credential.revoke'
  | 'logout'
  | 'trust.accept'
  | 'trust.undo'
  | 'trust.forget'
  | 'grants.revoke';

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
    async 'trust.accept'(params) {
      const result = await handlers['trust.accept'](params);
      await refresh(places, { trust: params.profile });
      return result;
    },
    async 'trust.undo'(params) {
      const result = await handlers['trust.undo'](params);
      await refresh(places, { trust: params.profile });
      return result;
    },
    async 'trust.forget'(params) {
      const result = await handlers['trust.forget'](params);
      await refresh(places, { trust: params.profile, grants: 'some' });
      return result;
    },
    async 'grants.revoke'(params) {
      const { id } = params;
      // An older daemon alone has those that it was given for a session.
      const own = await settled(handlers['grants.revoke'](params));
      const fault = 'revoked' in own ? undefined : own.error;
      if (fault !== undefined && (id === undefined || !isUnknown(fault))) throw fault;
      const { revoked } = await refresh(places, {
        grants: id === undefined ? 'all' : 'some',
        ...(fault !== undefined && id !== undefined && { grant: id }),
      });
      if (fault !== undefined && revoked.length === 0) throw fault;
      return { revoked: withGrants('revoked' in own ? own.revoked : [], revoked) };
    },
  };
  return { ...handlers, ...forwarding };
}

/**
 * Has each retired daemon look at what has changed. Sums up what that did to their sessions. Throws what one of them answers,
 * `daemon-unreachable`, or `daemon-version` for one that is too old to know of what is named.
 */
async function refresh(
  places: Places,
  what: Refresh,
): Promise<{ moved: number; kept: number; cut: number; ended: number; revoked: ShownGrant[] }> {
  const isReread = what.trust !== undefined || what.grants !== undefined;
  const ask = async ({
    pid,
    socket,
  }: {
    pid: number;
    socket: string;
  }): Promise<HandOverAnswer | undefined> => {
    const answer = await askRetired({ pid, socket }, { ask: 'refresh', ...what });
    if (answer !== undefined && isReread && answer.reread !== true) throw tooOld(pid);
    return answer;
  };
  const answers = await Promise.all(retiredDaemons(places).map(ask));
  const sum = (member: 'moved' | 'kept' | 'cut' | 'ended'): number =>
    answers.reduce((total, answer) => total + (answer?.[member] ?? 0), 0);
  const revoked = answers.flatMap((answer) => readGrants(answer?.revoked));
  return { moved: sum('moved'), kept: sum('kept'), cut: sum('cut'), ended: sum('ended'), revoked };
}

type Revoked = Awaited<ReturnType<Handlers['grants.revoke']>>;

async function settled(done: Promise<Revoked> | Revoked): Promise<Revoked | { readonly error: unknown }> {
  try {
    return await done;
  } catch (error) {
    return { error };
  }
}

/** Whether there is no such answer, which is the only thing about a request of that form that is wrong. */
function isUnknown(error: unknown): boolean {
  return error instanceof WarderError && error.code === 'usage';
}

function tooOld(pid: number): WarderError {
  return new WarderError(
    'daemon-version',
    `it is done, but the sessions of the older daemon with the pid ${pid} go on with what was accepted before`,
    { hint: '"warder status" lists them, and "warder end" ends one' },
  );
}
