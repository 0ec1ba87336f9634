// Scopes (RFC 6749 section 3.3): which are asked for, and how they grow when a request needs more.

/** Most scopes of one request, and characters of one scope. */
const MAX_SCOPES = 512;
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]{1,512}$/;

/** The scopes of a list; what is no scope is left out. Undefined: no text. */
export function readScopes(text: string | undefined): readonly string[] | undefined {
  return text === undefined ? undefined : onlyScopes(text.split(' '));
}

/** The scopes among these texts, each once, in their order. */
export function onlyScopes(texts: readonly unknown[]): readonly string[] {
  const scopes = texts.filter((one): one is string => typeof one === 'string' && SCOPE.test(one));
  return [...new Set(scopes)].slice(0, MAX_SCOPES);
}

/** All scopes of both, each once (MCP, "Step-Up Authorization Flow"). Undefined: none of either. */
export function unionScopes(
  some: readonly string[] | undefined,
  others: readonly string[] | undefined,
): readonly string[] | undefined {
  return some === undefined && others === undefined
    ? undefined
    : onlyScopes([...(some ?? []), ...(others ?? [])]);
}

/** Times that the same operation may ask for more scopes before it has failed. */
const MAX_STEP_UPS = 2;
/** Operations that are remembered. */
const MAX_OPERATIONS = 1000;

/** Counts how often operations asked for more scopes. In memory: a new session may try again. */
export class StepUps {
  readonly #counts = new Map<string, number>();

  /** Whether `operation` (a method and what it is for) may step up once more; counts it. */
  mayStepUp(operation: string): boolean {
    const count = this.#counts.get(operation) ?? 0;
    if (count >= MAX_STEP_UPS) return false;
    const oldest = this.#counts.keys().next().value;
    if (this.#counts.size >= MAX_OPERATIONS && oldest !== undefined) this.#counts.delete(oldest);
    this.#counts.set(operation, count + 1);
    return true;
  }
}
