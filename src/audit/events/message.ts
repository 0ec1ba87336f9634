// Messages between a host and its server: each has a record as it comes, and one as it ends.

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
