// What a person is told before a sign-in: where it goes, who gets what, and what is new about that. Everything that a server
// has written is escaped, so that it cannot look like a line of Warder's; hosts are shown in ASCII.
import { escapeUnprintable } from '../../audit/printable.ts';
import type { Discovery } from '../oauth/discovery.ts';
import type { RegistrationKind } from '../oauth/registration.ts';
import { foreignHosts, recordChanges, type ServerRecord } from '../oauth/server-record.ts';

export interface SignInAbout {
  /** The URL of the remote server. */
  readonly server: URL;
  readonly discovery: Discovery;
  readonly now: ServerRecord;
  /** What was agreed to before. */
  readonly accepted: ServerRecord | undefined;
  /** Undefined: what the server gives without being asked. */
  readonly scopes: readonly string[] | undefined;
  /** Those that the account has already. */
  readonly held: readonly string[] | undefined;
  /** The client's id; undefined: it has none yet. */
  readonly clientId: string | undefined;
  readonly way: 'browser' | 'device' | 'client';
  /** The issuer of the company's identity provider, where the person signs in instead. */
  readonly provider: string | undefined;
}

export interface SignInLines {
  readonly lines: readonly string[];
  /** What needs attention; also to be shown. */
  readonly warnings: readonly string[];
}

const USES = {
  authorization: 'the browser is sent to',
  token: 'codes and tokens are sent to',
  registration: 'the client is registered at',
  revocation: 'tokens are revoked at',
  device: 'the code for the device comes from',
  keys: 'its keys come from',
} as const;

/** What a person is shown of a sign-in before it begins, in lines whose characters all show. */
export function signInLines(about: SignInAbout): SignInLines {
  const { server, discovery, now, accepted, way } = about;
  const issuer = new URL(now.issuer);
  const metadataName = discovery.metadata?.name;
  const lines = [
    `sign in to ${server.host} at ${issuer.host}${issuer.pathname === '/' ? '' : escapeUnprintable(issuer.pathname)}, ${endpointsText(now, issuer.host)}`,
    ...(about.provider === undefined
      ? []
      : [`by your account at ${new URL(about.provider).host}, which the profile names`]),
    scopesText(about),
    `${clientText(now.kind, about.clientId)}${way === 'browser' ? '; the browser comes back to 127.0.0.1' : ''}`,
    ...(metadataName === undefined
      ? []
      : [`the server calls itself ${shown(metadataName)}: nobody has verified that`]),
  ];
  return { lines, warnings: warningsOf(now, accepted) };
}

function endpointsText({ hosts }: ServerRecord, issuer: string): string {
  const others = [...new Set(hosts.map(({ host }) => host))].filter((host) => host !== issuer);
  return others.length === 0 ? 'which has all its endpoints' : `with endpoints at ${others.join(', ')}`;
}

function scopesText({ scopes, held }: SignInAbout): string {
  if (scopes === undefined || scopes.length === 0) return 'no scopes are asked for';
  const more = held === undefined ? [] : scopes.filter((scope) => !held.includes(scope));
  const all = `scopes ${scopes.map((scope) => escapeUnprintable(scope)).join(' ')}`;
  return held === undefined || more.length === 0 || more.length === scopes.length
    ? all
    : `${all} (new: ${more.map((scope) => escapeUnprintable(scope)).join(' ')})`;
}

function clientText(kind: RegistrationKind, clientId: string | undefined): string {
  switch (kind) {
    case 'pre-registered':
      return `client ${shown(clientId ?? '')} of the profile`;
    case 'metadata-document':
      return `client ${shown(clientId ?? '')}`;
    case 'dynamic':
      return 'Warder registers itself there';
  }
}

function warningsOf(now: ServerRecord, accepted: ServerRecord | undefined): readonly string[] {
  const issuer = new URL(now.issuer).host;
  const known = new Set(accepted?.issuer === now.issuer ? accepted.hosts.map(({ host }) => host) : []);
  const foreign = foreignHosts(now)
    .filter(({ host }) => !known.has(host))
    .map(({ use, host }) => `${USES[use]} ${host}, which is not of ${issuer}`);
  return [
    ...(accepted === undefined
      ? []
      : recordChanges(accepted, now).map((change) => `changed: ${escapeUnprintable(change)}`)),
    ...foreign,
  ];
}

function shown(text: string): string {
  return escapeUnprintable(JSON.stringify(text));
}
