// What people have answered for more than one call. A grant holds for one host program, one profile, one server as it
// was when the person answered, and what the person saw: a tool with these arguments, a tool, or a pattern of names. As
// in a policy, deny wins over allow, an allow holds for the exact name, and a deny for every spelling of it.
import { fold } from '../../policy/fold.ts';
import { compile, type Pattern } from '../../policy/pattern.ts';
import type { Answer } from '../questions/answer.ts';

/**
 * What a question can be about, and what a grant can be for: what a request acts on, what the server asks of the host, the
 * first use of a profile by a host, or a credential's use. A sign-in is asked about each time, and never granted.
 */
export const GRANT_KINDS = [
  'tools',
  'resources',
  'prompts',
  'methods',
  'server',
  'profile',
  'credential',
  'sign-in',
] as const;
export type GrantKind = (typeof GRANT_KINDS)[number];

/** What a request is, as grants are compared with it. */
export interface GrantSubject {
  readonly session: string;
  /** The host program: see host-identity.ts. */
  readonly host: string;
  readonly profile: string;
  /** The digest of what runs and what it may do. */
  readonly server: string;
  readonly kind: GrantKind;
  readonly name: string;
  /** The digest of the tool's definition, as the server has listed it. */
  readonly definition: string | undefined;
  /** The digest of the arguments. */
  readonly arguments: string | undefined;
}

/** An answer that holds for more than one call. */
export interface Grant {
  /** Eight hexadecimal digits. */
  readonly id: string;
  /** RFC 3339. */
  readonly made: string;
  /** How the person answered. */
  readonly by: string;
  readonly decision: 'allow' | 'deny';
  readonly host: string;
  readonly profile: string;
  readonly server: string;
  readonly kind: GrantKind;
  /** The name that it holds for, unless there is a pattern. */
  readonly name: string;
  readonly pattern?: string;
  readonly definition?: string;
  readonly arguments?: string;
  /** It ends with this session. */
  readonly session?: string;
  /** It ends at this time, in milliseconds since the epoch. */
  readonly until?: number;
}

/** What of a grant an answer about a subject makes, but for when it was given, how, and until when. */
export function grantOf(
  { host, profile, server, kind, name, definition, session, arguments: args }: GrantSubject,
  { decision, scope, extent }: Answer,
): Omit<Grant, 'id' | 'made' | 'by' | 'until'> {
  const isPattern = typeof extent === 'object';
  return {
    decision,
    host,
    profile,
    server,
    kind,
    name: isPattern ? '' : name,
    ...(isPattern ? { pattern: extent.pattern } : definition !== undefined && { definition }),
    ...(extent === 'arguments' && args !== undefined && { arguments: args }),
    ...(scope === 'session' && { session }),
  };
}

interface Entry {
  readonly grant: Grant;
  readonly pattern: Pattern | undefined;
}

/** Grants, found in time that does not grow with their number. */
export class GrantBook {
  readonly #grants = new Map<string, Grant>();
  /** Those for a name, by `keyOf` it; those for a pattern, by `keyOf` no name. */
  readonly #byKey = new Map<string, Entry[]>();
  #version = 0;

  constructor(grants: Iterable<Grant> = []) {
    for (const grant of grants) this.add(grant);
  }

  /** Another number each time that there are other grants. */
  get version(): number {
    return this.#version;
  }

  /** All that hold at a time, the oldest first. */
  all(now: number): Grant[] {
    return [...this.#grants.values()].filter((grant) => isInForce(grant, now));
  }

  add(grant: Grant): void {
    this.remove(grant.id);
    this.#version++;
    this.#grants.set(grant.id, grant);
    const { pattern } = grant;
    const entry = { grant, pattern: pattern === undefined ? undefined : compile(pattern) };
    const key = keyOf(grant, pattern === undefined ? grant.name : undefined);
    const entries = this.#byKey.get(key);
    if (entries === undefined) this.#byKey.set(key, [entry]);
    else entries.push(entry);
  }

  /** Whether there was such a grant. */
  remove(id: string): boolean {
    const grant = this.#grants.get(id);
    if (grant === undefined) return false;
    this.#grants.delete(id);
    this.#version++;
    const key = keyOf(grant, grant.pattern === undefined ? grant.name : undefined);
    const left = (this.#byKey.get(key) ?? []).filter((entry) => entry.grant.id !== id);
    if (left.length === 0) this.#byKey.delete(key);
    else this.#byKey.set(key, left);
    return true;
  }

  /** Removes what holds no more: grants of a session that is over, or whose time is. */
  prune(now: number, isOpen: (session: string) => boolean): Grant[] {
    const over = [...this.#grants.values()].filter(
      (grant) => !isInForce(grant, now) || (grant.session !== undefined && !isOpen(grant.session)),
    );
    for (const { id } of over) this.remove(id);
    return over;
  }

  /** The grant that decides; a deny if there is one. */
  find(subject: GrantSubject, now: number): Grant | undefined {
    let allowed: Grant | undefined;
    for (const key of [keyOf(subject, subject.name), keyOf(subject, undefined)]) {
      for (const { grant, pattern } of this.#byKey.get(key) ?? []) {
        if (!isInForce(grant, now) || !covers(grant, pattern, subject)) continue;
        if (grant.decision === 'deny') return grant;
        allowed ??= grant;
      }
    }
    return allowed;
  }
}

function covers(grant: Grant, pattern: Pattern | undefined, subject: GrantSubject): boolean {
  const { server, decision, name } = grant;
  if (grant.session !== undefined && grant.session !== subject.session) return false;
  if (grant.arguments !== undefined && grant.arguments !== subject.arguments) return false;
  if (decision === 'deny') {
    // A deny outlives a change of the server: what was refused does not come back with another version.
    return pattern === undefined || pattern.matches(subject.name) || matchesFolded(pattern, subject.name);
  }
  if (server !== subject.server || grant.definition !== subject.definition) {
    const isPattern = pattern !== undefined && server === subject.server;
    if (!isPattern) return false;
  }
  return pattern === undefined ? name === subject.name : pattern.matches(subject.name);
}

function matchesFolded(pattern: Pattern, name: string): boolean {
  return compile(fold(pattern.source)).matches(fold(name));
}

function isInForce({ until }: Grant, now: number): boolean {
  return until === undefined || now < until;
}

/** `name` undefined: for patterns. The parts cannot be mistaken for each other. */
function keyOf(
  { host, profile, kind }: Pick<Grant, 'host' | 'profile' | 'kind'>,
  name: string | undefined,
): string {
  return JSON.stringify([profile, kind, host, name === undefined ? null : fold(name)]);
}
