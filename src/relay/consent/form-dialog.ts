// Questions of Warder's own in a dialog of the host, up to 2025-11-25: `elicitation/create` requests that no server
// sees. They share the ids with the requests of the server, so that an answer can reach no other than the one it is to.

import type { Envelope, Id } from '../../json/envelope.ts';
import { readMember } from '../../json/read.ts';
import type { Clock } from '../../os/clock.ts';
import type { DialogQuestion, DialogReply, HostDialog } from '../consent.ts';
import type { Outbox } from '../flow/outbox.ts';
import { ownId } from '../ids.ts';
import { CANCELLED } from '../methods.ts';
import { forgetOldest } from '../oldest.ts';
import type { ServerRequests } from '../server/server-requests.ts';
import type { Replay } from '../upstream/replay.ts';
import { choiceForm, ELICIT, offersForms, readFormReply } from './elicitation.ts';

export interface FormDialogOptions {
  readonly replay: Replay;
  readonly serverRequests: ServerRequests;
  readonly toHost: Outbox;
  readonly clock: Clock;
  /** Runs what goes on later as a turn of the session. */
  readonly resume: (turn: () => void) => void;
}

interface OpenForm {
  readonly choices: readonly string[];
  readonly end: (reply: Omit<DialogReply, 'ms'>) => void;
}

const NONE = { action: 'none' } as const;
/** Withdrawn ones whose late answers are still recognised; the oldest are forgotten first. */
const MAX_LATE = 100;

export class FormDialog implements HostDialog {
  readonly #options: FormDialogOptions;
  readonly #open = new Map<number, OpenForm>();
  readonly #withdrawn = new Set<number>();

  constructor(options: FormDialogOptions) {
    this.#options = options;
  }

  /** Whether the host has opened a session of this era, shows forms, and still answers. */
  get isOffered(): boolean {
    const { replay, serverRequests } = this.#options;
    const { initialize } = replay;
    if (initialize === undefined || serverRequests.isClosed) return false;
    const capabilities = readMember(initialize, 0, initialize.length, 'capabilities');
    return typeof capabilities !== 'string' && offersForms(initialize, capabilities);
  }

  show({ message, choices }: DialogQuestion, signal: AbortSignal): Promise<DialogReply> {
    const { serverRequests, toHost, clock, resume } = this.#options;
    const { promise, resolve } = Promise.withResolvers<DialogReply>();
    const since = clock.monotonic();
    const id = serverRequests.nextOwnId();
    const withdraw = (): void => {
      if (!this.#open.has(id)) return;
      this.#withdrawn.add(id);
      forgetOldest(this.#withdrawn, MAX_LATE);
      resume(() => toHost.message(JSON.stringify(cancelled(id))));
      end(NONE);
    };
    const end: OpenForm['end'] = (reply) => {
      this.#open.delete(id);
      signal.removeEventListener('abort', withdraw);
      resolve({ ...reply, ms: clock.monotonic() - since });
    };
    signal.addEventListener('abort', withdraw, { once: true });
    this.#open.set(id, { choices, end });
    const request = { jsonrpc: '2.0', id, method: ELICIT, params: choiceForm(message, choices) };
    resume(() => toHost.message(JSON.stringify(request)));
    return promise;
  }

  /** An answer of the host. False: it is to none of these. */
  reply({ id, failed, resultStart, resultEnd }: Envelope, bytes: Buffer): boolean {
    const own = ownId(id);
    if (own === undefined) return false;
    const form = this.#open.get(own);
    if (form === undefined) return this.#withdrawn.delete(own);
    const result = { start: resultStart, end: resultEnd };
    form.end(failed || resultStart === -1 ? NONE : readFormReply(bytes, result, form.choices));
    return true;
  }

  /** An answer of the host cannot be read. False: it is to none of these. */
  unreadable(id: Id | undefined): boolean {
    const own = ownId(id);
    const form = own === undefined ? undefined : this.#open.get(own);
    form?.end(NONE);
    return form !== undefined;
  }

  /** The host answers no more. */
  close(): void {
    for (const form of [...this.#open.values()]) form.end(NONE);
  }
}

function cancelled(requestId: number): object {
  const params = { requestId, reason: 'the question was answered elsewhere, or is not asked any more' };
  return { jsonrpc: '2.0', method: CANCELLED, params };
}
