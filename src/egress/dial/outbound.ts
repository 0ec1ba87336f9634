// What all gates share to reach hosts, as the settings say it: the authorities that hosts are verified against, the
// name servers, and the proxy with its login.
import { readFileSync } from 'node:fs';
import * as tls from 'node:tls';
import type { Credentials } from '../../credential/credentials.ts';
import { WarderError } from '../../errors.ts';
import type { Clock } from '../../os/clock.ts';
import { type ProfileCredential, UNLIMITED } from '../../profile/credential.ts';
import { expandHome } from '../../profile/format.ts';
import { type Settings, settingsPath } from '../../profile/settings.ts';
import type { Places } from '../../wire/places.ts';
import type { Dialler } from './dialler.ts';
import { Diallers, type OutboundData, type ProxyData, trustContext } from './diallers.ts';

export interface OutboundParts {
  readonly settings: Settings['egress'];
  readonly places: Places;
  readonly home: string;
  readonly credentials: Pick<Credentials, 'resolve'>;
  /** The machine's own authorities; undefined where it has no file of them. */
  readonly system: Buffer | undefined;
  readonly clock: Clock;
}

/** The authorities and the proxy are made once, when a gate first needs them. */
export class Outbound {
  readonly #parts: OutboundParts;
  #trust: tls.SecureContext | undefined;
  readonly #diallers: Diallers;
  #proxy: Promise<ProxyData | undefined> | undefined;

  constructor(parts: OutboundParts) {
    this.#parts = parts;
    this.#diallers = new Diallers(parts.settings.resolvers, parts.clock);
  }

  /** The certificates that the settings add; read anew at each call. Throws `config-invalid`. */
  addedAuthorities(): string[] {
    const { settings, places, home } = this.#parts;
    if (settings.ca === undefined) return [];
    const file = expandHome(settings.ca, home);
    try {
      const text = readFileSync(file, 'utf8');
      if (!text.includes('-----BEGIN CERTIFICATE-----')) throw new Error('no certificate');
      return [text];
    } catch (cause) {
      throw new WarderError('config-invalid', `cannot read certificates from "${file}"`, {
        hint: `correct "egress.ca" in ${settingsPath(places)}`,
        cause,
      });
    }
  }

  /** The authorities that hosts are verified against. Throws `config-invalid`. */
  trust(): tls.SecureContext {
    this.#trust ??= trustContext(this.#authorities());
    return this.#trust;
  }

  /** What another thread needs to reach hosts, beside the proxy. Throws `config-invalid`. */
  data(): OutboundData {
    return { resolvers: this.#parts.settings.resolvers, authorities: this.#authorities() };
  }

  /** A dialler for one session; `takesAddresses`: of hosts that may be addresses. Throws `config-invalid`, and the errors of resolving the proxy's login. */
  async dialler(takesAddresses = false): Promise<Dialler> {
    return this.#diallers.make(await this.proxy(), () => this.trust(), takesAddresses);
  }

  #authorities(): string[] {
    const { system } = this.#parts;
    return [
      ...(system === undefined ? tls.rootCertificates : [system.toString()]),
      ...this.addedAuthorities(),
    ];
  }

  /** The proxy of the settings: its login is resolved once, and anew where that failed. Throws the errors of resolving it. */
  async proxy(): Promise<ProxyData | undefined> {
    this.#proxy ??= this.#readProxy();
    try {
      return await this.#proxy;
    } catch (error) {
      this.#proxy = undefined;
      throw error;
    }
  }

  async #readProxy(): Promise<ProxyData | undefined> {
    const { settings } = this.#parts;
    if (settings.proxy === undefined) return undefined;
    const url = new URL(settings.proxy);
    if (settings.login !== undefined) {
      const [user = '', ...rest] = (await this.#login(settings.login)).split(':');
      url.username = encodeURIComponent(user);
      url.password = encodeURIComponent(rest.join(':'));
    }
    return { url: url.href, except: settings.except };
  }

  async #login(name: string): Promise<string> {
    const login = { ...PROXY_LOGIN, name };
    const [resolved] = await this.#parts.credentials.resolve('warder', [login]);
    return resolved?.value ?? '';
  }
}

/** The proxy's login is resolved like any credential. */
const PROXY_LOGIN: Omit<ProfileCredential, 'name'> = {
  ...UNLIMITED,
  variable: 'PROXY_LOGIN',
  from: 'store',
  deliver: 'file',
  hosts: [],
};
