// The front of the room: remote servers as the daemon has them. A session gets a server's side that speaks HTTP; what signs in
// to servers is shared by all sessions. Loaded when the first of them is needed.
import { randomBytes } from 'node:crypto';
import type { AuditLog } from '../audit/log.ts';
import type { Credentials } from '../credential/credentials.ts';
import type { Locks } from '../credential/locks.ts';
import type { Egress } from '../egress/egress.ts';
import { WarderError } from '../errors.ts';
import type { Browser } from '../os/browser.ts';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import type { Profile, RemoteServer } from '../profile/format.ts';
import type { Settings } from '../profile/settings.ts';
import { BUDGETS } from '../relay/budgets.ts';
import type { OpenConsent } from '../relay/consent.ts';
import type { OfflineRecord } from '../relay/offline-record.ts';
import type { SessionServer } from '../relay/upstream.ts';
import { Accounts } from './accounts.ts';
import { AgreedAuthorizer, type Agreement } from './agreement.ts';
import { RemoteHttp } from './http/client.ts';
import { openFetch, type RemoteFetch } from './http/fetch.ts';
import { credentialLedger } from './http/ledger.ts';
import { badAnswer } from './http/problem.ts';
import { type Found, probeServer } from './probe/probe-server.ts';
import type { SignInQuestion } from './sign-in/waiting.ts';
import { OPENERS } from './transport/open.ts';
import { EraVerdicts } from './transport/verdicts.ts';
import { RemoteUpstream } from './upstream.ts';

/** Milliseconds for all that is asked of a server that is only looked at. */
const PROBE_TIME = 45_000;

export interface RemoteParts {
  readonly egress: () => Promise<Pick<Egress, 'openRemote'>>;
  readonly credentials: Credentials;
  readonly locks: Pick<Locks, 'assertUsable' | 'restore'>;
  readonly audit: Pick<AuditLog, 'append'>;
  /** The state folder. */
  readonly state: string;
  readonly settings: Settings['remote'];
  readonly browser: Browser;
  readonly clock: Clock;
  readonly log: Log;
}

/** A session that is to use a remote server. */
export interface RemoteRequest {
  readonly profile: Profile;
  readonly server: RemoteServer;
  readonly session: string;
  readonly agreement: Agreement & { readonly offline: OfflineRecord | undefined };
  /** Asks a person whether to sign in. */
  readonly ask: (question: SignInQuestion) => OpenConsent;
  /** Makes an id for a connection, unique in the log. */
  readonly connection: () => string;
  /** The requests in flight, by their numbers in the log; and the one that the relay knows by an id. */
  readonly calls: () => readonly string[];
  readonly callOf: (id: number) => string | undefined;
}

/** A remote server, for one session. */
export interface OpenRemote {
  readonly server: SessionServer;
  /** Settles when nothing goes to it any more; never rejects. */
  readonly gone: Promise<void>;
  /** Whether nobody has signed in, as far as is known. */
  readonly isSignedOut: boolean;
  /** The values that authorize requests now, and did lately. `listener` is called before a new one is used. */
  values(): readonly string[];
  onChange(listener: () => void): void;
  /** Ends all that is under way, as what authorizes it must not be used any more. Returns how many requests that were. */
  cut(reason: string): number;
}

export class Remote implements AsyncDisposable {
  readonly accounts: Accounts;
  readonly #parts: RemoteParts;
  readonly #verdicts: EraVerdicts;
  readonly #opened: RemoteHttp[] = [];

  constructor(parts: RemoteParts) {
    this.#parts = parts;
    this.#verdicts = new EraVerdicts(parts.clock);
    this.accounts = new Accounts({ ...parts, openFetch: (profile) => this.openFetch(profile) });
  }

  /** Makes a session's side of a remote server. Nothing is sent yet. Throws `config-invalid`, and the errors of resolving the proxy's login. */
  async open({
    profile,
    server,
    session,
    agreement,
    ask,
    connection,
    calls,
    callOf,
  }: RemoteRequest): Promise<OpenRemote> {
    const { egress, clock, log } = this.#parts;
    const route = await (await egress()).openRemote({
      profile,
      session,
      opened: server,
      nextConnectionId: connection,
      calls,
    });
    const http = new RemoteHttp(route);
    const account = await this.accounts.open({
      profile,
      ask: (question) =>
        ask({ ...question, call: question.id === undefined ? question.call : (callOf(question.id) ?? '') }),
    });
    const authorizer =
      server.auth.type === 'none' ? account : new AgreedAuthorizer(profile.name, account, agreement);
    const gone = Promise.withResolvers<void>();
    const end = (): void => {
      http[Symbol.dispose]();
      authorizer[Symbol.dispose]();
      gone.resolve();
    };
    let upstream: RemoteUpstream | undefined;
    return {
      server: {
        open: (parts) => {
          upstream = new RemoteUpstream(
            {
              profile: profile.name,
              pipe: {
                server: new URL(server.url),
                headers: server.headers,
                http,
                authorizer,
                ledger: credentialLedger(route.ledger, callOf),
                clock,
                log,
                budgets: { line: parts.line, open: BUDGETS.open, waiting: BUDGETS.waiting },
              },
              openers: OPENERS,
              offline: agreement.offline,
              verdicts: this.#verdicts,
            },
            parts,
          );
          void upstream.gone.then(end);
          return upstream;
        },
        stop: async () => {
          if (upstream === undefined) end();
          else await upstream.stop();
        },
      },
      gone: gone.promise,
      get isSignedOut() {
        return authorizer.state === 'signed-out';
      },
      values: () => authorizer.values(),
      onChange: (listener) => authorizer.onChange(listener),
      cut: (reason) => upstream?.cut(reason) ?? 0,
    };
  }

  /** A way to the network for what belongs to no session: signing in, refreshing, signing out. */
  openFetch(profile: Profile): RemoteFetch {
    let opening: Promise<RemoteFetch> | undefined;
    const open = async (): Promise<RemoteFetch> => {
      const http = await this.#openHttp(profile);
      this.#opened.push(http);
      return openFetch(http);
    };
    return async (url, init) => {
      opening ??= open().catch((error: unknown) => {
        opening = undefined;
        throw error;
      });
      return (await opening)(url, init);
    };
  }

  async #openHttp(profile: Profile): Promise<RemoteHttp> {
    const { server } = profile;
    if (server.kind !== 'url') throw new TypeError('the server is no URL');
    const name = randomBytes(8).toString('hex');
    let connections = 0;
    const route = await (await this.#parts.egress()).openRemote({
      profile,
      session: undefined,
      opened: server,
      nextConnectionId: () => `${name}-n${++connections}`,
      calls: () => [],
    });
    return new RemoteHttp(route);
  }

  /** Looks at the server of a profile, which may be one that is not written yet. Throws as `probeServer` does. */
  async probe(profile: Profile): Promise<Found> {
    const { server } = profile;
    if (server.kind !== 'url') {
      throw new WarderError('usage', `the server of "${profile.name}" runs on this machine`);
    }
    using http = await this.#openHttp(profile);
    const limit = new AbortController();
    const late = badAnswer(new URL(server.url), 'does not answer in time');
    const timer = setTimeout(() => limit.abort(late), PROBE_TIME);
    const { clock } = this.#parts;
    try {
      return await probeServer({ http, server, clock, random: randomBytes, signal: limit.signal });
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.accounts[Symbol.asyncDispose]();
    for (const http of this.#opened.splice(0)) http[Symbol.dispose]();
  }
}
