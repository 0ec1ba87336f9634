// Back pressure: neither side is read on while what came from it has not gone on, or is still looked through.
import type { Budgets } from '../budgets.ts';
import type { HostEnd } from '../endpoint.ts';
import type { ServerLists } from '../lists/server-lists.ts';
import type { Current } from '../upstream/current.ts';
import type { Inbox } from './inbox.ts';
import type { Intake } from './intake.ts';
import type { Outbox } from './outbox.ts';
import type { WaitingRoom } from './waiting-room.ts';

export interface BackPressureOptions {
  readonly host: Pick<HostEnd, 'pause' | 'resume'>;
  readonly current: Current;
  readonly budgets: Budgets;
  readonly intake: Intake;
  readonly toHost: Outbox;
  readonly lists: ServerLists;
  readonly waiting: WaitingRoom;
  readonly hostInbox: Pick<Inbox<unknown>, 'isIdle'>;
  readonly serverInbox: Pick<Inbox<unknown>, 'isIdle'>;
}

export class BackPressure {
  readonly #options: BackPressureOptions;
  #isHostPaused = false;

  constructor(options: BackPressureOptions) {
    this.#options = options;
  }

  /** Stops or goes on reading, as things are now. */
  steer(): void {
    const { host, current, budgets, intake, toHost, lists, waiting, hostInbox, serverInbox } = this.#options;
    const { upstream } = current;
    upstream.pause(
      intake.isFull || toHost.full || upstream.crowded || lists.isReading || !serverInbox.isIdle,
    );
    const pauses =
      intake.isFull ||
      upstream.full ||
      toHost.crowded ||
      waiting.bytes > budgets.waiting ||
      !hostInbox.isIdle;
    if (pauses === this.#isHostPaused) return;
    this.#isHostPaused = pauses;
    if (pauses) host.pause();
    else host.resume();
  }
}
