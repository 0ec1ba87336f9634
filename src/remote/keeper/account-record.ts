// What is stored of an account: a profile's tokens at an authorization server, and what was agreed about that server. It
// is in the credential store only, sealed by it; nothing of it is in clear on disk.
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { WarderError } from '../../errors.ts';
import type { AuthorizationServer } from '../oauth/authorization-server.ts';
import type { OAuthErrorCode } from '../oauth/refusal.ts';
import type { ClientRegistration } from '../oauth/registration.ts';
import type { ServerRecord } from '../oauth/server-record.ts';
import type { TokenSet } from '../oauth/token-set.ts';

export interface AccountRecord {
  /** Counts the record's writes; never goes back while the account exists. */
  readonly serial: number;
  /** The URL of the remote server, and what of the profile's `auth` the tokens depend on: another profile needs others. */
  readonly server: string;
  readonly configuration: string;
  /** What named the server to the authorization server, byte for byte. */
  readonly resource: string;
  /** Its metadata as it was when the person agreed to it: a refresh goes to these endpoints and no others. */
  readonly authorizationServer: AuthorizationServer;
  /** What the person agreed to. */
  readonly trust: ServerRecord;
  /** The client that the tokens are bound to. A secret or key that the user configured is not in it. */
  readonly registration: ClientRegistration;
  /** Undefined: signed out; `trust` stays. */
  readonly tokens: TokenSet | undefined;
  /** Of the company's identity provider (ID-JAG): what assertions are got with. */
  readonly identity: IdentityRecord | undefined;
  /** When the tokens were issued, and when the person signed in: milliseconds since the epoch. */
  readonly obtained: number;
  readonly signedIn: number;
  /** What the next sign-in asks for at least: all that the server has ever asked for here. */
  readonly wanted: readonly string[];
  /** A refresh was sent, and its answer is not stored yet: if this is read back, whoever sent it was killed. */
  readonly sent: SentRefresh | undefined;
  /** Why there are no tokens, or no way to refresh them. */
  readonly ended: EndReason | undefined;
}

export interface IdentityRecord {
  readonly authorizationServer: AuthorizationServer;
  readonly registration: ClientRegistration;
  readonly tokens: TokenSet;
}

export interface SentRefresh {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** The digest of the refresh token that was sent. */
  readonly token: string;
}

/**
 * `signed-out`: by the person. `refused`: the authorization server no longer takes the refresh token. `interrupted`: likewise,
 * after a daemon was killed before it had stored an answer. `client`: it no longer knows the client. `expired`: there was no
 * refresh token.
 */
export type EndReason = 'signed-out' | 'refused' | 'interrupted' | 'client' | 'expired';

const tokens = z.looseObject({
  accessToken: z.string().min(1),
  tokenType: z.enum(['Bearer', 'DPoP']),
  refreshToken: z.string().min(1).optional(),
  expiresAt: z.number().optional(),
  issuer: z.string(),
  // None of a sign-in at an identity provider.
  resource: z.string().optional(),
  clientId: z.string(),
});
const authorizationServer = z.looseObject({ issuer: z.string().min(1), tokenEndpoint: z.string().min(1) });
const registration = z.looseObject({ issuer: z.string(), clientId: z.string().min(1) });

const stored = z.strictObject({
  format: z.literal(1),
  serial: z.int().min(1),
  server: z.string(),
  configuration: z.string(),
  resource: z.string(),
  authorizationServer,
  trust: z.looseObject({ issuer: z.string() }),
  registration,
  tokens: tokens.optional(),
  identity: z.strictObject({ authorizationServer, registration, tokens }).optional(),
  obtained: z.number(),
  signedIn: z.number(),
  wanted: z.array(z.string()),
  sent: z.strictObject({ at: z.number(), token: z.string() }).optional(),
  ended: z.enum(['signed-out', 'refused', 'interrupted', 'client', 'expired']).optional(),
});

/** Longest record, in bytes: one that is longer cannot be one of Warder's. */
const MAX_RECORD = 1_048_576;

/** The record as it is stored; `parseRecord` reads it. */
export function renderRecord(record: AccountRecord): Buffer {
  return Buffer.from(JSON.stringify({ format: 1, ...record }));
}

/** Throws `credential-unfit` for what is no record, or one whose parts belong to different authorization servers. */
export function parseRecord(bytes: Buffer, profile: string): AccountRecord {
  try {
    if (bytes.length > MAX_RECORD) throw new Error('too long');
    const { format, ...parsed } = stored.parse(JSON.parse(bytes.toString('utf8')));
    // Its other members are what this program has written itself: the store gives back what was put in, or an error.
    const record = parsed as unknown as AccountRecord;
    const { issuer } = record.authorizationServer;
    const others = [
      record.trust,
      record.registration,
      ...(record.tokens === undefined ? [] : [record.tokens]),
    ];
    if (format === 1 && others.every((part) => part.issuer === issuer)) return record;
  } catch {
    // Reported below: the library's message may contain a part of a token.
  }
  throw new WarderError(
    'credential-unfit',
    `the account of "${profile}" in the credential store is damaged`,
    {
      hint: `run: warder login ${profile}`,
    },
  );
}

/** Identifies a token without telling anything of it. */
export function digestOf(token: string): string {
  return `sha256:${createHash('sha256').update(token).digest('hex')}`;
}

/** Whether tokens that were got by a profile as it was may be used for it as it is. */
export function fits(
  record: Pick<AccountRecord, 'server' | 'configuration'>,
  profile: Pick<AccountRecord, 'server' | 'configuration'>,
): boolean {
  return record.server === profile.server && record.configuration === profile.configuration;
}

/** What of a record is left when its tokens are gone. */
export function endedRecord(record: AccountRecord, why: EndReason): AccountRecord {
  const { tokens: _tokens, identity: _identity, sent: _sent, ...rest } = record;
  return {
    ...rest,
    serial: record.serial + 1,
    tokens: undefined,
    identity: undefined,
    sent: undefined,
    ended: why,
  };
}

/** What a refusal means for the tokens that were sent; undefined: nothing. */
export function endOf(refusal: OAuthErrorCode | undefined, isInterrupted: boolean): EndReason | undefined {
  switch (refusal) {
    case 'invalid_grant':
      return isInterrupted ? 'interrupted' : 'refused';
    case 'invalid_client':
    case 'unauthorized_client':
      return 'client';
    default:
      return undefined;
  }
}

/** Lets a damaged record count as none, which is then replaced. Throws any other error. */
export function ignoreDamage(error: unknown): undefined {
  if (error instanceof WarderError && error.code === 'credential-unfit') return undefined;
  throw error;
}

/** Counts the changes of a record; 0 where there is none. */
export function serialOf(record: AccountRecord | undefined): number {
  return record?.serial ?? 0;
}
