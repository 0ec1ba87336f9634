// Asks by a notification of a Linux desktop.
import { type BusEnvironment, busAddresses } from '../../os/bus.ts';
import type { Clock } from '../../os/clock.ts';
import { type Notifications, openNotifications } from '../../os/notifications.ts';
import type { Presence } from '../presence.ts';
import { type Answer, UNREAD } from '../questions/answer.ts';
import type { Way } from '../questions/way.ts';
import { detailsOf, meaningOf, type Notification, notificationOf } from './notification.ts';
import { proved } from './proof.ts';
import { untilWithdrawn } from './withdrawal.ts';

/** Milliseconds of a call on the bus. */
const CALL_TIMEOUT = 2000;

export interface FreedesktopOptions {
  readonly bus: BusEnvironment;
  readonly clock: Clock;
  readonly presence: Pick<Presence, 'polkitAsks' | 'authenticate'>;
}

export function freedesktopWay({ bus, clock, presence }: FreedesktopOptions): Way {
  return {
    name: 'desktop',
    isPossible: () => busAddresses(bus).length > 0,
    async check() {
      await using notifications = await openNotifications(busAddresses(bus), CALL_TIMEOUT);
      if (notifications === undefined) return { works: false, detail: 'no program shows notifications' };
      return canAsk(notifications)
        ? { works: true, detail: 'notifications' }
        : { works: false, detail: 'notifications, but without actions' };
    },
    async ask(question, signal) {
      await using notifications = await openNotifications(busAddresses(bus), CALL_TIMEOUT);
      if (notifications === undefined || signal.aborted) return 'nobody';
      if (!canAsk(notifications)) return 'nobody';
      const withdrawn = untilWithdrawn(signal);
      const isMarkup = notifications.capabilities.has('body-markup');
      const needsProof = question.kind === 'credential';
      const canAllow = !needsProof || (await presence.polkitAsks());
      const shown = notificationOf(question, { canAllow, isMarkup });
      const answer = await present(notifications, shown, withdrawn, clock);
      if (answer !== 'details') {
        return answer === 'nobody' || !needsProof ? answer : proved(answer, presence, signal);
      }
      // Now the question waits for a terminal, until its time is over.
      const pointer = await present(notifications, detailsOf(question), withdrawn, clock);
      if (pointer === 'nobody') await withdrawn;
      return pointer === 'details' ? 'nobody' : pointer;
    },
  };
}

function canAsk({ capabilities }: Notifications): boolean {
  return capabilities.has('actions') && capabilities.has('body');
}

/** Shows a notification until it is answered or gone. `nobody`: it was closed, or is withdrawn. */
async function present(
  notifications: Notifications,
  notification: Notification,
  withdrawn: Promise<'withdrawn'>,
  clock: Clock,
): Promise<Answer | 'details' | 'nobody'> {
  await notifications.show(notification);
  const since = clock.monotonic();
  for (;;) {
    const event = await Promise.race([withdrawn, notifications.next()]);
    if (event === 'withdrawn') {
      await notifications.close();
      return 'nobody';
    }
    if ('closed' in event) return 'nobody';
    const meaning = meaningOf(event.key, notification);
    if (meaning === undefined) continue;
    await notifications.close();
    // The notification came under a click.
    if (meaning !== 'details' && meaning.decision === 'allow' && clock.monotonic() - since < UNREAD)
      return 'nobody';
    return meaning;
  }
}
