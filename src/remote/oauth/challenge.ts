// `WWW-Authenticate`: what a server wants (RFC 9110 section 11.6.1, RFC 6750 section 3, RFC 9449 section 7.1, RFC 9728
// section 5.1). The header is hostile input: it is read in one pass, in bounds, and nothing in it is an error. What cannot
// be read is as if it were not there.
import { readScopes } from './scopes.ts';

/** A challenge for an access token. All its values are the server's words: bounded, otherwise unchecked. */
export interface Challenge {
  /** `dpop` where the server takes tokens bound to a key, whether or not it takes others, too. */
  readonly scheme: 'bearer' | 'dpop';
  /** `invalid_token`, `insufficient_scope`, `use_dpop_nonce`, … */
  readonly error: string | undefined;
  /** The scopes that the request needs; undefined where the server names none. */
  readonly scopes: readonly string[] | undefined;
  /** Where the metadata of the protected resource is said to be. */
  readonly resourceMetadata: string | undefined;
  /** Signing algorithms of DPoP proofs; undefined where the server names none. */
  readonly dpopAlgorithms: readonly string[] | undefined;
}

/** Characters of a header that are read. */
const MAX_HEADER = 16_384;
/** Challenges of one header, and parameters of one challenge. */
const MAX_CHALLENGES = 16;
const MAX_PARAMETERS = 32;

interface AnyChallenge {
  readonly scheme: string;
  /** By lower-case name; undefined: the parameter occurs twice and so says nothing. */
  readonly parameters: Map<string, string | undefined>;
}

/**
 * The challenge for an access token in `WWW-Authenticate`, whose values are those of all such headers joined by commas (as
 * `Headers.get` has them). Undefined where there is none. Of several, the parameters of a DPoP challenge count first.
 */
export function parseChallenge(header: string | null): Challenge | undefined {
  if (header === null) return undefined;
  const all = readChallenges(header.slice(0, MAX_HEADER));
  const challenges = [
    ...all.filter(({ scheme }) => scheme === 'dpop'),
    ...all.filter(({ scheme }) => scheme === 'bearer'),
  ];
  const [first] = challenges;
  if (first === undefined) return undefined;
  const value = (name: string): string | undefined => {
    for (const { parameters } of challenges) {
      const found = parameters.get(name);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  const error = value('error');
  const algorithms = first.scheme === 'dpop' ? first.parameters.get('algs') : undefined;
  return {
    scheme: first.scheme === 'dpop' ? 'dpop' : 'bearer',
    error: error !== undefined && /^[a-z_]{1,64}$/.test(error) ? error : undefined,
    scopes: readScopes(value('scope')),
    resourceMetadata: value('resource_metadata'),
    dpopAlgorithms: algorithms?.split(' ').filter((one) => /^[A-Za-z0-9-]{1,16}$/.test(one)),
  };
}

const WHITE_SPACE = /[ \t]*/y;
const SEPARATORS = /[ \t,]*/y;
const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]*/y;
const TOKEN68 = /[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))/y;
/** A value without quotes; servers write URLs so, although a token has no slash. */
const BARE_VALUE = /[^\s,"]*/y;
const QUOTED = /"((?:[^"\\]|\\[\s\S])*)"/y;

/** The challenges up to the first thing that is none. */
function readChallenges(header: string): AnyChallenge[] {
  const challenges: AnyChallenge[] = [];
  let at = 0;
  /** What a sticky pattern matches here; moves on. */
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(header);
    if (match !== null) at += match[0].length;
    return match;
  };
  for (;;) {
    take(SEPARATORS);
    const name = take(TOKEN)?.[0] ?? '';
    if (name === '') return challenges;
    take(WHITE_SPACE);
    const current = challenges.at(-1);
    if (header[at] === '=' && current !== undefined) {
      at += 1;
      take(WHITE_SPACE);
      const value =
        header[at] === '"' ? take(QUOTED)?.[1]?.replace(/\\([\s\S])/g, '$1') : take(BARE_VALUE)?.[0];
      if (value === undefined || current.parameters.size === MAX_PARAMETERS) return challenges;
      const key = name.toLowerCase();
      current.parameters.set(key, current.parameters.has(key) ? undefined : value);
    } else {
      if (challenges.length === MAX_CHALLENGES) return challenges;
      challenges.push({ scheme: name.toLowerCase(), parameters: new Map() });
      take(TOKEN68);
    }
  }
}
