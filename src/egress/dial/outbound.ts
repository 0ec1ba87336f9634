// What all gates share to reach hosts, as the settings say it: the authorities that hosts are verified against, the
// name servers, and the proxy with its login.
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import * as tls from 'node:tls';
import type { Credentials } from '../../credential/credentials.ts';
import { WarderError } from '../../errors.ts';
import { expandHome, type ProfileCredential } from '../../profile/format.ts';
import { type Settings, settingsPath } from '../../profile/settings.ts';
import type { Places } from '../../wire/places.ts';
import { resolverWith, systemResolver } from '../names/resolver.ts';
import { Dialler } from './dialler.ts';

export interface OutboundParts {
  readonly settings: Settings['egress'];
  readonly places: Places;
  readonly home: string;
  readonly credentials: Pick<Credentials, 'resolve'>;
  /** The machine's own authorities; undefined where it has no file of them. */
  readonly system: Buffer | undefined;
}

/** The authorities and the dialler are made once, when a gate first needs them. */
export class Outbound {
  readonly #parts: OutboundParts;
  #trust: tls.SecureContext | undefined;
  #dialler: Dialler | undefined;

  constructor(parts: OutboundParts) {
    this.#parts = parts;
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

  /** Throws `config-invalid`, and the errors of resolving the proxy's login. */
  async dialler(): Promise<Dialler> {
    this.#dialler ??= await this.#createDialler();
    return this.#dialler;
  }

  async #createDialler(): Promise<Dialler> {
    const { settings } = this.#parts;
    const resolve = settings.resolvers.length > 0 ? resolverWith([...settings.resolvers]) : systemResolver();
    const localAddresses = (): ReadonlySet<string> =>
      new Set(
        Object.values(networkInterfaces()).flatMap((addresses = []) =>
          addresses.map(({ address }) => address),
        ),
      );
    if (settings.proxy === undefined) return new Dialler({ resolve, localAddresses });
    const url = new URL(settings.proxy);
    if (settings.login !== undefined) {
      const [user = '', ...rest] = (await this.#login(settings.login)).split(':');
      url.username = encodeURIComponent(user);
      url.password = encodeURIComponent(rest.join(':'));
    }
    return new Dialler({
      resolve,
      localAddresses,
      proxy: { url, except: settings.except, trusted: this.trust() },
    });
  }

  async #login(name: string): Promise<string> {
    const login = { ...PROXY_LOGIN, name };
    const [resolved] = await this.#parts.credentials.resolve('warder', [login]);
    return resolved?.value ?? '';
  }
}

/** The proxy's login is resolved like any credential. */
const PROXY_LOGIN: Omit<ProfileCredential, 'name'> = {
  variable: 'PROXY_LOGIN',
  from: 'store',
  deliver: 'file',
  hosts: [],
  as: undefined,
  paths: undefined,
  methods: undefined,
  confirm: false,
  lifetime: undefined,
  maxUses: undefined,
};
