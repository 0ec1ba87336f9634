// A new server before it has the session, while the old one still serves. It is greeted, and what it sends for the
// host is kept until the session takes it over. A server of a host that has said `initialize` is told the same, and
// must answer as the old one did; else it is asked `server/discover` in the host's name; and where the host has
// said nothing by which to ask, the server has to live for a while.

import { readEnvelope } from '../../json/envelope.ts';
import type { Oversize } from '../../json/lines.ts';
import { idOf } from '../../json/oversize.ts';
import { findId } from '../../json/recovery.ts';
import type { Ending } from '../../os/spawn.ts';
import type { Budgets } from '../budgets.ts';
import type { Upstream, UpstreamListener } from '../upstream.ts';
import type { OwnRequests } from './own-requests.ts';
import { DISCOVER, INITIALIZE, type Replay } from './replay.ts';

export interface CandidateOptions {
  readonly upstream: Upstream;
  readonly replay: Replay;
  readonly ownRequests: OwnRequests;
  readonly budgets: Pick<Budgets, 'greet' | 'grace' | 'waiting' | 'handshake'>;
  /** Something has changed: look at `state` again. */
  readonly onChange: () => void;
  readonly onStderr: (chunk: Buffer) => void;
  /** What the server says of itself, the result as JSON text; it is as the host was told, but for its texts. */
  readonly onIntroduced: (result: Buffer) => void;
}

/** What keeping a line costs beside its bytes. */
const OVERHEAD = 128;

/** Owns a new server until a session takes it. */
export class Candidate implements UpstreamListener {
  readonly upstream: Upstream;
  readonly #options: CandidateOptions;
  #lines: Buffer[] = [];
  #bytes = 0;
  #initialized = false;
  /** `undefined`: still being greeted; `true`: ready; else why the server cannot have the session. */
  #state: string | true | undefined;
  #isOther = false;

  constructor(options: CandidateOptions) {
    this.#options = options;
    this.upstream = options.upstream;
  }

  get state(): string | true | undefined {
    return this.#state;
  }

  /** Whether it failed because it is not as the host was told. */
  get isOther(): boolean {
    return this.#isOther;
  }

  /** Whether the server has been told `notifications/initialized`. */
  get initialized(): boolean {
    return this.#initialized;
  }

  /** Greets the server. Settles when that has succeeded or failed: see `state`. */
  async greet(): Promise<void> {
    const { replay, upstream, ownRequests, budgets } = this.#options;
    upstream.listen(this);
    if (replay.isOpened) {
      const answer = await ownRequests.ask(upstream, INITIALIZE, replay.initialize, budgets.greet);
      if ('error' in answer)
        this.#settle(`the new server ${answer.refused ? 'does not take the handshake' : answer.error}`);
      else this.#compare(answer.result, replay.initializeDiffers(answer.result));
    } else if (replay.meta !== undefined) {
      const params = Buffer.concat([META_OPEN, replay.meta, META_CLOSE]);
      const answer = await ownRequests.ask(upstream, DISCOVER, params, budgets.greet);
      // An error will do as well: the server works, and the host knows what it can ask of it.
      if ('result' in answer) this.#compare(answer.result, replay.discoverDiffers(answer.result));
      else this.#settle(answer.refused ? true : `the new server ${answer.error}`);
    } else {
      await new Promise((resolve) => setTimeout(resolve, budgets.grace));
      this.#settle(true);
    }
  }

  /** What the server has sent for the host, message by message. */
  takeLines(): Buffer[] {
    const lines = this.#lines;
    this.#lines = [];
    this.#bytes = 0;
    return lines;
  }

  message(bytes: Buffer, start: number, end: number): void {
    if (end - start > this.#options.budgets.handshake) {
      this.#options.ownRequests.unreadable(this.upstream, findId(bytes, start, end)?.id);
      return;
    }
    const message = readEnvelope(bytes, start, end);
    const { ownRequests } = this.#options;
    if (message.fault !== undefined)
      ownRequests.unreadable(this.upstream, message.id ?? findId(bytes, start, end)?.id);
    else if (message.kind === 'response' && ownRequests.answered(this.upstream, message, bytes)) return;
    this.#lines.push(Buffer.from(bytes.subarray(start, end)));
    this.#bytes += end - start + OVERHEAD;
  }

  /** Too long to be kept. */
  oversize(line: Oversize): void {
    this.#options.ownRequests.unreadable(this.upstream, idOf(line));
  }

  stderr(chunk: Buffer): void {
    this.#options.onStderr(chunk);
  }

  taken(): void {}

  waiting(): void {}

  introduced(): void {}

  settle(): void {
    this.upstream.pause(this.#bytes > this.#options.budgets.waiting);
  }

  drained(): void {}

  closed(): void {
    this.#settle('the new server closed its output');
  }

  ended({ code, signal }: Ending): void {
    this.#settle(`the new server ended (${signal ?? `exit code ${code}`})`);
    this.#options.ownRequests.abandon(this.upstream);
  }

  #compare(result: Buffer, difference: string | undefined): void {
    const { replay, upstream } = this.#options;
    if (difference !== undefined) {
      this.#isOther = true;
      this.#settle(`the new server ${difference}`);
      return;
    }
    if (this.#state === undefined) this.#options.onIntroduced(result);
    if (this.#state === undefined && replay.isOpened && replay.initialized !== undefined) {
      this.#initialized = true;
      sendNotification(upstream, replay.initialized);
      upstream.flush();
    }
    this.#settle(true);
  }

  #settle(state: string | true): void {
    // A failure is for good, and may follow upon readiness.
    if (typeof this.#state === 'string') return;
    this.#state = state;
    this.#options.onChange();
  }
}

/** Sends a whole line as it is: a notification that the host has sent before. */
export function sendNotification(upstream: Upstream, line: Buffer): void {
  const { length } = line;
  const method = readEnvelope(line, 0, length).method;
  upstream.send({
    bytes: line,
    start: 0,
    end: length,
    from: 0,
    to: 0,
    text: '',
    method,
    name: '',
    id: undefined,
  });
}

const META_OPEN = Buffer.from('{"_meta":');
const META_CLOSE = Buffer.from('}');
