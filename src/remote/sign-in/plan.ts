// What a sign-in would do, found out without a person and before anything is asked, sent or opened: where it goes, as which
// client, for which scopes, and what is new about that.
import { WarderError } from '../../errors.ts';
import type { AccountRecord } from '../keeper/account-record.ts';
import type { ProfileClient } from '../keeper/profile-client.ts';
import type { Challenge } from '../oauth/challenge.ts';
import { type Discovery, discover } from '../oauth/discovery.ts';
import { wantsDpop } from '../oauth/dpop.ts';
import { chooseRegistration, type RegistrationKind } from '../oauth/registration.ts';
import { chooseScopes } from '../oauth/scope-choice.ts';
import { unionScopes } from '../oauth/scopes.ts';
import {
  foreignHosts,
  ownerOf,
  recordChanges,
  recordServer,
  type ServerRecord,
} from '../oauth/server-record.ts';
import { type SignInLines, signInLines } from './lines.ts';

/** What a sign-in is wanted for. */
export interface SignInWish {
  /** What the server said when it refused a request; undefined: nothing was refused. */
  readonly challenge: Challenge | undefined;
  /** The request needs more scopes than the token has: those that it has stay. */
  readonly isStepUp: boolean;
  /** In place of the profile's. */
  readonly flow?: 'code' | 'device' | undefined;
  readonly scopes?: readonly string[] | undefined;
}

export interface Plan {
  readonly discovery: Discovery;
  readonly kind: RegistrationKind;
  readonly way: 'browser' | 'device' | 'client';
  /** Of Warder's metadata document, where that is how it registers. */
  readonly document: string | undefined;
  /** Undefined: none is asked for. */
  readonly scopes: readonly string[] | undefined;
  readonly dpop: boolean;
  /** What a person agrees to. */
  readonly trust: ServerRecord;
  readonly shown: SignInLines;
  /** Nobody has to agree: the profile names the authorization server, or this was agreed to before. */
  readonly isAgreed: boolean;
}

export interface PlanParts {
  readonly client: ProfileClient;
  /** The settings' URL of Warder's own metadata document. */
  readonly document: string | undefined;
  /** What is stored of the account. */
  readonly record: AccountRecord | undefined;
}

/** Throws `server-metadata`, `sign-in-failed`, and what the network says. */
export async function planSignIn(parts: PlanParts, wish: SignInWish, signal: AbortSignal): Promise<Plan> {
  const { client, record } = parts;
  const { auth, server } = client;
  const preferred = auth.issuer ?? record?.trust.issuer;
  const discovery = await discover(client.oauth(signal), server, wish.challenge, preferred);
  const { server: found, metadata } = discovery;
  if (auth.issuer !== undefined && found.issuer !== auth.issuer) {
    throw new WarderError(
      'sign-in-failed',
      `${server.host} names another authorization server than the profile "${client.profile}": ${found.issuer}`,
      { hint: `the profile says "issuer: ${auth.issuer}"; change it only if you know why` },
    );
  }
  const document = (auth.type === 'oauth' ? auth.clientMetadataUrl : undefined) ?? parts.document;
  const kind = chooseRegistration(found, {
    clientId: auth.clientId,
    metadataDocument: document,
    customRedirect: auth.type === 'oauth' && auth.callbackPort !== undefined,
  });
  if (kind === 'none') throw unregistered(client.profile, found.issuer);
  const way = wayOf(parts, wish);
  const base = chooseScopes({
    configured: wish.scopes ?? auth.scopes,
    challenge: wish.challenge,
    metadata,
    server: found,
    refresh: way !== 'client',
  });
  const held = wish.isStepUp ? unionScopes(record?.tokens?.scopes, record?.wanted) : keptScopes(record, wish);
  const scopes = wish.isStepUp
    ? unionScopes(held, unionScopes(auth.scopes, wish.challenge?.scopes ?? base))
    : unionScopes(base, held);
  const trust = recordServer(found, kind);
  const accepted = record?.trust;
  const shown = signInLines({
    server,
    discovery,
    now: trust,
    accepted,
    scopes,
    // What was asked for counts too: some of it is in no token (`offline_access`).
    held: record?.tokens === undefined ? undefined : unionScopes(record.tokens.scopes, record.wanted),
    clientId: auth.clientId ?? (kind === 'metadata-document' ? document : undefined),
    way,
    provider: auth.type === 'enterprise' ? auth.identity.issuer : undefined,
  });
  return {
    discovery,
    kind,
    way,
    document: kind === 'metadata-document' ? document : undefined,
    scopes,
    dpop: wantsDpop(found, metadata, wish.challenge),
    trust,
    shown,
    // Whoever has signed out is asked before anybody signs in again.
    isAgreed:
      way === 'client' && record?.ended !== 'signed-out' && isAgreed(server, auth.issuer, trust, accepted),
  };
}

/** A person who signs in again gets what the account had. One who has signed out starts anew. */
function keptScopes(
  record: AccountRecord | undefined,
  { scopes }: SignInWish,
): readonly string[] | undefined {
  if (scopes !== undefined || record === undefined || record.ended === 'signed-out') return undefined;
  return record.wanted.length === 0 ? undefined : record.wanted;
}

function wayOf({ client, record }: PlanParts, { flow }: SignInWish): Plan['way'] {
  const { auth } = client;
  switch (auth.type) {
    case 'oauth':
      return (flow ?? auth.flow) === 'device' ? 'device' : 'browser';
    case 'enterprise':
      return auth.identity.idToken !== undefined || record?.identity !== undefined ? 'client' : 'browser';
    default:
      return 'client';
  }
}

/**
 * Without a person the client's secret goes only to an authorization server that the profile names, that is of the remote
 * server's own domain, or that was agreed to before; and to no endpoint elsewhere, unless that was agreed to.
 */
function isAgreed(
  server: URL,
  issuer: string | undefined,
  now: ServerRecord,
  accepted: ServerRecord | undefined,
): boolean {
  if (accepted !== undefined && recordChanges(accepted, now).length === 0) return true;
  if (accepted !== undefined || foreignHosts(now).length > 0) return false;
  return issuer === now.issuer || ownerOf(server.host) === ownerOf(new URL(now.issuer).host);
}

function unregistered(profile: string, issuer: string): WarderError {
  return new WarderError('sign-in-failed', `${issuer} registers no clients by itself`, {
    hint: `register one there, and set "client-id" in the profile: warder edit ${profile}`,
  });
}
