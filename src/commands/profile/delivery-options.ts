// The options `--host` and `--deliver` of `warder add`: how the credentials of a new profile reach its server, and what the
// server may reach. Hosts are never guessed.
import { WarderError } from '../../errors.ts';
import type { Delivery } from '../../profile/credential.ts';
import { isLoopbackName, LOOPBACK, parseHost, parseNetworkHost } from '../../profile/host.ts';
import { nonHttpsProtocol } from '../../profile/remote-checks.ts';
import type { AwsSigning } from '../add/aws-signing.ts';
import { parseNetworkEntry } from './network-entry.ts';
import { sharedDomainWarning } from './shared-domain.ts';
import { argumentWarning, signingWarning } from './warnings.ts';

/** How credentials are delivered, and what the server may reach. */
export interface DeliveryPlan {
  readonly deliver: Delivery;
  /** Where sealed credentials may be used; empty for other deliveries. */
  readonly hosts: readonly string[];
  /** The entries of `sandbox.network`. */
  readonly network: readonly string[];
}

/**
 * Plans the delivery: by default sealed if there is a host, otherwise `env`. Sealed credentials get the hosts at whose
 * port HTTPS is expected. Throws `usage` for an invalid host, and for options that contradict each other.
 */
export function planDelivery(
  entries: readonly string[],
  deliver: Delivery | undefined,
  credentials: number,
): DeliveryPlan {
  const network = [
    ...new Set(entries.map((entry, index) => parseNetworkEntry(entry, `--host number ${index + 1}`))),
  ];
  if (deliver !== undefined && credentials === 0) {
    throw new WarderError('usage', '"--deliver" needs a credential', {
      hint: 'use "--credential VARIABLE"',
    });
  }
  const chosen = credentials === 0 ? 'env' : (deliver ?? (network.length > 0 ? 'sealed' : 'env'));
  if (chosen !== 'sealed') return { deliver: chosen, hosts: [], network };
  const listed = network.filter((entry) => !entry.includes('/'));
  const names = listed.filter((entry) => !isLoopbackName(parseNetworkHost(entry).name));
  if (names.length === 0 && listed.length > 0) {
    throw new WarderError(
      'usage',
      `"${listed[0]}" is of this machine, and a secret is put in for hosts with a certificate`,
      {
        hint: 'use "--deliver env" or "--deliver file": the server then holds the secret',
      },
    );
  }
  const hosts = names.filter((host) => nonHttpsProtocolOf(host) === undefined);
  if (hosts.length > 0) return { deliver: 'sealed', hosts, network };
  const [first] = names;
  const protocol = first === undefined ? undefined : nonHttpsProtocolOf(first);
  if (protocol !== undefined) {
    throw new WarderError('usage', `"${first}" is the port of ${protocol}, into which no secret can be put`, {
      hint: 'use "--deliver env", "file" or "arg": the server then holds the secret',
    });
  }
  throw new WarderError('usage', 'a sealed credential needs the name of a host that it may be used for', {
    hint: 'use "--host api.example.com"',
  });
}

/** The places of `as`, as a person reads them. */
const PLACES: Readonly<Record<string, string>> = {
  bearer: 'in "Authorization: Bearer"',
  basic: 'in "Authorization: Basic"',
  header: 'in a header',
  query: 'in the query of the URL',
  path: 'in the path of the URL',
  body: 'in the body',
  any: 'anywhere in a request',
};

/** Describes a plan to the user. */
export function deliveryLines(
  { deliver, hosts, network }: DeliveryPlan,
  credentials: readonly string[],
  inArguments: readonly string[],
  signing: Readonly<Record<string, AwsSigning>>,
  as: string | undefined,
): string[] {
  const lines = credentials.map((variable) => {
    const sign = signing[variable];
    if (sign !== undefined)
      return `${variable} signs requests to AWS in the gate and is never sent: ${sign.service.join(' ')} in ${sign.region.join(' ')}, from the hosts; correct "sign" in the profile if AWS signs them by another name`;
    if (deliver === 'sealed') {
      return `${variable} is sealed: the server gets a placeholder, and the secret goes to ${hosts.join(', ')} only, ${as === undefined ? 'in a header ("as" in the profile says another place)' : PLACES[as]}`;
    }
    if (inArguments.includes(variable)) return argumentWarning(variable);
    return `${variable} is delivered by "${deliver}": the server gets the value itself`;
  });
  if (deliver === 'sealed')
    lines.push(
      ...credentials.flatMap((variable) =>
        signing[variable] === undefined ? (signingWarning(variable) ?? []) : [],
      ),
    );
  else if (credentials.length > 0 && network.length === 0) {
    lines.push(
      'to keep it from the server, write "deliver: sealed" and "hosts: [HOST]" in the profile, as "--host" does',
    );
  }
  const reached = deliver === 'sealed' ? 'the secret may go there' : 'the server may send it what it has';
  lines.push(...network.flatMap((entry) => sharedDomainWarning(entry, reached) ?? []));
  lines.push(
    network.length === 0
      ? 'network: none; "--host HOST" lists what the server may reach'
      : `network: ${network.join(', ')}, and nothing else`,
    ...network.filter(isOfThisMachine).map(loopbackLine),
  );
  return lines;
}

/** What an entry for a program of this machine opens. */
function loopbackLine(entry: string): string {
  const addresses = parseNetworkHost(entry).name === LOOPBACK ? LOOPBACK : `${LOOPBACK} and ::1`;
  return `${entry} is a program of this machine, at ${addresses}: no range is needed, and no other name is let there`;
}

/** Whether an entry is a program of this machine. */
function isOfThisMachine(entry: string): boolean {
  return !entry.includes('/') && isLoopbackName(parseNetworkHost(entry).name);
}

/** The protocol at a host's port, if it is known not to be HTTPS. */
function nonHttpsProtocolOf(host: string): string | undefined {
  return nonHttpsProtocol(parseHost(host).port ?? 443);
}
