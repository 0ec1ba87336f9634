// Prompts of the Secret Service: it asks the user in a window of its own, and reports the answer by a signal.
import type { Message } from 'dbus-native';
import type { Bus } from '../bus.ts';
import { busLost, cannotPrompt, dismissed, unanswered } from './errors.ts';
import { NAME, SERVICE, type TimeLimit } from './protocol.ts';

/** The prompter of gnome-keyring. It is started on demand, and cannot be started without a display. */
const PROMPTER = 'org.gnome.keyring.SystemPrompter';
const GNOME = 'org.gnome.keyring';

/**
 * Shows a prompt and waits for its answer, without a time limit. Throws `keychain-dismissed`; `keychain-locked` if no
 * prompt can be shown.
 */
export async function answerPrompt(bus: Bus, path: string, limit: TimeLimit): Promise<void> {
  const answered = Promise.withResolvers<boolean>();
  await using _signal = await bus.listen(
    `type='signal',sender='${SERVICE}',interface='${NAME}.Prompt',member='Completed',path='${path}'`,
    ({ path: from, member, body = [] }) => {
      if (from === path && member === 'Completed') answered.resolve(body[0] === false);
    },
  );
  const show: Message = {
    destination: SERVICE,
    path,
    interface: `${NAME}.Prompt`,
    member: 'Prompt',
    signature: 's',
    body: [''],
  };
  await bus.call(show, limit.left());
  bus.closed.then(() => answered.reject(busLost()));
  if (await answered.promise) return;
  throw (await canPrompt(bus, limit)) ? dismissed() : cannotPrompt();
}

/** Waits for an answer for `patience` milliseconds. Throws `keychain-locked` after that; the prompt stays open. */
export async function withPatience<T>(answer: Promise<T>, patience: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(unanswered(patience)), patience);
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Whether a prompt that was not answered had been shown: gnome-keyring reports "dismissed" in either case. */
async function canPrompt(bus: Bus, limit: TimeLimit): Promise<boolean> {
  const ask = (member: string, signature: string, ...body: unknown[]): Promise<unknown[]> =>
    bus.call(
      {
        destination: 'org.freedesktop.DBus',
        path: '/org/freedesktop/DBus',
        interface: 'org.freedesktop.DBus',
        member,
        signature,
        body,
      },
      limit.left(),
    );
  const [gnome] = await ask('NameHasOwner', 's', GNOME).catch(() => [false]);
  if (gnome !== true) return true;
  const [running] = await ask('NameHasOwner', 's', PROMPTER).catch(() => [false]);
  if (running === true) return true;
  return await ask('StartServiceByName', 'su', PROMPTER, 0).then(
    () => true,
    () => false,
  );
}
