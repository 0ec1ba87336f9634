// Checks a client's HELLO. The wire version is compared first, so that the two sides of an upgrade get a message
// about versions and not about members.
import * as z from 'zod';
import { WarderError } from '../errors.ts';
import { checkProfileName } from '../profile/format.ts';
import { control } from '../wire/control.ts';
import { WIRE_VERSION } from '../wire/frame.ts';
import { type HandOver, type Hello, type Inheritance, PROFILE_NAME } from '../wire/hello.ts';

const bus = z
  .strictObject({ address: z.string().max(4096), runtime: z.string().max(4096).optional() })
  .optional();

const hello = z.discriminatedUnion('kind', [
  z.strictObject({
    wire: z.literal(WIRE_VERSION),
    kind: z.literal('run'),
    profile: z.string().max(4096),
    pid: z.int().positive(),
    cwd: z.string().max(4096),
    bus,
    descriptors: z
      .string()
      .regex(/^[0-9a-f]{32}$/)
      .optional(),
  }),
  z.strictObject({ wire: z.literal(WIRE_VERSION), kind: z.literal('control'), bus }),
]);

const handOver = z.object({
  wire: z.int(),
  ask: z.enum(['hand-over', 'status', 'stop', 'refresh', 'end', 'questions', 'answer', 'grants']),
  session: z.string().max(64).optional(),
  credential: z.string().max(200).optional(),
  revoked: z.boolean().optional(),
  trust: z.string().regex(PROFILE_NAME).optional(),
  grants: z.enum(['some', 'all']).optional(),
  grant: control['grants.revoke'].params.shape.id,
  watch: z.boolean().optional(),
  seen: control['approvals.list'].params.shape.seen,
  answer: control['approvals.answer'].params.optional(),
});

const anyWire = z.looseObject({ wire: z.unknown() }).catch({ wire: undefined });

/** Reads a HELLO. Throws `wire-malformed`, `daemon-version`, `name-invalid`. */
export function parseHello(payload: Buffer): Hello {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch (cause) {
    throw new WarderError('wire-malformed', 'the HELLO is not valid JSON', { cause });
  }
  const { wire } = anyWire.parse(value);
  if (Number.isInteger(wire) && wire !== WIRE_VERSION) {
    throw new WarderError(
      'daemon-version',
      `the daemon speaks wire version ${WIRE_VERSION}, and this program version ${wire}`,
      {
        hint:
          Number(wire) < WIRE_VERSION
            ? 'this program is older than the daemon: use the newer one, or run "warder stop" first'
            : 'run "warder stop": the next command starts the daemon of this program',
      },
    );
  }
  const parsed = hello.safeParse(value);
  if (!parsed.success) throw new WarderError('wire-malformed', 'the HELLO is malformed');
  const result = parsed.data as Hello;
  if (result.kind === 'run') checkProfileName(result.profile);
  return result;
}

/** Reads a HAND_OVER. Later versions may add members. Throws `wire-malformed`. */
export function parseHandOver(payload: Buffer): HandOver {
  try {
    return handOver.parse(JSON.parse(payload.toString())) as HandOver;
  } catch (cause) {
    throw new WarderError('wire-malformed', 'the HAND_OVER is malformed', { cause });
  }
}

const inheritance = z.strictObject({
  vault: z.strictObject({
    sum: z.string().length(64),
    box: z.base64().length(44),
    mac: z.base64().length(44),
    counter: z.int().nonnegative(),
  }),
});

/** Reads what an older daemon passes on. Throws `daemon-internal`. */
export function parseInheritance(text: string): Inheritance {
  try {
    return inheritance.parse(JSON.parse(text));
  } catch {
    // Without the cause: it may contain a part of the key.
    throw new WarderError('daemon-internal', 'the older daemon passed on nothing that can be read');
  }
}

const anyRun = z.looseObject({ kind: z.literal('run') });

/** Whether a HELLO is a launcher's, whatever else is wrong with it. */
export function isRun(payload: Buffer): boolean {
  try {
    return anyRun.safeParse(JSON.parse(payload.toString())).success;
  } catch {
    return false;
  }
}
