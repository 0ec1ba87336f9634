// The key `sign` of a credential, as a profile has it. What it means is in `signing.ts`, which needs no schema.
import * as z from 'zod';
import { DURATION_PATTERN } from './units.ts';

const printable = z
  .string()
  .max(1024)
  .regex(/^\P{Cc}+$/u, 'must be text on one line, without control characters');
const word = z.string().regex(/^[A-Za-z0-9-]{1,64}$/, 'must be letters, digits and "-"');
const fieldName = z.string().regex(/^[A-Za-z0-9-]{1,64}$/, 'must be the name of a header');
const words = z.union([word.transform((one) => [one]), z.array(word).min(1)]);

/** AWS Signature Version 4: requests that the server has signed with the placeholder are signed anew. */
const awsSigV4 = z.strictObject({
  scheme: z.literal('aws-sigv4'),
  service: words.describe('The services that it may sign for: s3'),
  region: words.describe('The regions that it may sign for: eu-central-1'),
});

/** A keyed digest (RFC 2104) of parts of the request, in a header or a parameter of the query. */
const hmac = z.strictObject({
  scheme: z.literal('hmac'),
  algorithm: z.enum(['sha1', 'sha256', 'sha384', 'sha512']).optional(),
  key: z.enum(['text', 'hex', 'base64']).optional().describe('How the stored value is written'),
  message: printable.describe('What is signed: "{header:X-Timestamp}{method}{path}{body}"'),
  encoding: z.enum(['hex', 'base64', 'base64url']).optional(),
  header: fieldName.optional().describe('The header that has the signature'),
  query: z
    .string()
    .regex(/^[\w.-]{1,64}$/)
    .optional()
    .describe('The parameter of the query that has the signature'),
  prefix: printable.max(64).optional().describe('What stands before the signature in its header: "sha256="'),
});

const claim = z.union([z.string().max(1024), z.number(), z.boolean(), z.array(z.string().max(1024))]);

/** A JSON Web Token (RFC 7519) that the gate signs with a private key. */
const jwt = z.strictObject({
  scheme: z.literal('jwt'),
  algorithm: z.enum([
    'RS256',
    'RS384',
    'RS512',
    'PS256',
    'PS384',
    'PS512',
    'ES256',
    'ES384',
    'ES512',
    'EdDSA',
  ]),
  'key-id': printable.max(256).optional(),
  claims: z
    .record(printable.max(128), claim)
    .optional()
    .describe('iss, sub, aud and others; iat and exp are added'),
  expires: z
    .string()
    .regex(DURATION_PATTERN, 'must be a duration such as 10m')
    .optional()
    .describe('How long each token is valid; by default 10m'),
});

/** An installation token of a GitHub App, which the gate gets with the app's private key. */
const githubApp = z.strictObject({
  scheme: z.literal('github-app'),
  app: z.union([z.int().min(1), word]).describe("The app's id, or its client id"),
  installation: z.int().min(1),
  repositories: z
    .array(z.string().regex(/^[\w.-]{1,100}$/))
    .min(1)
    .max(500)
    .optional(),
  permissions: z.record(z.string().regex(/^[a-z_]{1,64}$/), z.enum(['read', 'write', 'admin'])).optional(),
  api: z
    .string()
    .regex(/^[a-z0-9.-]{1,253}(:[0-9]{1,5})?(\/[\w./-]*)?$/)
    .optional()
    .describe("The API's host, and path; by default api.github.com"),
});

/** The key `sign` of a credential. */
export const signing = z.discriminatedUnion('scheme', [awsSigV4, hmac, jwt, githubApp], {
  error: (issue) =>
    issue.code === 'invalid_union' ? 'needs "scheme": aws-sigv4, hmac, jwt or github-app' : undefined,
});

export type SigningFile = z.output<typeof signing>;
