// The trust record of an authorization server: what people were asked about. Metadata that sends the browser to a real
// provider, and code, verifier and client secret to somebody else, is an attack that OAuth does not stop: the issuer is
// its own, only the hosts tell. So each host on another registrable domain than the issuer's is shown and asked about.
import { domainToUnicode } from 'node:url';
import { getDomain } from 'tldts';
import { skeletonOf } from '../../policy/skeleton.ts';
import type { AuthorizationServer } from './authorization-server.ts';
import type { RegistrationKind } from './registration.ts';

export type EndpointUse = 'authorization' | 'token' | 'registration' | 'revocation' | 'device' | 'keys';

export interface ServerHost {
  readonly use: EndpointUse;
  /** Name and port, names in ASCII (`xn--…`). */
  readonly host: string;
}

/** Plain data that may be stored as JSON. */
export interface ServerRecord {
  readonly issuer: string;
  readonly hosts: readonly ServerHost[];
  readonly jwksUri: string | undefined;
  readonly kind: RegistrationKind;
}

/** What is kept of an authorization server to be compared later: its issuer, and the hosts of its endpoints. */
export function recordServer(server: AuthorizationServer, kind: RegistrationKind): ServerRecord {
  const endpoints: readonly (readonly [EndpointUse, string | undefined])[] = [
    ['authorization', server.authorizationEndpoint],
    ['token', server.tokenEndpoint],
    ['registration', server.registrationEndpoint],
    ['revocation', server.revocationEndpoint],
    ['device', server.deviceAuthorizationEndpoint],
    ['keys', server.jwksUri],
  ];
  return {
    issuer: server.issuer,
    hosts: endpoints.flatMap(([use, url]) => (url === undefined ? [] : [{ use, host: new URL(url).host }])),
    jwksUri: server.jwksUri,
    kind,
  };
}

/**
 * What belongs to one owner: the registrable domain by the public suffix list, its private part included (two names below
 * `github.io` are strangers). An address, a name of one label and a public suffix stand for themselves, port and all: on
 * one machine another port is another program.
 */
export function ownerOf(host: string): string {
  const name = host.replace(/:\d+$/, '');
  return getDomain(name, { allowPrivateDomains: true, extractHostname: false }) ?? host;
}

/** The hosts that are not on the issuer's registrable domain. */
export function foreignHosts(record: ServerRecord): readonly ServerHost[] {
  const own = ownerOf(new URL(record.issuer).host);
  return record.hosts.filter(({ host }) => ownerOf(host) !== own);
}

/** A host that looks like one of the others without being on its domain; undefined if none does. */
export function lookAlike(
  hosts: readonly string[],
): { readonly host: string; readonly like: string } | undefined {
  const seen = new Map<string, { readonly owner: string; readonly host: string }>();
  for (const host of hosts) {
    const owner = ownerOf(host);
    const skeleton = skeletonOf(domainToUnicode(owner.replace(/:\d+$/, '')) || owner);
    const other = seen.get(skeleton);
    if (other !== undefined && other.owner !== owner && !samePlace(other.owner, owner)) {
      return { host, like: other.host };
    }
    seen.set(skeleton, { owner, host });
  }
  return undefined;
}

/** Whether two owners differ in the port alone. */
function samePlace(one: string, other: string): boolean {
  return one.replace(/:\d+$/, '') === other.replace(/:\d+$/, '');
}

/** How a record differs from the one that was accepted, a line for people each; empty: in nothing that counts. */
export function recordChanges(accepted: ServerRecord, now: ServerRecord): readonly string[] {
  const changes: string[] = [];
  if (accepted.issuer !== now.issuer) changes.push(`the issuer was ${accepted.issuer}, and is ${now.issuer}`);
  const before = new Map(accepted.hosts.map(({ use, host }) => [use, host]));
  const known = new Set(before.values());
  for (const { use, host } of now.hosts) {
    const old = before.get(use);
    // A new kind of endpoint at a host that is known already gives nobody anything.
    if (old === host || (old === undefined && known.has(host))) continue;
    changes.push(old === undefined ? `new: ${use} at ${host}` : `${use} was at ${old}, and is at ${host}`);
  }
  if (accepted.jwksUri !== undefined && now.jwksUri !== undefined && accepted.jwksUri !== now.jwksUri) {
    changes.push(`its keys were at ${accepted.jwksUri}, and are at ${now.jwksUri}`);
  }
  if (accepted.kind !== now.kind) changes.push(`registration was ${accepted.kind}, and is ${now.kind}`);
  return changes;
}
