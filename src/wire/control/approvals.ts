// The requests about questions to people: what is open, answers, the grants that answers have made, the PIN.
import * as z from 'zod';
import { typedSecret } from './typed-secret.ts';

/** A question to a person, as it is shown: see `Question` of the consent room. */
export const question = z.object({
  id: z.string(),
  session: z.string(),
  profile: z.string(),
  host: z.object({ key: z.string(), name: z.string() }),
  kind: z.enum(['tools', 'resources', 'prompts', 'methods', 'server', 'profile', 'credential', 'sign-in']),
  name: z.string(),
  /** What is asked, in full: lines whose characters all show. */
  lines: z.array(z.string()),
  /** How many calls wait for the answer. */
  calls: z.number().int(),
  /** RFC 3339: when it was asked, and when it is answered with no. */
  since: z.string(),
  until: z.string(),
  /** Whether an answer that holds for good needs the PIN; with `credential` any yes does. */
  presence: z.boolean(),
});

export const grant = z.object({
  id: z.string(),
  /** RFC 3339. */
  made: z.string(),
  by: z.string(),
  decision: z.enum(['allow', 'deny']),
  host: z.string(),
  profile: z.string(),
  kind: z.string(),
  /** The name, or the pattern. */
  name: z.string(),
  /** Whether it is for certain arguments only. */
  exact: z.boolean(),
  /** The session with which it ends, and when it ends otherwise; `null`: it does not. */
  session: z.string().nullable(),
  until: z.string().nullable(),
});

/** An answer of a person. Durations are milliseconds. */
const answer = z.strictObject({
  id: z.string().regex(/^\d{1,6}$/, 'the number of a question is digits'),
  decision: z.enum(['allow', 'deny']),
  scope: z.union([
    z.enum(['once', 'session', 'always']),
    z.strictObject({ ms: z.int().min(1000).max(31_622_400_000) }),
  ]),
  extent: z.union([z.enum(['arguments', 'name']), z.strictObject({ pattern: z.string().min(1).max(256) })]),
  /** How many calls the person has seen waiting; a yes once is for so many. 1 if it is missing. */
  calls: z.int().min(1).optional(),
  pin: z.string().min(1).max(256).optional(),
});

const grantId = z.string().regex(/^[0-9a-f]{8}$/, 'the id of a grant is eight hexadecimal digits');

export const approvalVerbs = {
  /**
   * The open questions to a person. `watch`: somebody looks at them. With `seen` (`<id>:<calls>`) it then answers once
   * they are others, or after 5 s.
   */
  'approvals.list': {
    params: z.strictObject({
      watch: z.boolean().optional(),
      seen: z.array(z.string().max(32)).max(1000).optional(),
    }),
    /** `pin`: one is set. `polkit`: it would ask who answers for good. */
    result: z.object({ questions: z.array(question), pin: z.boolean(), polkit: z.boolean() }),
  },
  /** Answers a question. */
  'approvals.answer': {
    params: answer,
    result: z.object({ id: z.string(), decision: z.enum(['allow', 'deny']) }),
  },
  /** What people have answered for more than one call. */
  'grants.list': { params: z.strictObject({}), result: z.object({ grants: z.array(grant) }) },
  /** Revokes one grant, or all. */
  'grants.revoke': {
    params: z.strictObject({ id: grantId.optional() }),
    result: z.object({ revoked: z.array(grant) }),
  },
  /** Sets the PIN that proves that a person is there. */
  'pin.set': {
    params: z.strictObject({ pin: typedSecret, old: typedSecret.optional() }),
    result: z.object({}),
  },
  'pin.state': { params: z.strictObject({}), result: z.object({ set: z.boolean() }) },
} as const satisfies Record<string, { params: z.ZodType; result: z.ZodType }>;
