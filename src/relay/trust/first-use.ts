// The first use of a profile, or by a host: before anything acts, all that the server offers is listed, and a person is asked
// once. See trust.ts.
import type { Budgets } from '../budgets.ts';
import type { Calls } from '../calls.ts';
import { prepareServer } from '../consent/preparation.ts';
import type { ConsentOutcome, HostDialog, OpenConsent } from '../consent.ts';
import type { ServerLists } from '../lists/server-lists.ts';
import { READ } from '../methods.ts';
import type { Trust } from '../trust.ts';
import type { Current } from '../upstream/current.ts';
import { type OwnRequests, ownParams } from '../upstream/own-requests.ts';
import { DISCOVER, INITIALIZE, type Replay } from '../upstream/replay.ts';
import type { CheckedAnswers } from './checked-answers.ts';
import { contentsDigest } from './contents.ts';

export interface FirstUseOptions {
  readonly trust: Trust;
  readonly lists: ServerLists;
  readonly ownRequests: OwnRequests;
  readonly current: Current;
  readonly replay: Replay;
  readonly calls: Calls;
  readonly budgets: Pick<Budgets, 'greet'>;
  /** Is told what the server says of itself. */
  readonly answers: Pick<CheckedAnswers, 'introduced'>;
  /** A fault in what goes on here. */
  readonly onFault: (error: unknown) => void;
}

/** Interfaces that are read before a person is asked. */
const MAX_READ = 64;
const NOTICE = 'the server is asked for all that it offers, so that the user can be asked once';
const WITHDRAWN = {
  decision: 'deny',
  rule: 'trust.withdrawn',
  reason: 'the question was withdrawn',
} as const;
const AGREED = { decision: 'allow', rule: 'trust.agreed', reason: undefined } as const;
const FAULT = {
  decision: 'deny',
  rule: 'trust.fault',
  reason: 'the user cannot be asked, by a fault in Warder',
} as const;

export class FirstUse {
  readonly #options: FirstUseOptions;
  #preparing: Promise<string | undefined> | undefined;
  /** What was listed is not the server's own: nobody has signed in to it. */
  #isForeign = false;

  constructor(options: FirstUseOptions) {
    this.#options = options;
  }

  /** What is not agreed to yet. */
  get needed(): Trust['firstUse'] {
    return this.#options.trust.firstUse;
  }

  /**
   * Asks a person, once it is known what about. `call`: the number of the request that waits; `asked` is called with the
   * number of the question.
   */
  ask(
    call: string,
    dialog: HostDialog | undefined,
    asked: (question: string | undefined) => void,
  ): OpenConsent {
    const withdrawn = Promise.withResolvers<ConsentOutcome>();
    let isWithdrawn = false;
    let open: OpenConsent | undefined;
    const ask = async (): Promise<ConsentOutcome> => {
      const { trust, onFault } = this.#options;
      try {
        if (trust.firstUse === 'baseline') {
          const refused = await this.#listOf(dialog, (preparation) => {
            open = preparation;
          });
          if (refused !== undefined) return refused;
        }
        if (isWithdrawn) return WITHDRAWN;
        if (trust.firstUse === undefined) return AGREED;
        open = trust.ask(call, dialog);
        asked(open.question);
        return await open.outcome;
      } catch (error) {
        onFault(error);
        return FAULT;
      }
    };
    return {
      outcome: Promise.race([ask(), withdrawn.promise]),
      get question() {
        return open?.question;
      },
      get notice() {
        return open?.notice ?? NOTICE;
      },
      withdraw: () => {
        isWithdrawn = true;
        withdrawn.resolve(WITHDRAWN);
        open?.withdraw();
      },
    };
  }

  /**
   * Has the server list all that is not known of it; where that shows that a person has to sign in first, once more after that.
   * `opened` is called with what waits for it. Settles with why not.
   */
  async #listOf(
    dialog: HostDialog | undefined,
    opened: (preparation: OpenConsent) => void,
  ): Promise<ConsentOutcome | undefined> {
    const { current, lists } = this.#options;
    let fault = await this.#prepare();
    if (!current.isReady) {
      this.#isForeign = true;
      const preparation = prepareServer(current, dialog);
      opened(preparation);
      const outcome = await preparation.outcome;
      if (outcome.decision !== 'allow') return outcome;
      if (this.#isForeign) lists.invalidate();
      this.#isForeign = false;
      fault = await this.#prepare();
    }
    return fault === undefined ? undefined : unlisted(fault);
  }

  /** Has the server list all that is not known of it. Settles with why that failed. */
  #prepare(): Promise<string | undefined> {
    this.#preparing ??= this.#list().finally(() => {
      this.#preparing = undefined;
    });
    return this.#preparing;
  }

  async #list(): Promise<string | undefined> {
    const { lists, calls } = this.#options;
    // A host may send requests before the server has answered its `initialize`.
    if (!lists.tools.canList && calls.some(INITIALIZE)) await this.#untilOpened();
    if (this.#isUnknown) await this.#introduce();
    const fault = await lists.listAll();
    if (!lists.tools.canList && lists.tools.isRefused) {
      lists.invalidate();
      return 'does not answer before the host opens the session';
    }
    if (fault === undefined) await this.#readInterfaces();
    return fault;
  }

  /** Whether nobody has asked what the server is: a host of 2026-07-28 may go by what it knows. */
  get #isUnknown(): boolean {
    const { replay, current } = this.#options;
    return !replay.isOpened && !replay.isDiscovered && replay.meta !== undefined && current.isReady;
  }

  /** Asks what the server is: what it says of itself only later would be held back. One that does not answer says nothing. */
  async #introduce(): Promise<void> {
    const { replay, ownRequests, current, budgets, answers } = this.#options;
    const params = ownParams(replay.meta);
    const answer = await ownRequests.ask(current.upstream, DISCOVER, params, budgets.greet);
    if ('result' in answer) answers.introduced(answer.result);
  }

  async #untilOpened(): Promise<void> {
    const { replay, budgets } = this.#options;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, budgets.greet);
    await Promise.race([replay.opened, promise]);
    clearTimeout(timer);
  }

  /** Reads the interfaces that the server offers. What it does not give is not accepted. */
  async #readInterfaces(): Promise<void> {
    const { trust, ownRequests, current, replay, lists, budgets } = this.#options;
    const until = performance.now() + budgets.greet;
    const meta = replay.isOpened ? undefined : replay.meta;
    for (const uri of trust.unread.slice(0, MAX_READ)) {
      const left = until - performance.now();
      if (left <= 0) return;
      const params = ownParams(meta, 'uri', Buffer.from(JSON.stringify(uri)));
      const answer = await ownRequests.ask(current.upstream, READ, params, left);
      if ('error' in answer) continue;
      const { result, find } = answer;
      const digest = await new Promise<string | undefined>((resolve) =>
        lists.run(contentsDigest(result, find('contents')), resolve),
      );
      if (digest !== undefined) trust.read(uri, digest);
    }
  }
}

function unlisted(fault: string): ConsentOutcome {
  const reason = `what the server offers has to be shown to the user first, and the server ${fault}`;
  return { decision: 'deny', rule: 'trust.unlisted', reason };
}
