// polkit, which asks a person for their own password in a dialog that no program of the same user can answer. Only the
// system's own bus counts: one that a variable names may be anybody's, and so may be its polkit.
import { randomBytes } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { connectBus } from './bus.ts';
import { statOf } from './proc.ts';

/** The action that `warder pin --polkit` describes. */
export const POLKIT_ACTION = 'org.warder.approve';
const SOCKET = '/run/dbus/system_bus_socket';
const AUTHORITY = {
  destination: 'org.freedesktop.PolicyKit1',
  path: '/org/freedesktop/PolicyKit1/Authority',
  interface: 'org.freedesktop.PolicyKit1.Authority',
} as const;
/** Flags of CheckAuthorization. */
const SILENTLY = 0;
const ASK = 1;
/** Milliseconds of a call that asks nobody. */
const CALL_TIMEOUT = 2000;
/** Milliseconds after which a dialog is closed, whatever is waited for. */
const DIALOG_TIMEOUT = 300_000;

/** What polkit can do for one user's process. */
export interface Polkit {
  /** Whether it would ask: it is there, knows the action, and neither allows nor forbids it without asking. */
  asks(): Promise<boolean>;
  /** Asks. False: the person did not say who they are, or there is nobody who asks. Never rejects. */
  authenticate(signal: AbortSignal): Promise<boolean>;
}

export interface PolkitOptions {
  /** Who is to be authenticated: the user of this process. */
  readonly pid: number;
  readonly uid: number;
  /** For tests: the address of another bus. */
  readonly address?: string;
}

/** polkit on the system's own bus (org.freedesktop.PolicyKit1.Authority), which is connected to anew for each call. */
export function openPolkit({ pid, uid, address = systemBus() }: PolkitOptions): Polkit {
  const check = async (flags: number, signal: AbortSignal): Promise<Authorization | undefined> => {
    const started = statOf(pid)?.started;
    if (address === undefined || started === undefined || signal.aborted) return undefined;
    await using bus = await connectBus([address], CALL_TIMEOUT);
    if (bus === undefined) return undefined;
    const subject = [
      'unix-process',
      [
        ['pid', ['u', pid]],
        ['start-time', ['t', started]],
        ['uid', ['i', uid]],
      ],
    ];
    const cancellation = randomBytes(8).toString('hex');
    const cancel = (): void => {
      const message = {
        ...AUTHORITY,
        member: 'CancelCheckAuthorization',
        signature: 's',
        body: [cancellation],
      };
      void bus.call(message).catch(() => {});
    };
    signal.addEventListener('abort', cancel, { once: true });
    try {
      const [reply] = await bus.call(
        {
          ...AUTHORITY,
          member: 'CheckAuthorization',
          signature: '(sa{sv})sa{ss}us',
          body: [subject, POLKIT_ACTION, [], flags, cancellation],
        },
        flags === ASK ? DIALOG_TIMEOUT : CALL_TIMEOUT,
      );
      const [isAuthorized, isChallenge] = Array.isArray(reply) ? reply : [];
      return { isAuthorized: isAuthorized === true, isChallenge: isChallenge === true };
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  };
  const asks = async (): Promise<boolean> => {
    const found = await check(SILENTLY, AbortSignal.timeout(CALL_TIMEOUT)).catch(() => undefined);
    // A yes without a question, of a rule or since root asks, proves nothing.
    return found?.isAuthorized === false && found.isChallenge;
  };
  return {
    asks,
    async authenticate(signal) {
      if (!(await asks())) return false;
      const found = await check(ASK, signal).catch(() => undefined);
      return found?.isAuthorized === true && !signal.aborted;
    },
  };
}

interface Authorization {
  readonly isAuthorized: boolean;
  /** It could become authorized by a person. */
  readonly isChallenge: boolean;
}

/** The address of the system's bus, if root has made its socket. */
function systemBus(): string | undefined {
  const stats = lstatSync(SOCKET, { throwIfNoEntry: false });
  return stats?.isSocket() === true && stats.uid === 0 ? `unix:path=${SOCKET}` : undefined;
}
