// What all gates share to reach hosts, as the settings say it: the authorities that hosts are verified against, the
// name servers, and the proxy with its login.
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import * as tls from 'node:tls';
import type { Credentials } from '../../credential/credentials.ts';
import { WarderError } from '../../errors.ts';
import type { Clock } from '../../os/clock.ts';
import { type ProfileCredential, UNLIMITED } from '../../profile/credential.ts';
import { expandHome } from '../../profile/format.ts';
import { type Settings, settingsPath } from '../../profile/settings.ts';
import type { Places } from '../../wire/places.ts';
import { Lookups } from '../names/lookups.ts';
import { type Resolve, resolverWith, systemResolver } from '../names/resolver.ts';
import { Dialler } from './dialler.ts';
import { UpstreamProxy } from './upstream-proxy.ts';

export interface OutboundParts {
  readonly settings: Settings['egress'];
  readonly places: Places;
  readonly home: string;
  readonly credentials: Pick<Credentials, 'resolve'>;
  /** The machine's own authorities; undefined where it has no file of them. */
  readonly system: Buffer | undefined;
}

/** The authorities and the proxy are made once, when a gate first needs them. */
export class Outbound {
  readonly #parts: OutboundParts;
  #trust: tls.SecureContext | undefined;
  readonly #resolve: Resolve;
  #proxy: Promise<UpstreamProxy | undefined> | undefined;

  constructor(parts: OutboundParts) {
    this.#parts = parts;
    const { resolvers } = parts.settings;
    this.#resolve = resolvers.length > 0 ? resolverWith(resolvers) : systemResolver();
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
    const { system } = this.#parts;
    this.#trust ??= tls.createSecureContext({
      ca: [
        ...(system === undefined ? tls.rootCertificates : [system.toString()]),
        ...this.addedAuthorities(),
      ],
      minVersion: 'TLSv1.2',
    });
    return this.#trust;
  }

  /** A dialler for one session; `takesAddresses`: of hosts that may be addresses. Throws `config-invalid`, and the errors of resolving the proxy's login. */
  async dialler(clock: Clock, takesAddresses = false): Promise<Dialler> {
    const lookups = new Lookups(this.#resolve, clock);
    const localAddresses = (): ReadonlySet<string> =>
      new Set(
        Object.values(networkInterfaces()).flatMap((addresses = []) =>
          addresses.map(({ address }) => address),
        ),
      );
    return new Dialler({
      resolve: (name) => lookups.resolve(name),
      localAddresses,
      proxy: await this.#openProxy(),
      takesAddresses,
    });
  }

  /** One for all sessions; made anew where it failed. */
  async #openProxy(): Promise<UpstreamProxy | undefined> {
    this.#proxy ??= this.#createProxy();
    try {
      return await this.#proxy;
    } catch (error) {
      this.#proxy = undefined;
      throw error;
    }
  }

  async #createProxy(): Promise<UpstreamProxy | undefined> {
    const { settings } = this.#parts;
    if (settings.proxy === undefined) return undefined;
    const url = new URL(settings.proxy);
    if (settings.login !== undefined) {
      const [user = '', ...rest] = (await this.#login(settings.login)).split(':');
      url.username = encodeURIComponent(user);
      url.password = encodeURIComponent(rest.join(':'));
    }
    return new UpstreamProxy({ url, except: settings.except, trusted: this.trust() });
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
