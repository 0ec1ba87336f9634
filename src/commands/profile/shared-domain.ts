// Domains below which strangers can have names, by the public suffix list (https://publicsuffix.org), its private part
// included: a wildcard there opens their hosts too.
import { getPublicSuffix } from 'tldts';

/**
 * Labels below which providers give out names, although their own domain is no public suffix. The list does not tell
 * what is below a domain, so these are tried.
 */
const PROVIDER_LABELS = [
  ...['s3', 'compute', 'elb', 'blob.core', 'web.core', 'file.core', 'cloudapp', 'cloudapp.azure', 'storage'],
  ...['app', 'apps', 'pages', 'sites', 'web', 'dev', 'user', 'users', 'customer', 'cdn', 'hosting', 'static'],
  ...[
    'us-east-1.elasticbeanstalk',
    's3.us-east-1',
    'execute-api.us-east-1',
    'lambda-url.us-east-1',
    'githubpreview',
  ],
];

/**
 * The domain of a wildcard such as `*.co.uk` below which anybody can have a name: its own, or one in it, such as
 * `s3.amazonaws.com` for `*.amazonaws.com`. `undefined` for any other entry.
 */
export function sharedDomain(entry: string): string | undefined {
  const base = /^\*\.([^:/]+)/.exec(entry)?.[1];
  if (base === undefined) return undefined;
  const isSuffix = (domain: string): boolean => {
    const suffix = suffixOf(`a.${domain}`);
    return suffix === domain || suffix === `a.${domain}`;
  };
  if (isSuffix(base)) return base;
  return PROVIDER_LABELS.map((label) => `${label}.${base}`).find(isSuffix);
}

function suffixOf(host: string): string | null {
  return getPublicSuffix(host, { allowPrivateDomains: true, validateHostname: false });
}

/** A warning for an entry below whose domain anybody can have a name. `what` is what then reaches them. */
export function sharedDomainWarning(entry: string, what: string): string | undefined {
  const domain = sharedDomain(entry);
  return domain === undefined
    ? undefined
    : `"${entry}": anybody can have a name below ${domain}, and ${what}: list the exact hosts`;
}
