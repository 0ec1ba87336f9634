// What `warder check` has found of a profile.
import type { RefusedHost } from '../../egress/refused-hosts.ts';
import type { PlanSummary } from '../../sandbox/summary.ts';
import type { ShownAccount } from '../../wire/control.ts';
import type { CredentialState } from '../credential/credential-state.ts';
import type { CredentialLimits, NetworkAccess } from '../profile/access-summary.ts';
import type { ServerPreview } from '../profile/preview.ts';
import type { Rows } from '../remote/access.ts';

export interface Finding {
  readonly name: string;
  readonly state: 'ok' | 'broken' | 'unsupported';
  readonly error?: string;
  readonly hint?: string | undefined;
  readonly file?: string;
  /** Of a remote server: what it does, in words. */
  readonly rows?: Rows;
  readonly account?: ShownAccount;
  readonly server?: {
    readonly line: string;
    readonly program?: string;
    readonly cwd?: string;
    /** When it starts, and when it ends. */
    readonly starts?: string;
    /** The working folder is its private home. */
    readonly private?: boolean;
    readonly variables?: ServerPreview['variables'];
  };
  readonly credentials?: readonly {
    readonly variable: string;
    readonly name: string;
    readonly deliver: string;
    readonly state: CredentialState;
    /** The restrictions of a sealed credential. Durations are milliseconds. */
    readonly limits?: CredentialLimits;
  }[];
  readonly sandbox?: 'off' | 'on' | 'remote';
  /** What the server may reach; undefined without a sandbox, and for a remote server. */
  readonly network?: NetworkAccess;
  /** The hosts that it was refused lately, and still would be. */
  readonly refused?: readonly RefusedHost[];
  /** The contents of the sandbox. */
  readonly holds?: PlanSummary;
  /** Which names it cannot write below its writable folders, in words. */
  readonly protected?: string;
  readonly policy?: string;
  /** What it needs and this machine lacks. */
  readonly unsupported?: readonly { readonly what: string; readonly hint: string }[];
  readonly warnings?: readonly string[];
}
