// A session, and what its server was found to do outside of messages.
import type { HostProcess } from '../../wire/hello.ts';

/** A host opened a session, and its server was started, unless that is to be later. */
export interface SessionOpen {
  readonly session: string;
  readonly profile: string;
  /** SHA-256, hex, of the profile's file. */
  readonly digest: string;
  /** `sha256:<hex>` of the record of what the user has accepted of the server; absent before its first use. */
  readonly trust?: string;
  readonly host: { readonly chain: readonly HostProcess[]; readonly cwd: string };
  /** The server is started when something needs it: a `session.start` follows then. */
  readonly start?: 'lazy';
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

/** The server of a session that was opened without it was started. */
export interface SessionStart
  extends Pick<SessionOpen, 'session' | 'profile' | 'command' | 'credentials' | 'sandbox'> {
  /** Nothing needs it yet. */
  readonly spare?: true;
}

/** A server that starts when something needs it has ended, and its session goes on. */
export interface SessionStop {
  readonly session: string;
  readonly profile: string;
  /** `idle`: it was not used for as long as its profile says; `unused`: it was not let do anything. */
  readonly reason: 'idle' | 'unused';
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
