// An answer of a person.

/** For how long an answer holds: this call, the session, some milliseconds, or until it is revoked. */
export type Scope = 'once' | 'session' | 'always' | { readonly ms: number };

/** What an answer is for: the call with these arguments, the tool, or the names that fit a pattern. */
export type Extent = 'arguments' | 'name' | { readonly pattern: string };

export interface Answer {
  readonly decision: 'allow' | 'deny';
  readonly scope: Scope;
  readonly extent: Extent;
}
