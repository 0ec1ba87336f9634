// The events of the audit log, and the members of each event's records. Warder makes the ids (`session`, `call`);
// they are unique in a log. `profile` and `tool` are names. Values of credentials never occur.
import type { HostProcess } from '../wire/hello.ts';

/** Every event, by its name in a record. */
export const EVENTS = [
  'daemon.start',
  'daemon.stop',
  'session.open',
  'session.close',
  'sandbox.planted',
  'credential.use',
  'tool.call',
  'tool.result',
  'request',
  'answer',
  'question',
  'reply',
  'consent.ask',
  'consent.answer',
  'egress.connect',
  'trust.change',
  'profile.change',
  'checkpoint',
] as const;

export type AuditEvent = (typeof EVENTS)[number];

/** The first record of a daemon, with what it found wrong in the log. */
export interface DaemonStart {
  readonly version: string;
  readonly pid: number;
  /** Whole records found after the head: the previous daemon was killed between the two writes. */
  readonly ahead?: number;
  /** A torn last line that was removed: its length in bytes and its digest (`sha256:<hex>`). */
  readonly mended?: { readonly bytes: number; readonly digest: string };
  /** Records that the head counts but the log no longer holds, by their numbers. */
  readonly cut?: { readonly from: number; readonly through: number };
  /** The log's end is not the one that the head names. */
  readonly rewritten?: true;
  /** There was a log, but no head. */
  readonly headless?: true;
}

export interface DaemonStop {
  readonly version: string;
  readonly pid: number;
}

/** A host opened a session, and its server was started. */
export interface SessionOpen {
  readonly session: string;
  readonly profile: string;
  /** SHA-256, hex, of the profile's file. */
  readonly digest: string;
  /** `sha256:<hex>` of the record of what the user has accepted of the server; absent before its first use. */
  readonly trust?: string;
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
    /** What the server may reach through the gate. */
    readonly network: readonly string[];
    /** Its limits, and what enforces each; `null` without a sandbox. */
    readonly limits: {
      readonly files: number | null;
      readonly core: number | null;
      readonly processes: { readonly most: number | null; readonly by: string };
      /** Bytes. */
      readonly memory: { readonly most: number | null; readonly by: string };
    } | null;
    /** Its home, if it is kept from session to session: how many bytes may be in it. */
    readonly home?: { readonly kept: true; readonly most: number };
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
 * A server wrote, below a folder that it may write, what programs outside execute or obey (`sandbox/plan/plantable.ts`).
 * Written when it is found: while the server runs, or after it has ended. Paths are absolute.
 */
export interface SandboxPlanted {
  readonly session: string;
  readonly profile: string;
  /** What appeared, and the path to which it was renamed. */
  readonly appeared: readonly { readonly path: string; readonly put_away: string }[];
  /** What was there before and has changed: it was left as it is. */
  readonly changed: readonly string[];
  /** Folders that got too many entries to compare all. */
  readonly uncompared: readonly string[];
  /** How many more paths there are than this record names. */
  readonly more?: number;
}

/**
 * A credential was delivered to a server, changed, or put into a request by the gate. A use has two records: `use`
 * before the request leaves (`sent`, or `refused` with a reason), and `answer` with the host's answer.
 */
export interface CredentialUse extends VaultMark {
  /** Its name; `*` for all credentials, with `init`, `lock` and `unlock`. */
  readonly credential: string;
  readonly version: string;
  readonly action:
    | 'deliver'
    | 'read'
    | 'init'
    | 'set'
    | 'rotate'
    | 'remove'
    | 'use'
    | 'answer'
    | 'exchange'
    | 'lock'
    | 'unlock'
    | 'revoke'
    | 'restore';
  readonly outcome: string;
  readonly session?: string;
  readonly profile?: string;
  readonly call?: string;
  /** If several tool calls were in flight: one of these. */
  readonly calls?: readonly string[];
  readonly host?: string;
  readonly port?: number;
  readonly method?: string;
  /** As the server wrote it, without the query: it may contain a placeholder, never a value. */
  readonly path?: string;
  readonly status?: number;
  readonly reason?: string;
  /** `grant.<id>` or `consent.<question>`: a person has confirmed the use. */
  readonly rule?: string;
  /** The number of equal refusals that this record stands for, if it is not the only one. */
  readonly count?: number;
}

/**
 * A sandboxed server tried to reach something. A connection that is allowed has two records: `open` before the
 * first packet leaves, and `closed`.
 */
export interface EgressConnect {
  readonly session: string;
  readonly profile: string;
  readonly call?: string;
  /** If several tool calls were in flight: one of these. */
  readonly calls?: readonly string[];
  /** Unique in the log; absent if there never was a connection. */
  readonly connection?: string;
  /** The requested name; an address if there is no name for it. */
  readonly host: string;
  /** 53 for a DNS query. */
  readonly port: number;
  /** The address that was dialled; the proxy's if there is one. */
  readonly address?: string;
  /** The judged address that the proxy was asked for. */
  readonly target?: string;
  /** `false`: the proxy was asked for the name, and resolves it, so that no address of the host was judged. */
  readonly judged?: false;
  /** Whether the gate terminates TLS or reads HTTP, to put sealed credentials in. */
  readonly opened?: boolean;
  readonly outcome: 'open' | 'closed' | 'refused' | 'failed';
  readonly reason?: string;
  /** Bytes from the sandbox, and to it. */
  readonly bytes_out?: number;
  readonly bytes_in?: number;
  readonly ms?: number;
  /** The number of refusals that this record sums up, if they were too many to record each. */
  readonly count?: number;
}

/** A host called a tool. Written before the call is forwarded or refused. */
export interface ToolCall {
  readonly session: string;
  readonly call: string;
  readonly profile: string;
  readonly tool: string;
  /** The JSON text of the request's id. */
  readonly id: string;
  readonly decision: 'allow' | 'deny';
  /**
   * The part of the profile that made the decision, or the answer of a person; `consent.dialog`: the host is to ask its user,
   * and to make the call again, which has the same `state`.
   */
  readonly rule: string;
  readonly reason?: string;
  /** The redacted JSON text as received, or `sha256:<hex>` of it. */
  readonly arguments: string;
  /** Length of the arguments in bytes, if they are too long and only their digest is recorded. */
  readonly arguments_bytes?: number;
  /** `sha256:<hex>` of the `requestState` and of the `inputResponses` of a call that is made again with them. */
  readonly state?: string;
  readonly responses?: string;
}

/** How a call that was forwarded ended. */
export interface ToolResult {
  readonly session: string;
  readonly call: string;
  readonly profile: string;
  readonly tool: string;
  /** `task`: the result comes later. `input-required`: the server asks first; the host calls again. */
  readonly outcome: 'ok' | 'error' | 'tool-error' | 'task' | 'input-required' | 'cancelled' | 'lost';
  readonly bytes: number;
  /** `sha256:<hex>` of the result. */
  readonly result: string;
  readonly ms: number;
  /** `sha256:<hex>` of the id of the task, and of the `requestState`: by these the later records are found. */
  readonly task?: string;
  readonly state?: string;
}

/** The host sent a request that is no tool call. Recorded before the request is forwarded or refused. */
export interface Request {
  readonly session: string;
  readonly call: string;
  readonly profile: string;
  readonly method: string;
  /** The URI or name that it acts on, redacted. */
  readonly target?: string;
  /** `sha256:<hex>` of the id of the task that it acts on: the id may be a bearer token. */
  readonly task?: string;
  /** The JSON text of the request's id; a notification has none. */
  readonly id?: string;
  readonly decision: 'allow' | 'deny';
  /** The part of the profile that made the decision; `protocol` if none did. */
  readonly rule: string;
  readonly reason?: string;
  /** The redacted JSON text as received, or `sha256:<hex>` of it. */
  readonly params: string;
  /** Length of `params` in bytes, if they are too long and only their digest is recorded. */
  readonly params_bytes?: number;
  readonly state?: string;
  readonly responses?: string;
}

/**
 * A request has ended. `late`: the server answered after the host had cancelled; the answer was not passed on.
 * An answer to a cancelled tool call is recorded so too, after its `tool.result`.
 */
export interface Answer {
  readonly session: string;
  readonly call: string;
  readonly profile: string;
  readonly method: string;
  readonly target?: string;
  readonly outcome: 'ok' | 'error' | 'task' | 'input-required' | 'cancelled' | 'lost' | 'late';
  readonly bytes: number;
  /** `sha256:<hex>` of the result. */
  readonly result: string;
  readonly ms: number;
  readonly task?: string;
  readonly state?: string;
}

/** The server sent a request to the host. Recorded before it is forwarded or refused. `call` is its own. */
export interface Question {
  readonly session: string;
  readonly call: string;
  readonly profile: string;
  readonly method: string;
  /** The JSON text of the server's id. */
  readonly id: string;
  readonly decision: 'allow' | 'deny';
  readonly rule: string;
  readonly reason?: string;
  readonly params: string;
  readonly params_bytes?: number;
}

/** A question has ended. */
export interface Reply {
  readonly session: string;
  readonly call: string;
  readonly profile: string;
  readonly method: string;
  readonly outcome: 'ok' | 'error' | 'cancelled' | 'lost' | 'late';
  readonly bytes: number;
  readonly result: string;
  readonly ms: number;
}

/**
 * Something that is trusted has changed, or is trusted from now on. `package`: the files of a pinned package. `record`: what the
 * user has accepted of a server, as a whole. The others are what is held back of a server: what runs, what it says of itself
 * (`introduction`), an entry of a list, the contents of a `ui://` resource.
 */
export interface TrustChange {
  readonly profile: string;
  readonly session?: string;
  readonly what:
    | 'package'
    | 'record'
    | 'server'
    | 'permissions'
    | 'introduction'
    | 'tools'
    | 'prompts'
    | 'resources'
    | 'templates'
    | 'contents';
  /** The pinned package. */
  readonly package?: string;
  /** `sha256:<hex>` of the package's tree as it was locked. */
  readonly digest?: string;
  /** Which files, in the words of the refusal; that more is held back than has records of its own. */
  readonly detail?: string;
  /** What is held back, or pinned: a tool's name, a URI, the files that run. */
  readonly name?: string;
  /** `sha256:<hex>` of it as it was accepted, and as it is; of a record, of the one before. */
  readonly before?: string;
  readonly after?: string;
  /** `sha256:<hex>` that names the record: the one that holds, or that is accepted. */
  readonly record?: string;
  /** How it was accepted: `terminal`, `setting`, `undo`, … */
  readonly by?: string;
  /** The host program for which it was accepted. */
  readonly host?: string;
  readonly outcome: 'refused' | 'held' | 'pinned' | 'accepted' | 'forgotten';
}

/** A person is asked about a request. Recorded before anything is shown. */
export interface ConsentAsk {
  readonly session: string;
  readonly profile: string;
  /** The request; the calls that join it later have their own records. A credential may be used outside of any. */
  readonly call?: string;
  /** The question's number; unique while the daemon runs. */
  readonly question: string;
  /** The host program: the path of its executable or script. */
  readonly host: string;
  /** `tools`, `resources`, `prompts`, `methods`, `server`, `profile` or `credential`, and what of it. */
  readonly kind: string;
  readonly name: string;
  readonly rule: string;
  /** `sha256:<hex>` of the arguments as they were shown. */
  readonly arguments: string;
}

/** A question has ended. */
export interface ConsentAnswer {
  readonly session: string;
  readonly profile: string;
  readonly call?: string;
  readonly question: string;
  readonly decision: 'allow' | 'deny';
  /** `grant.<id>`, `consent.<question>`, `consent.nobody`, `consent.timeout`, `consent.withdrawn`. */
  readonly rule: string;
  /** The way by which it was answered; `nobody`. */
  readonly by: string;
  /** For how long, and for what: of an answer of a person. */
  readonly scope?: string;
  readonly extent?: string;
  /** How many requests waited for it. */
  readonly calls: number;
}

export interface ProfileChange {
  readonly profile: string;
  readonly change: 'added' | 'changed' | 'removed' | 'broken';
  readonly digest?: string;
}

/** An earlier record's number and hash, signed; or why nothing is; or, if old segments were removed, where the log now starts. */
export interface Checkpoint extends VaultMark {
  readonly signed_seq?: number;
  readonly signed_hash?: string;
  /** The Ed25519 public key, 32 bytes in base64. */
  readonly key?: string;
  /** 64 bytes in base64. */
  readonly signature?: string;
  /** What the checkpoint before this one signed, by the same store; 0 and 64 zeros in its first. None in version 1. */
  readonly previous_seq?: number;
  readonly previous_hash?: string;
  /** A record that was signed last, as the credential store knows, and that the log does not contain: it is not signed. */
  readonly missing_seq?: number;
  readonly missing_hash?: string;
  /** The number and `prev` of the first remaining record. */
  readonly start_seq?: number;
  readonly start_prev?: string;
}

/**
 * The state of the vault, the last that the daemon has written or seen: an older file in its place is noticed. The digest is
 * the SHA-256 of its file, hex.
 */
export interface VaultMark {
  readonly vault_counter?: number;
  readonly vault_digest?: string;
}

/** The members of each event's records, besides `seq`, `time`, `event`, `prev` and `hash`. */
export interface Fields {
  'daemon.start': DaemonStart;
  'daemon.stop': DaemonStop;
  'session.open': SessionOpen;
  'session.close': SessionClose;
  'sandbox.planted': SandboxPlanted;
  'credential.use': CredentialUse;
  'tool.call': ToolCall;
  'tool.result': ToolResult;
  request: Request;
  answer: Answer;
  question: Question;
  reply: Reply;
  'egress.connect': EgressConnect;
  'consent.ask': ConsentAsk;
  'consent.answer': ConsentAnswer;
  'trust.change': TrustChange;
  'profile.change': ProfileChange;
  checkpoint: Checkpoint;
}
