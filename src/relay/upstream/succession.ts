// The one step by which a session changes its server: before it all is with the old one, after it all is with the new one.
import type { Budgets } from '../budgets.ts';
import { LISTEN } from '../call.ts';
import type { Calls } from '../calls.ts';
import type { Outbox } from '../flow/outbox.ts';
import { CANCELLED } from '../methods.ts';
import type { FromServer } from '../server/from-server.ts';
import type { Questions } from '../server/questions.ts';
import type { ServerRequests } from '../server/server-requests.ts';
import type { Tasks } from '../server/tasks.ts';
import type { SessionServer, Upstream, UpstreamListener } from '../upstream.ts';
import { type Candidate, sendNotification } from './candidate.ts';
import type { Current } from './current.ts';
import { type OwnRequests, sendRequest } from './own-requests.ts';
import type { Replay } from './replay.ts';

export interface SuccessionOptions {
  readonly budgets: Pick<Budgets, 'drain'>;
  readonly current: Current;
  readonly calls: Calls;
  readonly serverRequests: ServerRequests;
  readonly questions: Questions;
  readonly ownRequests: OwnRequests;
  readonly replay: Replay;
  readonly tasks: Tasks;
  readonly fromServer: FromServer;
  readonly toHost: Outbox;
  /** Gives the next id of the relay's own. */
  readonly nextId: () => number;
  readonly upstreamOf: (server: SessionServer) => Upstream;
  /** Whether all that the server has sent is passed on. */
  readonly isRead: () => boolean;
  /** Makes the session the owner of a server. */
  readonly adopt: (upstream: Upstream) => void;
  /** What becomes of a server that has the session no more, or did not get it. */
  readonly retired: (upstream: Upstream) => UpstreamListener;
}

const NOTHING = Buffer.alloc(0);

export class Succession {
  readonly #options: SuccessionOptions;

  constructor(options: SuccessionOptions) {
    this.#options = options;
  }

  /** Whether nothing is open that ends with the server that has it. */
  get isQuiet(): boolean {
    const { calls, serverRequests, questions, tasks, isRead } = this.#options;
    return (
      calls.pending === 0 && serverRequests.size === 0 && !questions.anyWaiting && !tasks.anyOpen && isRead()
    );
  }

  /** Whether the server has nothing to do, and nothing to remember, that another would not be told. */
  get isIdle(): boolean {
    const { calls, ownRequests, replay, tasks } = this.#options;
    return (
      this.isQuiet &&
      calls.isAllAnswered &&
      ownRequests.isEmpty &&
      !replay.isSubscribed &&
      !tasks.anyKnown &&
      calls.listening().every(({ targets, namesTasks }) => targets.length === 0 && !namesTasks)
    );
  }

  /** Gives the session to a new server. */
  handOver(candidate: Candidate): void {
    const { current, calls, fromServer, ownRequests, adopt, budgets, tasks } = this.#options;
    const old = current.upstream;
    const limit = seconds(budgets.drain);
    const text = `the server was replaced, because a credential has changed; it did not answer within ${limit}`;
    for (const call of calls.open(false)) call.fail('lost', { code: 'lost', text });
    calls.forgetLate();
    tasks.forgetOpen();
    ownRequests.abandon(old);
    this.#cancelServerRequests();
    current.upstream = candidate.upstream;
    this.#reopen(candidate);
    adopt(candidate.upstream);
    for (const line of candidate.takeLines()) fromServer.message(line, 0, line.length);
    this.retire(old);
  }

  /** Ends the server; from now on another answers in its place, which has none of what was open with it. */
  handBack(recorded: SessionServer): void {
    const { current, upstreamOf, adopt, calls } = this.#options;
    const old = current.upstream;
    calls.forgetLate();
    current.upstream = upstreamOf(recorded);
    adopt(current.upstream);
    this.retire(old);
  }

  /** Ends a server that does not have the session. */
  retire(upstream: Upstream): void {
    upstream.listen(this.#options.retired(upstream));
    upstream.pause(false);
    void upstream.stop();
  }

  /** The host need not answer any more what the old server has asked. */
  #cancelServerRequests(): void {
    const { serverRequests, toHost, questions } = this.#options;
    questions.leaveServer();
    for (const request of serverRequests.takeAll()) {
      serverRequests.record(request, 'lost', NOTHING);
      const { ownId } = request;
      const params = `{"requestId":${ownId},"reason":"the server was replaced"}`;
      toHost.message(`{"jsonrpc":"2.0","method":"${CANCELLED}","params":${params}}`);
    }
  }

  /** Tells the new server what the host has told the one before it, and it does not know yet. */
  #reopen({ upstream, initialized }: Candidate): void {
    const { replay, calls, nextId } = this.#options;
    if (replay.initialized !== undefined && !initialized) sendNotification(upstream, replay.initialized);
    // Their answers are for nobody.
    for (const { method, params } of replay.rest()) sendRequest(upstream, nextId(), method, params);
    for (const call of calls.listening()) {
      call.reopened = true;
      sendRequest(upstream, call.send(), LISTEN, call.params);
    }
  }
}

function seconds(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${Math.round(ms / 1000)} s`;
}
