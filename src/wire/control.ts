// The control API: what the command line may ask of the daemon, over REQUEST and RESPONSE frames. One table
// holds every verb; handlers and clients take their types from it. Requests name profiles and credentials;
// none carries a command line, an environment or a path to run.
import { z } from 'zod';
import { PROFILE_NAME } from './hello.ts';

/** A profile's name in a request. */
export const profileName = z.string().regex(PROFILE_NAME, 'a profile name has a-z, 0-9 and "-" only');

/** How the daemon knows who connects: the kernel's word, or nothing but the socket's folder. */
const peerCheck = z.enum(['so_peercred', 'local_peercred', 'folder permissions']);

/** An open session, as `status` shows it. */
const session = z.object({
  id: z.string(),
  profile: z.string(),
  /** The process that started the launcher. */
  host: z.object({ pid: z.number().int(), exe: z.string().optional() }),
  server: z.object({ pid: z.number().int().optional() }),
  /** RFC 3339. */
  since: z.string(),
  /** Tool calls so far. */
  calls: z.number().int(),
  /** Requests that wait for their answer. */
  inflight: z.number().int(),
  /** What confines the server: `environment`, later the sandbox's layers. */
  layers: z.array(z.string()),
});

/** One finding of `doctor`. */
const check = z.object({
  name: z.string(),
  state: z.enum(['ok', 'warn', 'fail']),
  detail: z.string(),
  hint: z.string().optional(),
});

/** Every verb with its parameters and its result. */
export const control = {
  /** Facts about the daemon and all it holds. */
  status: {
    params: z.strictObject({}),
    result: z.object({
      daemon: z.object({
        pid: z.number().int(),
        version: z.string(),
        /** RFC 3339. */
        started: z.string(),
        /** Milliseconds. */
        uptime: z.number().int(),
        /** Bytes of resident memory. */
        memory: z.number().int(),
        peer: peerCheck,
      }),
      store: z.object({
        kind: z.enum(['keychain', 'vault']).nullable(),
        state: z.enum(['ready', 'locked', 'unset', 'unavailable']),
        detail: z.string().optional(),
      }),
      audit: z.object({
        seq: z.number().int(),
        hash: z.string(),
        signed: z.boolean(),
        /** Why the log is not signed, or cannot be written. */
        detail: z.string().optional(),
      }),
      profiles: z.array(z.object({ name: z.string(), broken: z.string().optional() })),
      sessions: z.array(session),
    }),
  },
  /** Ends all sessions, then the daemon. Answers at once; the connection closes when all is done. */
  stop: {
    params: z.strictObject({}),
    result: z.object({ pid: z.number().int(), sessions: z.number().int() }),
  },
  /** The checks that only the daemon can make. */
  doctor: {
    params: z.strictObject({}),
    result: z.object({ checks: z.array(check) }),
  },
} as const satisfies Record<string, { params: z.ZodType; result: z.ZodType }>;

export type Verb = keyof typeof control;
export type Params<V extends Verb> = z.infer<(typeof control)[V]['params']>;
export type Result<V extends Verb> = z.infer<(typeof control)[V]['result']>;

/** What answers in the daemon: one handler a verb. A `WarderError` thrown reaches the client whole. */
export type Handlers = { readonly [V in Verb]: (params: Params<V>) => Promise<Result<V>> | Result<V> };

export type Check = z.infer<typeof check>;
export type SessionStatus = z.infer<typeof session>;
