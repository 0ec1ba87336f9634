// URLs that an authorization server or a remote server names: each is checked before it is used, shown or opened.
// Written strictly: what browsers and parsers read differently is refused, not normalised.

import { domainToUnicode } from 'node:url';
import { isDisguised } from '../../policy/skeleton.ts';
import { isLoopbackHost } from '../../profile/host.ts';
import { metadataError } from './metadata-error.ts';
import type { OAuthParts } from './parts.ts';
import { quote } from './quote.ts';

/** Longest URL in characters; browsers and servers take about as much. */
const MAX_URL = 4096;

/** Printable ASCII without what RFC 3986 has no place for (section 2): spaces, quotes, angle brackets, backslashes, braces. */
const URL_TEXT = /^https?:\/\/[^\s"'<>\\^`{|}]+$/;

const ASCII = /^[\x21-\x7e]+$/;

/**
 * Why a URL is not used; undefined if it may be. It must be https (http on loopback where the profile allows it), and have
 * no user, no fragment, and no host that is written to look like another.
 */
export function urlProblem(text: unknown, parts: Pick<OAuthParts, 'insecureLoopback'>): string | undefined {
  if (typeof text !== 'string') return 'it is missing';
  if (text.length > MAX_URL) return `it is longer than ${MAX_URL} characters`;
  if (!ASCII.test(text)) return 'it has characters that no URL has';
  if (!URL_TEXT.test(text)) return 'it is not https';
  const url = URL.parse(text);
  if (url === null) return 'it is no URL';
  // A user's name before the host deceives whoever reads the URL; the empty one does, too.
  if (/^https?:\/\/[^/?#]*@/.test(text)) return 'it has a user name';
  if (text.includes('#')) return 'it has a fragment';
  const written = /^https?:\/\/([^/?]*)/.exec(text)?.[1]?.toLowerCase();
  // What is encoded, or an address in another notation, is another host to whoever does not decode it.
  if (written !== url.host && written !== `${url.host}:${url.protocol === 'https:' ? 443 : 80}`) {
    return 'its host is spelled oddly';
  }
  if (url.protocol !== 'https:' && !isLoopbackHost(url.hostname)) return 'it is not https';
  if (url.protocol !== 'https:' && !parts.insecureLoopback) {
    return 'it is not https ("insecure-loopback: true" in the profile allows http on loopback)';
  }
  return hostProblem(url.hostname);
}

/** Why a host is not trusted to be what it looks like. */
function hostProblem(hostname: string): string | undefined {
  if (hostname.endsWith('.')) return 'its host ends with a dot';
  const deceiving = hostname.split('.').some((label) => {
    if (!label.startsWith('xn--')) return false;
    const unicode = domainToUnicode(label);
    return unicode === '' || unicode.startsWith('xn--') || isDisguised(unicode);
  });
  return deceiving ? 'its host is written to look like another' : undefined;
}

/** Reads a URL. `what` names it in the error. Throws `server-metadata`. */
export function readUrl(text: unknown, what: string, parts: Pick<OAuthParts, 'insecureLoopback'>): URL {
  const problem = urlProblem(text, parts);
  if (problem !== undefined) {
    throw metadataError(
      `the ${what}${typeof text === 'string' ? `, "${quote(text)}",` : ''} is not used: ${problem}`,
      'the server has to name another; tell whoever runs it',
    );
  }
  return new URL(text as string);
}
