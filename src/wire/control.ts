// The control API: the requests that the command line may send to the daemon, in REQUEST and RESPONSE frames. One
// table contains every verb; handlers and clients derive their types from it. Requests name profiles and credentials;
// none carries a command line, an environment, or a path to run.
import type * as z from 'zod';
import { approvalVerbs, type grant, type question } from './control/approvals.ts';
import { credentialVerbs } from './control/credentials.ts';
import { type check, daemonVerbs, type planted, type session } from './control/daemon.ts';
import { hostVerbs } from './control/hosts.ts';
import { type account, type login, remoteVerbs } from './control/remote.ts';

import { type trustDifference, type trustRecord, trustVerbs } from './control/trust.ts';

/** A yes for longer than this, in milliseconds, needs a proof that a person is there, as one for good does. */
export const MAX_UNPROVED = 86_400_000;

/** Every verb with its parameters and result. */
export const control = {
  ...daemonVerbs,
  ...approvalVerbs,
  ...trustVerbs,
  ...credentialVerbs,
  ...remoteVerbs,
  ...hostVerbs,
} as const satisfies Record<string, { params: z.ZodType; result: z.ZodType }>;

export type Verb = keyof typeof control;
export type Params<V extends Verb> = z.infer<(typeof control)[V]['params']>;
export type Result<V extends Verb> = z.infer<(typeof control)[V]['result']>;

/** A connection to the daemon's control API, as the command line has it. */
export interface ControlClient extends AsyncDisposable {
  /**
   * Sends a request and waits for the answer. Throws the `WarderError` that the daemon answers with, or
   * `daemon-unreachable` if the daemon goes away.
   */
  request<V extends Verb>(verb: V, params: Params<V>): Promise<Result<V>>;
  /** Settles when the daemon has closed the connection. */
  readonly closed: Promise<void>;
}

/** The daemon's handlers, one for each verb. A `WarderError` that one throws reaches the client as it is. */
export type Handlers = { readonly [V in Verb]: (params: Params<V>) => Promise<Result<V>> | Result<V> };

/** The verbs about remote servers. */
export type RemoteVerbs = typeof remoteVerbs;
export type ShownAccount = z.infer<typeof account>;
export type ShownLogin = z.infer<typeof login>;
export type Check = z.infer<typeof check>;
export type ShownQuestion = z.infer<typeof question>;
export type ShownGrant = z.infer<typeof grant>;
export type ShownTrust = Result<'trust.show'>;
export type ShownDifference = z.infer<typeof trustDifference>;
export type ShownPart = ShownRecord['parts'][number];
export type ShownRecord = z.infer<typeof trustRecord>;
export type SessionStatus = z.infer<typeof session>;
export type PlantedPath = z.infer<typeof planted>;
