// What a server reaches, and the credentials that it reaches it with.
import type { VaultMark } from '../vault-mark.ts';

/**
 * A sandboxed server tried to reach something, or Warder itself a remote server or what signs in to it. A connection that is
 * allowed has two records: `open` before the first packet leaves, and `closed`.
 */
export interface EgressConnect {
  /** Absent outside of a session. */
  readonly session?: string;
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
    | 'sign-in'
    | 'sign-out'
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
  /** Of an access token: who issued it, its scopes, and `sha256:` of its id or else of itself. */
  readonly issuer?: string;
  readonly scopes?: string;
  readonly token?: string;
  readonly reason?: string;
  /** `grant.<id>` or `consent.<question>`: a person has confirmed the use. */
  readonly rule?: string;
  /** The number of equal refusals that this record stands for, if it is not the only one. */
  readonly count?: number;
}
