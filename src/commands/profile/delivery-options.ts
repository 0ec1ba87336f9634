// How a new profile's credentials reach its server, and what the server reaches: `--host` and `--deliver` of
// `warder add`. No host is ever guessed.
import { WarderError } from '../../errors.ts';
import { rangeProblem } from '../../profile/address-range.ts';
import { nonHttpsProtocol } from '../../profile/cross-checks.ts';
import type { Delivery } from '../../profile/format.ts';
import { parseHost } from '../../profile/host.ts';
import { detectSecret } from '../../profile/variable.ts';
import { signingWarning } from './warnings.ts';

/** What was decided. */
export interface DeliveryPlan {
  readonly deliver: Delivery;
  /** Where the credentials may be used; none unless they are sealed. */
  readonly hosts: readonly string[];
  /** What the server may reach. */
  readonly network: readonly string[];
}

/**
 * Sealed where a host is named and nothing else is said, for the hosts that a secret can be put in for. Throws `usage`
 * for what is no host, and for what has no meaning beside the rest.
 */
export function planDelivery(
  said: readonly string[],
  deliver: Delivery | undefined,
  credentials: number,
): DeliveryPlan {
  const network = [...new Set(said.map(parseNetworkEntry))];
  if (deliver !== undefined && credentials === 0) {
    throw new WarderError('usage', '"--deliver" says how credentials are delivered, and there is none', {
      hint: 'say "--credential VARIABLE"',
    });
  }
  const chosen = credentials === 0 ? 'env' : (deliver ?? (network.length > 0 ? 'sealed' : 'env'));
  if (chosen !== 'sealed') return { deliver: chosen, hosts: [], network };
  const named = network.filter((entry) => !entry.includes('/'));
  const hosts = named.filter((host) => nonHttpsProtocolOf(host) === undefined);
  if (hosts.length > 0) return { deliver: 'sealed', hosts, network };
  const [first] = named;
  const protocol = first === undefined ? undefined : nonHttpsProtocolOf(first);
  if (protocol !== undefined) {
    throw new WarderError('usage', `"${first}" is the port of ${protocol}, into which no secret can be put`, {
      hint: 'say "--deliver env" or "--deliver file", knowing that the server then holds the secret',
    });
  }
  throw new WarderError('usage', 'a sealed credential needs the name of a host that it may be used for', {
    hint: 'say it with "--host api.example.com"',
  });
}

/** What a person is told of it. */
export function deliveryLines(
  { deliver, hosts, network }: DeliveryPlan,
  credentials: readonly string[],
): string[] {
  const lines = credentials.map((variable) => {
    if (deliver === 'sealed') {
      return `${variable} is sealed: the server gets a placeholder, and the secret goes to ${hosts.join(', ')} only`;
    }
    return `${variable} is delivered by "${deliver}": the server gets the value itself`;
  });
  if (deliver === 'sealed') lines.push(...credentials.flatMap((variable) => signingWarning(variable) ?? []));
  else if (credentials.length > 0 && network.length === 0) {
    lines.push(
      'to keep it from the server: "deliver: sealed" and "hosts: [HOST]" in the profile, as "--host" writes',
    );
  }
  lines.push(
    network.length === 0
      ? 'network: none; "--host HOST" lists what the server may reach'
      : `network: ${network.join(', ')}, and nothing else`,
  );
  return lines;
}

/** An entry of `sandbox.network`. A URL's host is said back; nothing that may hold a secret is. */
function parseNetworkEntry(said: string, index: number): string {
  const wrong = (what: string, hint: string): WarderError =>
    new WarderError('usage', `--host number ${index + 1} ${what}`, { hint });
  if (detectSecret(said) !== undefined || said.includes('@')) {
    throw wrong('holds more than a host', 'say the host alone: api.example.com');
  }
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(said) ? URL.parse(said) : null;
  if (url !== null && url.host !== '') throw wrong('is a URL', `say the host alone: --host ${url.host}`);
  const entry = said.toLowerCase().replace(/\.$/, '');
  const problem = rangeProblem(entry);
  if (problem !== undefined)
    throw wrong(problem, 'say a host, host:port, *.host, or a range such as 10.1.0.0/16');
  if (!entry.includes('/')) {
    try {
      parseHost(entry);
    } catch {
      throw wrong('is no host', 'say a host, host:port, *.host, or a range such as 10.1.0.0/16');
    }
  }
  return entry;
}

/** What is spoken at a host's port, where that is known to be no HTTP over TLS. */
function nonHttpsProtocolOf(host: string): string | undefined {
  return nonHttpsProtocol(parseHost(host).port ?? 443);
}
