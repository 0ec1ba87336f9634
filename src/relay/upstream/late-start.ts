// A session whose server is not started before something needs it: until then its host is answered from what is known
// of the server (see recorded-upstream.ts). The server is started once, whoever needs it first; it takes the place of what
// answered as the new server of a rotation does. Then all that it lists is compared with what the user has accepted, and only
// after that does anything act. A start that fails leaves the session as it was, and the next request tries again.

import type { LateServer } from '../late-server.ts';
import type { ServerList } from '../lists/server-list.ts';
import type { ServerLists } from '../lists/server-lists.ts';
import type { SessionServer } from '../upstream.ts';
import type { Current } from './current.ts';
import { recordedServer } from './recorded-upstream.ts';
import type { Rotation } from './rotation.ts';

export interface LateStartOptions {
  readonly rotation: Pick<Rotation, 'startLate'>;
  readonly current: Pick<Current, 'onAct'>;
  readonly lists: Pick<ServerLists, 'compare'>;
  /** Tells the host which lists are others. */
  readonly announce: (lists: readonly ServerList[]) => void;
  /** The server has started, and is as it should be. */
  readonly started: () => void;
}

export class LateStart {
  readonly #options: () => LateStartOptions;
  #starting: Promise<string | undefined> | undefined;

  /** `options` is called once the server is needed. */
  constructor(options: () => LateStartOptions) {
    this.#options = options;
  }

  /** What answers in the place of a server. */
  recorded(late: LateServer): SessionServer {
    const { host, answers } = late;
    return recordedServer({ host, answers, start: () => this.#start(late) });
  }

  /** Starts the server, unless that is under way. Settles with why it failed; never rejects. */
  #start(late: LateServer): Promise<string | undefined> {
    this.#starting ??= this.#started(late).finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  async #started(late: LateServer): Promise<string | undefined> {
    const { rotation, current, started } = this.#options();
    current.onAct = late.acts;
    const { reason, isOther } = await rotation.startLate({
      start: late.start,
      compare: () => this.#compare(),
      recorded: () => this.recorded(late),
    });
    if (reason === undefined) started();
    else late.failed(reason, isOther);
    return reason;
  }

  async #compare(): Promise<string | undefined> {
    const { lists, announce } = this.#options();
    const { fault, differ } = await lists.compare();
    if (fault === undefined) announce(differ);
    return fault;
  }
}
