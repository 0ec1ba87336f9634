// The key `auth` of a profile as a zod schema. What it means is in auth.ts.
import * as z from 'zod';
import { CREDENTIAL_NAME, CREDENTIAL_NAME_RULE } from '../wire/hello.ts';
import { source } from './credential.ts';
import { describeEnum } from './schema-errors.ts';

/** The kinds of `auth`. */
const AUTH_TYPES = [
  'oauth',
  'none',
  'bearer',
  'header',
  'client-credentials',
  'enterprise',
  'token-exchange',
  'jwt-bearer',
] as const;

const printable = z
  .string()
  .max(2048)
  .regex(/^\P{Cc}+$/u, 'must be text on one line, without control characters');
const storedName = z
  .string()
  .max(200)
  .regex(CREDENTIAL_NAME, `must be the name of a credential: ${CREDENTIAL_NAME_RULE}`);
const stored = z.union([storedName, z.strictObject({ credential: storedName, from: source.optional() })], {
  error: ({ input }) => {
    if (typeof input === 'string') return undefined;
    return input === undefined
      ? 'is missing'
      : 'must be the name of a credential, or {credential: NAME, from: vault}';
  },
});
const clientId = printable.describe("The client's id at the authorization server");
const clientSecret = stored.describe('The name of the credential that holds the secret of the client');
// RFC 6749 3.3: a scope has no space, no quote and no backslash.
const scopes = z
  .array(
    z
      .string()
      .max(512)
      .regex(
        /^[\x21\x23-\x5b\x5d-\x7e]+$/,
        'must be one scope, without spaces and quotes: one item for each',
      ),
  )
  .max(200)
  .describe("What to ask for; by default what the server's challenge or its metadata says");
const issuer = printable.describe('The authorization server, where the server names several');

/** Header field names (RFC 9110 5.1). */
export const fieldName = z
  .string()
  .max(64)
  .regex(/^[A-Za-z0-9._-]+$/, 'must be the name of a header: letters, digits, "-", "_" and "."');

const SUBJECT_TYPES = ['access_token', 'id_token', 'jwt', 'refresh_token', 'saml1', 'saml2'] as const;
const client = {
  issuer: issuer.optional(),
  'client-id': clientId.optional(),
  'client-secret': clientSecret.optional(),
  scopes: scopes.optional(),
};
const assertion = stored.describe('The name of the credential that holds the token');

/** The key `auth`. */
export const auth = z.discriminatedUnion(
  'type',
  [
    z.strictObject({
      type: z.literal('oauth').describe('A person signs in'),
      ...client,
      'client-metadata-url': printable
        .optional()
        .describe('An https URL with the metadata of the client, which is then its id'),
      'callback-port': z
        .int()
        .min(1024)
        .max(65535)
        .optional()
        .describe('The port of the redirect on 127.0.0.1'),
      flow: z
        .enum(['code', 'device'])
        .optional()
        .describe('device: the sign-in is done on another machine, with a code'),
    }),
    z.strictObject({ type: z.literal('none').describe('The server asks for nothing') }),
    z.strictObject({
      type: z.literal('bearer').describe('A stored token in the Authorization header'),
      credential: storedName.optional().describe('Its name in the store; by default <profile>/token'),
      from: source.optional(),
    }),
    z.strictObject({
      type: z.literal('header').describe('A stored key in a header of its own'),
      header: fieldName,
      prefix: z
        .string()
        .max(64)
        .regex(/^[\x20-\x7e]+$/, 'must be printable ASCII')
        .optional()
        .describe('What stands before the value: "Token "'),
      credential: storedName.optional().describe('Its name in the store; by default <profile>/token'),
      from: source.optional(),
    }),
    z.strictObject({
      type: z.literal('client-credentials').describe('A client of its own, without a person'),
      ...client,
      'client-id': clientId,
      'private-key': stored
        .optional()
        .describe('The name of the credential that holds the key with which the client signs, PEM or JWK'),
      'key-id': printable.optional(),
      algorithm: z
        .enum(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'])
        .optional(),
    }),
    z.strictObject({
      type: z.literal('enterprise').describe("The company's identity provider decides (ID-JAG)"),
      ...client,
      'client-id': clientId,
      identity: z.strictObject({
        issuer: printable.describe('The identity provider'),
        'client-id': clientId,
        'client-secret': clientSecret.optional(),
        scopes: scopes.optional(),
        'id-token': stored.optional().describe('A stored ID token, instead of a sign-in'),
      }),
    }),
    z.strictObject({
      type: z.literal('token-exchange').describe('A token from elsewhere is exchanged (RFC 8693)'),
      ...client,
      assertion,
      'subject-type': z.enum(SUBJECT_TYPES).optional().describe('What the token is; by default jwt'),
      audience: printable.optional(),
    }),
    z.strictObject({
      type: z.literal('jwt-bearer').describe('A signed statement from elsewhere is the grant (RFC 7523)'),
      ...client,
      assertion,
    }),
  ],
  {
    error: ({ code, input }) => {
      if (code !== 'invalid_union') return undefined;
      const type: unknown = (input as { type?: unknown } | undefined)?.type;
      return type === undefined ? `needs "type": ${AUTH_TYPES.join(', ')}` : describeEnum(type, AUTH_TYPES);
    },
  },
);

/** `auth` as it is written. */
export type AuthFile = z.output<typeof auth>;
/** A stored credential, as a profile names it. */
export type StoredFile = z.output<typeof stored>;
