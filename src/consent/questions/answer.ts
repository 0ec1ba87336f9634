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

export const DENY_ONCE: Answer = { decision: 'deny', scope: 'once', extent: 'arguments' };
export const ALLOW_ONCE: Answer = { decision: 'allow', scope: 'once', extent: 'arguments' };
export const ALLOW_SESSION: Answer = { decision: 'allow', scope: 'session', extent: 'name' };
/** A yes to a first use: it holds for good. */
export const ALLOW_FIRST_USE: Answer = { decision: 'allow', scope: 'always', extent: 'name' };

/** Milliseconds within which nobody has read a question: what comes back sooner is nobody's answer. */
export const UNREAD = 300;
