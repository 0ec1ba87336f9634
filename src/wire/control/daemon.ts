// The requests about the daemon itself: its state, its sessions and their end, its checks, the audit log's signature.
import * as z from 'zod';
import { storeKind, storeReadiness } from './credentials.ts';

/** How the daemon knows which user connects: from the kernel, or only by the permissions of the socket's folder. */
const peerCheck = z.enum(['so_peercred', 'local_peercred', 'folder permissions']);

/** An open session, as `status` shows it. */
export const session = z.object({
  id: z.string(),
  profile: z.string(),
  /** The process that started the launcher. */
  host: z.object({ pid: z.number().int(), exe: z.string().optional() }),
  /** `started`: false while nothing has needed it; `idle`: it was ended, since it was not used; `spare`: the process that is kept ready. */
  server: z.object({
    pid: z.number().int().optional(),
    started: z.literal(false).optional(),
    idle: z.literal(true).optional(),
    spare: z.number().int().optional(),
  }),
  /** RFC 3339. */
  since: z.string(),
  /** How many tool calls it has made so far. */
  calls: z.number().int(),
  /** How many requests wait for a response. */
  inflight: z.number().int(),
  /** The longest time for which it has held the daemon's event loop, in milliseconds. */
  loop_ms: z.number().int(),
  /** The same, of its gate. */
  gate_loop_ms: z.number().int(),
  /** `off`: the profile says so, and nothing but its environment confines the server. */
  sandbox: z.enum(['on', 'off']),
  /** The layers that confine the server, measured at its process. */
  layers: z.array(z.string()),
  /** The hosts that it may reach through the gate. */
  network: z.array(z.string()),
  /** How many things that its server lists or says are held back, and why all of it is. None from an older daemon. */
  held: z.number().int().optional(),
  blocked: z.string().nullable().optional(),
  /** The hosts that it was refused; port 53 where a name was looked up. */
  refused: z
    .array(
      z.object({ host: z.string(), port: z.number().int(), reason: z.string(), count: z.number().int() }),
    )
    .optional(),
});

/** What a server planted for programs outside. */
export const planted = z.object({
  session: z.string(),
  profile: z.string(),
  /** When it was found: RFC 3339. */
  since: z.string(),
  path: z.string(),
  /** Where it is now, if it appeared; what was there before and has changed stays where it is. */
  put_away: z.string().optional(),
});

/** One finding of `doctor`. */
export const check = z.object({
  name: z.string(),
  state: z.enum(['ok', 'warn', 'fail']),
  detail: z.string(),
  hint: z.string().optional(),
});

export const daemonVerbs = {
  /** The state of the daemon and of everything in it. */
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
        kind: storeKind.nullable(),
        state: storeReadiness,
        detail: z.string().optional(),
      }),
      audit: z.object({
        seq: z.number().int(),
        hash: z.string(),
        signed: z.boolean(),
        /** Why the log is not signed or cannot be written. */
        detail: z.string().optional(),
      }),
      profiles: z.array(z.object({ name: z.string(), broken: z.string().optional() })),
      sessions: z.array(session),
      /** The newest, since the daemon began; none from a daemon that is older than this. */
      planted: z.array(planted).optional(),
      credentials: z.object({
        /** No credential is used until somebody unlocks them. */
        locked: z.boolean(),
        /** Unlocking takes a passphrase. */
        guarded: z.boolean(),
        revoked: z.array(z.string()),
        /** Rejected by a host: they may have expired. */
        doubted: z.array(
          z.object({
            name: z.string(),
            version: z.string(),
            host: z.string(),
            /** 401 or 403. */
            status: z.number().int(),
            /** RFC 3339. */
            since: z.string(),
          }),
        ),
      }),
    }),
  },
  /** Ends one session, named by its id or the beginning of it. */
  end: {
    params: z.strictObject({ session: z.string().regex(/^[0-9a-f]{1,16}$/, 'an id is hexadecimal digits') }),
    result: z.object({ session: z.string(), profile: z.string() }),
  },
  /** Ends all sessions, then the daemon. Answers at once; the connection closes when the daemon is done. */
  stop: {
    params: z.strictObject({}),
    result: z.object({ pid: z.number().int(), sessions: z.number().int() }),
  },
  /** The checks that only the daemon can run. */
  doctor: {
    params: z.strictObject({}),
    result: z.object({ checks: z.array(check) }),
  },
  /** The newest signed record of the audit log, once all records so far are signed, if they can be. */
  'audit.signed': {
    params: z.strictObject({}),
    result: z.object({
      /** `null`: it is not known, or nothing was signed yet. */
      point: z.object({ seq: z.number().int(), hash: z.string() }).nullable(),
      /** Why it is not known. */
      unknown: z.string().nullable(),
    }),
  },
} as const satisfies Record<string, { params: z.ZodType; result: z.ZodType }>;
