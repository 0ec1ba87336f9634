// The verbs of the control API by which people see questions, answer them, and take answers back.
import { WarderError } from '../errors.ts';
import type { Handlers, ShownGrant, ShownQuestion } from '../wire/control.ts';
import { type Question, questionLines } from './questions/question.ts';
import type { ConsentService } from './service.ts';
import type { Grant } from './store/grants.ts';

/** Milliseconds for which a client that waits for news is answered at the latest. */
const POLL = 5000;

type ConsentVerb =
  | 'approvals.list'
  | 'approvals.answer'
  | 'grants.list'
  | 'grants.revoke'
  | 'trust.show'
  | 'trust.accept'
  | 'trust.undo'
  | 'trust.forget'
  | 'pin.set'
  | 'pin.state';

/** `isProfile`: whether there is a profile of that name now. */
export function consentHandlers(
  service: ConsentService,
  isProfile: (name: string) => boolean,
): Pick<Handlers, ConsentVerb> {
  const { trust } = service;
  return {
    'trust.show': ({ profile, previous = false }) => trust.show(profile, previous),
    async 'trust.accept'({ profile, expect, only, pin }) {
      return {
        profile,
        record: await trust.accept(profile, { expected: expect, only, by: 'terminal', pin }),
      };
    },
    async 'trust.undo'({ profile, pin }) {
      return { profile, record: await trust.undo(profile, pin) };
    },
    async 'trust.forget'({ profile, pin }) {
      const isGone = !isProfile(profile);
      const forgotten = await trust.forget(profile, { isGone, pin });
      if (isGone) await service.revokeOf(profile);
      return { profile, forgotten };
    },
    async 'approvals.list'({ watch = false, seen }) {
      if (watch) await service.wait(seen, POLL);
      return {
        questions: service.questions.map(showQuestion),
        pin: await service.isPinSet().catch(() => false),
        polkit: await service.polkitAsks(),
      };
    },
    async 'approvals.answer'({ id, decision, scope, extent, pin, calls }) {
      await service.answer({ id, decision, scope, extent, pin, calls }, 'terminal');
      return { id, decision };
    },
    'grants.list': () => ({ grants: service.grants().map(showGrant) }),
    async 'grants.revoke'({ id }) {
      const revoked = await service.revoke(id);
      if (id !== undefined && revoked.length === 0) {
        throw new WarderError('usage', `there is no grant ${id}`, { hint: '"warder grants" lists them' });
      }
      return { revoked: revoked.map(showGrant) };
    },
    async 'pin.set'({ pin, old }) {
      await service.setPin(pin, old);
      return {};
    },
    'pin.state': async () => ({ set: await service.isPinSet() }),
  };
}

function showQuestion(question: Question): ShownQuestion {
  const { id, session, profile, host, kind, name, calls, since, until } = question;
  return {
    id,
    session,
    profile,
    host: { key: host.key, name: host.name },
    kind,
    name,
    lines: questionLines(question),
    calls,
    since: new Date(since).toISOString(),
    until: new Date(until).toISOString(),
    presence: kind === 'credential',
  };
}

/** As the control API shows them. */
export function showGrants(grants: readonly Grant[]): ShownGrant[] {
  return grants.map(showGrant);
}

function showGrant({
  id,
  made,
  by,
  decision,
  host,
  profile,
  kind,
  name,
  pattern,
  until,
  ...rest
}: Grant): ShownGrant {
  return {
    id,
    made,
    by,
    decision,
    host,
    profile,
    kind,
    name: pattern ?? name,
    exact: rest.arguments !== undefined,
    session: rest.session ?? null,
    until: until === undefined ? null : new Date(until).toISOString(),
  };
}
