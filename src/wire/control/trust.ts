// The requests about what is accepted of a profile's server.
import * as z from 'zod';
import { PROFILE_NAME } from '../hello.ts';
import { typedSecret } from './typed-secret.ts';

/** The name of a profile. */
const profileName = z
  .string()
  .regex(PROFILE_NAME, 'a name is up to 63 of a-z, 0-9 and "-", and begins with a letter or digit');

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'a digest is sha256: and 64 hexadecimal digits');

/** One thing that a server says: see `Part` of the consent room. `text` is JSON; `null` if it was too long to be kept. */
const trustedPart = z.object({
  kind: z.string(),
  name: z.string(),
  digest: z.string(),
  text: z.string().nullable(),
});

/** What is odd about a text or a name: marks for people. */
const trustMarks = z.array(z.string());

/** A file that runs, with the digest of its bytes; `null`: only the system may change it. */
const trustedFile = z.object({ path: z.string(), digest: z.string().nullable() });

/** What was accepted of a server. */
export const trustRecord = z.object({
  digest: z.string(),
  /** RFC 3339. */
  accepted: z.string(),
  by: z.string(),
  files: z.array(trustedFile),
  /** What it may do, a line each. */
  permissions: z.array(z.string()),
  parts: z.array(trustedPart.extend({ marks: trustMarks })),
});

/** How one thing differs from what was accepted. */
export const trustDifference = z.object({
  kind: z.string(),
  name: z.string(),
  change: z.enum(['added', 'changed', 'removed']),
  /** JSON texts; `null` where there is none, or it was too long to be kept. */
  before: z.string().nullable(),
  after: z.string().nullable(),
  marks: trustMarks,
});

export const trustVerbs = {
  /** What is accepted of a profile's server, and how what was seen of it last differs from that. */
  'trust.show': {
    params: z.strictObject({ profile: profileName, previous: z.boolean().optional() }),
    result: z.object({
      profile: z.string(),
      /** `unverified`: the record is not one that Warder has written last. `locked`: the credential store is not open. */
      state: z.enum(['none', 'accepted', 'unverified', 'locked']),
      /** Why it is unverified or locked. */
      detail: z.string().nullable(),
      /** Whether what is accepted outlives the daemon. */
      lasts: z.boolean(),
      /** Whether there is a record before this one. */
      undoable: z.boolean(),
      record: trustRecord.nullable(),
      /** What was seen last; `null` if nothing was since the daemon began. */
      seen: z
        .object({
          /** What would be accepted. */
          pending: z.string(),
          files: z.array(trustedFile),
          isOtherServer: z.boolean(),
          /** What its profile gives it in addition, a line each. */
          wider: z.array(z.string()),
          /** Whether its list of tools was seen to its end. */
          whole: z.boolean(),
          permissions: z.array(z.string()),
          differences: z.array(trustDifference),
        })
        .nullable(),
    }),
  },
  /** Accepts what was shown: `expect` is its `pending`. With `only` these tools alone. */
  'trust.accept': {
    params: z.strictObject({
      profile: profileName,
      expect: digest,
      only: z.array(z.string().max(4096)).min(1).max(10_000).optional(),
      pin: typedSecret.optional(),
    }),
    result: z.object({ profile: z.string(), record: z.string() }),
  },
  /** Goes back to the record before. */
  'trust.undo': {
    params: z.strictObject({ profile: profileName, pin: typedSecret.optional() }),
    result: z.object({ profile: z.string(), record: z.string() }),
  },
  /** Forgets what was accepted. Without the PIN only of a profile that is no more. */
  'trust.forget': {
    params: z.strictObject({ profile: profileName, pin: typedSecret.optional() }),
    result: z.object({ profile: z.string(), forgotten: z.boolean() }),
  },
} as const satisfies Record<string, { params: z.ZodType; result: z.ZodType }>;
