// What the audit log tells, and the members of each event's records. Ids (`session`, `call`) are of
// Warder's making and unique in a log; `profile` and `tool` are names; values of credentials never occur.
import type { HostProcess } from '../wire/hello.ts';

/** Every event, as a record names it. */
export const EVENTS = [
  'daemon.start',
  'daemon.stop',
  'session.open',
  'session.close',
  'credential.use',
  'tool.call',
  'tool.result',
  'consent.ask',
  'consent.answer',
  'egress.connect',
  'trust.change',
  'profile.change',
  'checkpoint',
] as const;

export type AuditEvent = (typeof EVENTS)[number];

/** The first record of a daemon: what it found of the log, where that was not as it should be. */
export interface DaemonStart {
  readonly version: string;
  readonly pid: number;
  /** Whole records found after the head: the daemon before was killed between the two writes. */
  readonly ahead?: number;
  /** A torn last line, taken off: its bytes, and their digest (`sha256:<hex>`). */
  readonly mended?: { readonly bytes: number; readonly digest: string };
  /** Records that the head had counted and the log has no more, by their numbers. */
  readonly cut?: { readonly from: number; readonly through: number };
  /** The log's end is not what the head says it was. */
  readonly rewritten?: true;
  /** There was a log, but its head was gone. */
  readonly headless?: true;
}

export interface DaemonStop {
  readonly version: string;
  readonly pid: number;
}

/** A host has opened a session, and its server was started. */
export interface SessionOpen {
  readonly session: string;
  readonly profile: string;
  /** SHA-256, hex, of the profile's file. */
  readonly digest: string;
  readonly host: { readonly chain: readonly HostProcess[]; readonly cwd: string };
  /** The server's command, with its arguments. */
  readonly command: readonly string[];
  readonly credentials: readonly {
    readonly variable: string;
    readonly name: string;
    readonly version: string;
    readonly deliver: string;
  }[];
  readonly sandbox: {
    /** The profile says `off: true`. */
    readonly off: boolean;
    /** What confines the server, measured at its process. */
    readonly layers: readonly string[];
    /** What it may reach through the gate. */
    readonly network: readonly string[];
    /** Its limits, and who holds each; none where there is no sandbox. */
    readonly limits: {
      readonly files: number | null;
      readonly core: number | null;
      readonly processes: { readonly most: number | null; readonly by: string };
      /** Bytes. */
      readonly memory: { readonly most: number | null; readonly by: string };
    } | null;
  };
}

export interface SessionClose {
  readonly session: string;
  readonly profile: string;
  /** The server's exit code, or the signal that ended it. */
  readonly code: number | null;
  readonly signal: string | null;
  readonly reason: string;
  /** Tool calls in the session. */
  readonly calls: number;
}

/**
 * A credential was given to a server, changed, or put into a request by the gate. A use has two records: `use`
 * before the request leaves (`sent`, or `refused` with a reason), and `answer` with what the host said.
 */
export interface CredentialUse {
  /** Its name; `*` for all of them, with `lock` and `unlock`. */
  readonly credential: string;
  readonly version: string;
  readonly action:
    | 'deliver'
    | 'read'
    | 'set'
    | 'rotate'
    | 'remove'
    | 'use'
    | 'answer'
    | 'lock'
    | 'unlock'
    | 'revoke'
    | 'restore';
  readonly outcome: string;
  readonly session?: string;
  readonly profile?: string;
  readonly call?: string;
  /** Where several tool calls were in flight: one of these. */
  readonly calls?: readonly string[];
  readonly host?: string;
  readonly port?: number;
  readonly method?: string;
  /** As the server wrote it, without the query: a placeholder may stand in it, never a value. */
  readonly path?: string;
  readonly status?: number;
  readonly reason?: string;
}

/**
 * A server in its sandbox wanted to reach something. A connection that is let through has two records: `open`
 * before the first packet leaves, and `closed`.
 */
export interface EgressConnect {
  readonly session: string;
  readonly profile: string;
  readonly call?: string;
  /** Where several tool calls were in flight: one of these. */
  readonly calls?: readonly string[];
  /** Unique in the log; none for what never became a connection. */
  readonly connection?: string;
  /** The name that was meant; an address where no name stands behind it. */
  readonly host: string;
  /** 53 for a question about a name. */
  readonly port: number;
  /** The address that was dialled; a proxy's where there is one. */
  readonly address?: string;
  /** Whether the gate reads what passes, to put sealed credentials in. */
  readonly opened?: boolean;
  readonly outcome: 'open' | 'closed' | 'refused' | 'failed';
  readonly reason?: string;
  /** From the sandbox, and to it. */
  readonly bytes_out?: number;
  readonly bytes_in?: number;
  readonly ms?: number;
  /** Refusals that this record stands for, where they were too many to write each. */
  readonly count?: number;
}

/** A host has called a tool. Written before the call goes on, or is refused. */
export interface ToolCall {
  readonly session: string;
  readonly call: string;
  readonly profile: string;
  readonly tool: string;
  /** The JSON text of the request's id. */
  readonly id: string;
  readonly decision: 'allow' | 'deny';
  /** The part of the profile that decided. */
  readonly rule: string;
  readonly reason?: string;
  /** The redacted JSON text as it came, or `sha256:<hex>` of it. */
  readonly arguments: string;
  /** Bytes of the arguments, where only their digest is kept because they are many. */
  readonly arguments_bytes?: number;
}

/** How a call that was let through ended. */
export interface ToolResult {
  readonly session: string;
  readonly call: string;
  readonly profile: string;
  readonly tool: string;
  readonly outcome: 'ok' | 'error' | 'tool-error' | 'cancelled' | 'lost';
  readonly bytes: number;
  /** `sha256:<hex>` of the result. */
  readonly result: string;
  readonly ms: number;
}

/** What is trusted is no longer what it was. `package`: the files of a pinned package. */
export interface TrustChange {
  readonly profile: string;
  readonly session: string;
  readonly what: 'package';
  /** The pinned package. */
  readonly package: string;
  /** `sha256:<hex>` of the tree as it was locked. */
  readonly digest: string;
  /** Which files, as the refusal says it. */
  readonly detail: string;
  readonly outcome: 'refused';
}

export interface ProfileChange {
  readonly profile: string;
  readonly change: 'added' | 'changed' | 'removed' | 'broken';
  readonly digest?: string;
}

/** An earlier record's number and hash, signed; and, where old segments were let go, where the log now starts. */
export interface Checkpoint {
  readonly signed_seq?: number;
  readonly signed_hash?: string;
  /** The Ed25519 public key, 32 bytes in base64. */
  readonly key?: string;
  /** 64 bytes in base64. */
  readonly signature?: string;
  /** The number and `prev` of the first record that is kept. */
  readonly start_seq?: number;
  readonly start_prev?: string;
}

/** The members of the events that are written, beside `seq`, `time`, `event`, `prev` and `hash`. */
export interface Fields {
  'daemon.start': DaemonStart;
  'daemon.stop': DaemonStop;
  'session.open': SessionOpen;
  'session.close': SessionClose;
  'credential.use': CredentialUse;
  'tool.call': ToolCall;
  'tool.result': ToolResult;
  'egress.connect': EgressConnect;
  'trust.change': TrustChange;
  'profile.change': ProfileChange;
  checkpoint: Checkpoint;
}
