// The egress room as the daemon uses it: what all gates share (whose certificates are believed, how names are looked up,
// which way leads out), and the opening of a gate for one server. Loaded when the first server needs it.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import * as tls from 'node:tls';
import type { AuditLog } from '../audit/log.ts';
import type { Credentials, ResolvedCredential } from '../credential/credentials.ts';
import { sealingProblem } from '../credential/sealable.ts';
import {
  type SealedCredential,
  SealedCredentials,
  type SealedSecret,
  type UsageLocks,
} from '../credential/sealed.ts';
import { WarderError } from '../errors.ts';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import { allowedEgress, expandHome, type Profile, type ProfileCredential } from '../profile/format.ts';
import { matchesHost } from '../profile/host.ts';
import { type Settings, settingsPath } from '../profile/settings.ts';
import type { Network } from '../sandbox/network.ts';
import type { Places } from '../wire/places.ts';
import { Allowlist } from './allowlist.ts';
import { Dialler } from './dial/dialler.ts';
import { Gate } from './gate.ts';
import { EgressLedger } from './ledger.ts';
import { serveNetwork, serveProxy } from './listener.ts';
import { resolverAt, systemResolver } from './names/resolver.ts';
import { Names } from './names/virtual-addresses.ts';
import { Authority } from './tls/authority.ts';
import { BUNDLE, KEYSTORE, SESSION, systemBundle, trustFiles, trustVariables, writeTrust } from './trust.ts';

export interface EgressParts {
  readonly settings: Settings['egress'];
  readonly places: Places;
  readonly home: string;
  readonly credentials: Pick<Credentials, 'resolve'>;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly guards: UsageLocks;
  /** A host has answered a request with a credential. */
  readonly judged: (credential: SealedCredential, status: number, host: string) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** For which server a gate is. */
export interface Opening {
  readonly profile: Profile;
  readonly session: string;
  /** When the session began, in milliseconds of the monotonic clock. */
  readonly began: number;
  /** How often each sealed credential was used in it, by its variable. */
  readonly uses: Map<string, number>;
  /** The sealed ones among its credentials. */
  readonly sealed: readonly ResolvedCredential[];
  /** The way into the gate: the sandbox' own network, or a proxy where there is none. */
  readonly way: Network | 'proxy';
  /** Names a connection, uniquely in the session. */
  readonly name: () => string;
  /** The tool calls in flight. */
  readonly calls: () => readonly string[];
}

/** The gate of one server, and what the server gets instead of its secrets. Disposed of, all its connections end. */
export interface OpenGate extends Disposable {
  /** Variables with placeholders, and those that name the trust files and the proxy. */
  readonly variables: Readonly<Record<string, string>>;
  /** Files for the sandbox; none where it is reached by a proxy. */
  readonly files: readonly { readonly path: string; readonly data: Buffer }[];
  /** Where it is reached by a proxy: its port on loopback. */
  readonly port: number | undefined;
  /** Writes the trust files into a folder, which it makes, for a sandbox that has no files of its own; gives back the variables that name them. */
  settle(folder: string): Readonly<Record<string, string>>;
  /** Values that must not pass: the sealed credentials' own, and those of tokens since. The same array until one comes. */
  readonly secrets: readonly SealedSecret[];
  /** From now on requests carry these values; placeholders stay. Throws `credential-unfit`, and keeps the old ones. */
  update(fresh: readonly ResolvedCredential[]): void;
  /** Cuts the connections that have carried a credential; gives back how many. */
  cut(credential: string): number;
}

export class Egress {
  readonly #parts: EgressParts;
  readonly #bundle = systemBundle();
  #trusted: tls.SecureContext | undefined;
  #dialler: Dialler | undefined;

  constructor(parts: EgressParts) {
    this.#parts = parts;
  }

  /** The ports that a server of a profile may need. */
  ports(profile: Profile): readonly number[] {
    const { network, sealed } = allowedEgress(profile);
    return new Allowlist(network, sealed).ports;
  }

  /** Opens a gate, and the way to it. Throws `credential-unfit`, `config-invalid`, and what the proxy's login throws. */
  async open({ profile, session, began, uses, sealed: given, way, name, calls }: Opening): Promise<OpenGate> {
    const { audit, guards, judged, clock, log } = this.#parts;
    const fits = (resolved: readonly ResolvedCredential[]): ResolvedCredential[] =>
      resolved.map((one) => demandFit(profile.name, one));
    const sealed = new SealedCredentials(joined(profile.credentials, fits(given)), {
      random: randomBytes,
      start: began,
      uses,
      matches: (pattern, host, port) => matchesHost(pattern, host, port, HTTPS),
    });
    const reach = allowedEgress(profile);
    const allowed = new Allowlist(reach.network, reach.sealed);
    const authority = reach.sealed.length > 0 ? Authority.create(reach.sealed, clock.now()) : undefined;
    const names = new Names(allowed);
    const { durability } = profile.audit;
    const ledger = new EgressLedger({
      session,
      profile: profile.name,
      durability,
      audit,
      calls,
      name,
      clock,
      log,
    });
    const more = this.#more();
    this.#trusted ??= tls.createSecureContext({ ca: [...this.#roots(), ...more], minVersion: 'TLSv1.2' });
    this.#dialler ??= await this.#makeDialler();
    const gate = new Gate({
      allowed,
      names,
      sealed,
      authority,
      dialler: this.#dialler,
      trusted: this.#trusted,
      guards,
      ledger,
      judged,
      clock,
      log,
    });
    const front = way === 'proxy' ? await serveProxy(gate, ledger) : serveNetwork(way, gate, names, ledger);
    const own = [...(authority === undefined ? [] : [authority.certificate]), ...more];
    return {
      variables: {
        ...sealed.environment(),
        ...front.variables,
        ...(own.length > 0 && way !== 'proxy' ? trustVariables() : {}),
      },
      files: own.length > 0 && way !== 'proxy' ? this.#files(own) : [],
      port: front.port,
      settle: (folder) => (own.length > 0 ? trustVariables(writeTrust(folder, this.#trust(own))) : {}),
      get secrets() {
        return sealed.secrets;
      },
      update: (fresh) => {
        for (const { name: credential, value, version } of fits(fresh)) {
          for (const one of sealed.all) if (one.name === credential) one.update(value, version);
        }
      },
      cut: (credential) => gate.cut(credential),
      [Symbol.dispose]: () => {
        front[Symbol.dispose]();
        gate[Symbol.dispose]();
      },
    };
  }

  /** Files that say whom to trust: the machine's own authorities, those of the settings, and the session's. */
  #files(own: readonly string[]): { path: string; data: Buffer }[] {
    const { bundle, session, keystore } = this.#trust(own);
    return [
      { path: BUNDLE, data: bundle },
      { path: KEYSTORE, data: keystore },
      { path: SESSION, data: session },
      // For programs that read no variable.
      ...(this.#bundle === undefined ? [] : [{ path: this.#bundle.path, data: bundle }]),
    ];
  }

  #trust(own: readonly string[]): ReturnType<typeof trustFiles> {
    return trustFiles({ system: this.#bundle?.data, roots: tls.rootCertificates, more: own });
  }

  #roots(): readonly string[] {
    return this.#bundle === undefined ? tls.rootCertificates : [this.#bundle.data.toString()];
  }

  /** The certificates that the settings add. */
  #more(): string[] {
    const { settings, places, home } = this.#parts;
    if (settings.ca === undefined) return [];
    const file = expandHome(settings.ca, home);
    try {
      const text = readFileSync(file, 'utf8');
      if (!text.includes('-----BEGIN CERTIFICATE-----')) throw new Error('no certificate');
      return [text];
    } catch (cause) {
      throw new WarderError('config-invalid', `there are no certificates to be read in "${file}"`, {
        hint: `mend "egress.ca" in ${settingsPath(places)}`,
        cause,
      });
    }
  }

  async #makeDialler(): Promise<Dialler> {
    const { settings } = this.#parts;
    const resolve = settings.resolvers.length > 0 ? resolverAt([...settings.resolvers]) : systemResolver();
    const own = (): ReadonlySet<string> =>
      new Set(Object.values(networkInterfaces()).flatMap((all = []) => all.map(({ address }) => address)));
    if (settings.proxy === undefined) return new Dialler({ resolve, own });
    const trusted = this.#trusted;
    const url = new URL(settings.proxy);
    if (settings.login !== undefined) {
      const [user = '', ...rest] = (await this.#login(settings.login)).split(':');
      url.username = encodeURIComponent(user);
      url.password = encodeURIComponent(rest.join(':'));
    }
    return new Dialler({
      resolve,
      own,
      proxy: { url, except: settings.except, ...(trusted && { trusted }) },
    });
  }

  async #login(name: string): Promise<string> {
    const login = { ...LOGIN, name };
    const [resolved] = await this.#parts.credentials.resolve('warder', [login]);
    return resolved?.value ?? '';
  }
}

const HTTPS = 443;

/** How the proxy's login is fetched: as any credential. */
const LOGIN: Omit<ProfileCredential, 'name'> = {
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

function joined(
  credentials: readonly ProfileCredential[],
  values: readonly ResolvedCredential[],
): (ProfileCredential & Pick<ResolvedCredential, 'value' | 'version'>)[] {
  return values.flatMap((resolved) => {
    const credential = credentials.find(({ variable }) => variable === resolved.variable);
    return credential === undefined
      ? []
      : [{ ...credential, value: resolved.value, version: resolved.version }];
  });
}

/** Throws `credential-unfit` for a value that the gate could not put in. */
function demandFit(profile: string, resolved: ResolvedCredential): ResolvedCredential {
  const problem = sealingProblem(resolved.variable, resolved.value);
  if (problem === undefined) return resolved;
  throw new WarderError(
    'credential-unfit',
    `cannot start "${profile}": ${resolved.variable} ${problem.what}`,
    {
      hint: problem.hint,
    },
  );
}
