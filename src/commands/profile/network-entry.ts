// An entry of `sandbox.network` as it is typed on the command line.
import { WarderError } from '../../errors.ts';
import { rangeProblem } from '../../profile/address-range.ts';
import { DNS_PORT_MESSAGE } from '../../profile/cross-checks.ts';
import { parseNetworkHost } from '../../profile/host.ts';
import { networkEntryProblem } from '../../profile/schema.ts';
import { detectSecret } from '../../profile/variable.ts';

/**
 * Parses an entry of `sandbox.network`. Throws `usage`; `what` begins the message. Of invalid entries only the host of a
 * URL is repeated: they may contain secrets.
 */
export function parseNetworkEntry(text: string, what: string): string {
  const invalid = (problem: string, hint: string): WarderError =>
    new WarderError('usage', `${what} ${problem}`, { hint });
  if (detectSecret(text) !== undefined || text.includes('@')) {
    throw invalid('contains more than a host', 'give only the host: api.example.com');
  }
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? URL.parse(text) : null;
  if (url !== null && url.host !== '') throw invalid('is a URL', `give only the host: ${url.host}`);
  const entry = text.toLowerCase().replace(/\.$/, '');
  const problem = entry.endsWith(':53') ? DNS_PORT_MESSAGE : (rangeProblem(entry) ?? hostProblem(entry));
  if (problem !== undefined)
    throw invalid(problem, 'use a host, host:port, *.example.com, or a range such as 10.1.0.0/16');
  return entry;
}

/** Why no profile may list an entry, or no gate could read it. */
function hostProblem(entry: string): string | undefined {
  try {
    if (!entry.includes('/')) parseNetworkHost(entry);
  } catch {
    return 'is not a host';
  }
  return networkEntryProblem(entry);
}
