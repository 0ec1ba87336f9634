// The user's accounts at remote servers: one keeper for all sessions and hosts. Sessions get an authorizer each; behind those
// of one profile is one account.

import type { AuditLog } from '../audit/log.ts';
import type { Credentials } from '../credential/credentials.ts';
import type { Locks } from '../credential/locks.ts';
import { WarderError } from '../errors.ts';
import type { Browser } from '../os/browser.ts';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import { accountName } from '../profile/auth.ts';
import type { Profile } from '../profile/format.ts';
import type { Settings } from '../profile/settings.ts';
import type { Authorizer } from './authorizer.ts';
import type { RemoteFetch } from './http/fetch.ts';
import { Account } from './keeper/account.ts';
import { type AccountRecord, fits } from './keeper/account-record.ts';
import { type AccountStore, openAccountStore } from './keeper/account-store.ts';
import { StoredCredential, unauthorized } from './keeper/configured.ts';
import { type Asking, OAuthAuthorizer } from './keeper/oauth-authorizer.ts';
import type { ExchangeRecord } from './keeper/one-renewal.ts';
import { OpenAccount } from './keeper/open-account.ts';
import { type OAuth, ProfileClient } from './keeper/profile-client.ts';
import { renewalOf } from './keeper/renewal.ts';
import { markOf } from './keeper/token-mark.ts';
import type { SignIn } from './sign-in/sign-in.ts';
import { NOT_REVOKED, revokeAt } from './sign-in/sign-out.ts';

export interface AccountsParts {
  readonly credentials: Pick<Credentials, 'resolve' | 'watch' | 'onRotation' | 'stores'>;
  readonly locks: Pick<Locks, 'assertUsable' | 'restore'>;
  readonly audit: Pick<AuditLog, 'append'>;
  /** The state folder. */
  readonly state: string;
  readonly settings: Settings['remote'];
  readonly browser: Browser;
  /** A way to the network for what belongs to no session. */
  readonly openFetch: (profile: Profile) => RemoteFetch;
  readonly clock: Clock;
  readonly log: Log;
}

/** A session that uses a remote server. */
export interface AccountSession extends Asking {
  /** Its server is a URL. */
  readonly profile: Profile;
}

export class Accounts implements AsyncDisposable {
  readonly #parts: AccountsParts;
  readonly store: AccountStore;
  /** By what they depend on: a profile that was changed has another one. */
  readonly #open = new Map<string, OpenAccount>();

  constructor(parts: AccountsParts) {
    this.#parts = parts;
    this.store = openAccountStore(parts);
  }

  /** The authorizer of a session. Asks nobody, waits for nobody, and reads what is stored if that is possible at once. */
  async open({ profile, ask }: AccountSession): Promise<Authorizer> {
    const { credentials, locks, clock } = this.#parts;
    const { server } = profile;
    if (server.kind !== 'url') throw new TypeError('the server is no URL');
    const { auth } = server;
    if (auth.type === 'none') return unauthorized();
    if (auth.type === 'bearer' || auth.type === 'header') {
      const [header, prefix] =
        auth.type === 'bearer' ? ['Authorization', 'Bearer '] : [auth.header, auth.prefix];
      const { credential } = auth;
      return new StoredCredential({
        profile: profile.name,
        credential,
        header,
        prefix,
        credentials,
        locks,
        clock,
      });
    }
    const account = this.account(profile, auth);
    // A store that is locked is no reason to keep a host waiting: the first request that needs it says so.
    await account.account.load(false).catch(() => {});
    return new OAuthAuthorizer(account, { ask });
  }

  /** The account of a profile whose `auth` is OAuth. */
  account(profile: Profile, auth: OAuth): OpenAccount {
    const { server, name } = profile;
    if (server.kind !== 'url') throw new TypeError('the server is no URL');
    const key = JSON.stringify([name, server]);
    const known = this.#open.get(key);
    if (known !== undefined) return known;
    const made = this.#make(profile, { url: server.url, insecureLoopback: server.insecureLoopback, auth });
    this.#open.set(key, made);
    return made;
  }

  /** The account of a profile. Throws `usage` where its server needs no sign-in. */
  accountOf(profile: Profile): OpenAccount {
    const { server, name } = profile;
    if (server.kind !== 'url') {
      throw new WarderError(
        'usage',
        `the server of "${name}" runs on this machine: there is nothing to sign in to`,
        {
          hint: '"warder list" shows which servers are remote',
        },
      );
    }
    const { auth } = server;
    if (auth.type === 'none' || auth.type === 'bearer' || auth.type === 'header') {
      throw new WarderError(
        'usage',
        `the profile "${name}" has "auth: {type: ${auth.type}}": there is nothing to sign in to`,
        {
          hint:
            auth.type === 'none'
              ? 'remove "auth" to sign in'
              : `set its value: warder credential set ${name} token`,
        },
      );
    }
    return this.account(profile, auth);
  }

  /** A sign-in that is under way, or was the last one of its account. */
  signIn(id: string): SignIn | undefined {
    return [...this.#open.values()].map(({ lastSignIn }) => lastSignIn).find((one) => one?.id === id);
  }

  /**
   * Forgets the tokens of a profile, and revokes them at the authorization server if it lets one; the registration goes with
   * them unless another of `others` uses it. Throws the store's codes; then nothing has changed.
   */
  async signOut(
    profile: Profile,
    others: readonly string[],
  ): Promise<{ readonly changed: boolean; readonly revoked: boolean; readonly detail: string | null }> {
    const { account, client, lastSignIn } = this.accountOf(profile);
    lastSignIn?.cancel('the user has signed out');
    const record = await account.forget(false);
    await this.reload(profile.name);
    if (record === undefined) return { changed: false, revoked: false, detail: null };
    const isFound = record.tokens !== undefined;
    // Where the profile is another by now, its client's secret is none of that server's.
    const result = isFound && fits(record, client.fit) ? await revokeAt(client, record) : NOT_REVOKED;
    await this.#forgetClient(record, others).catch((error: unknown) =>
      this.#parts.log.warn({ profile: profile.name, error: String(error) }, 'a registration stays'),
    );
    if (isFound) this.#append(profile.name, record, { action: 'sign-out', outcome: result.outcome });
    return { changed: isFound, revoked: result.outcome === 'revoked', detail: result.detail };
  }

  /**
   * Forgets the account of a profile that is no more. Nothing says any more how its authorization server may be reached, so
   * the tokens are not revoked there. False: there was none. Throws the store's codes.
   */
  async forget(name: string): Promise<boolean> {
    using _lock = await this.store.lock(name);
    const record = await this.store.read(name, false).catch(() => undefined);
    const isFound = await this.store.remove(name);
    if (isFound) this.#append(name, record, { action: 'sign-out', outcome: 'none' });
    return isFound;
  }

  /** Another daemon, or a person, has changed an account: what is open of it reads it again. Never rejects. */
  async reload(profile: string): Promise<void> {
    const opened = [...this.#open.values()].filter(({ client }) => client.profile === profile);
    await Promise.all(opened.map(({ account }) => account.reload()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = [...this.#open.values()];
    this.#open.clear();
    for (const { lastSignIn } of opened) lastSignIn?.cancel('Warder ends');
    await Promise.all(opened.map(({ account }) => account[Symbol.asyncDispose]()));
  }

  #make(
    profile: Profile,
    server: { readonly url: string; readonly insecureLoopback: boolean; readonly auth: OAuth },
  ): OpenAccount {
    const { credentials, locks, settings, browser, clock, log, openFetch } = this.#parts;
    const { store } = this;
    const client = new ProfileClient({
      profile: profile.name,
      server: server.url,
      auth: server.auth,
      insecureLoopback: server.insecureLoopback,
      fetch: openFetch(profile),
      credentials,
      locks,
      clock,
    });
    const account = new Account({
      profile: profile.name,
      fit: client.fit,
      store,
      renewal: renewalOf(client, store, clock),
      exchanged: (record, what) => this.#recordExchange(profile.name, record, what),
      clock,
      log,
    });
    return new OpenAccount({
      account,
      client,
      assertUsable: (names) => locks.assertUsable(names),
      signIn: {
        store,
        document: settings['client-metadata-url'],
        browser,
        record: (record, outcome, by) => this.#recordSignIn(profile.name, record, outcome, by),
        now: () => clock.now(),
        clock,
        log,
      },
      clock,
    });
  }

  #recordExchange(profile: string, record: AccountRecord, { outcome, reason }: ExchangeRecord): void {
    this.#append(profile, record, { action: 'exchange', outcome, ...(reason !== undefined && { reason }) });
  }

  #recordSignIn(profile: string, record: AccountRecord, outcome: string, by: string): void {
    // What a person has signed in to anew is another secret: only the old one was revoked.
    if (by === 'terminal') this.#parts.locks.restore(accountName(profile));
    this.#append(profile, record, { action: 'sign-in', outcome, rule: by });
  }

  async #forgetClient({ registration }: AccountRecord, others: readonly string[]): Promise<void> {
    if (registration.kind !== 'dynamic') return;
    for (const other of others) {
      const used = await this.store.read(other, false).catch(() => undefined);
      if (used?.registration.clientId === registration.clientId && used.tokens !== undefined) return;
    }
    await this.store.removeClient(registration);
  }

  /** Of something that has happened: if it cannot be recorded, requests are refused meanwhile. */
  #append(
    profile: string,
    record: AccountRecord | undefined,
    fields: {
      readonly action: 'exchange' | 'sign-in' | 'sign-out';
      readonly outcome: string;
      readonly reason?: string;
      readonly rule?: string;
    },
  ): void {
    const { audit, credentials } = this.#parts;
    const mark = record === undefined ? undefined : markOf(profile, record);
    const named = { credential: accountName(profile), version: String(record?.serial ?? 0), profile };
    try {
      audit.append('credential.use', { ...named, ...mark, ...fields, ...credentials.stores.vaultMark });
    } catch {
      // The audit log has reported why.
    }
  }
}
