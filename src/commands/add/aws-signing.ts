// What the secret access key of AWS may sign in a new profile: the services and regions of its hosts.
import { parseHost } from '../../profile/host.ts';
import { isAwsSecretKey } from '../../profile/variable.ts';

/** The key `sign` of a credential, as a profile's file has it. */
export interface AwsSigning {
  readonly scheme: 'aws-sigv4';
  readonly service: readonly string[];
  readonly region: readonly string[];
}

/** `SERVICE.REGION.amazonaws.com`, with names before it: `BUCKET.s3.eu-central-1.amazonaws.com`. In China with `.cn`. */
const REGIONAL =
  /(?:^|\.)([a-z0-9-]+?)(?:-fips)?\.((?:[a-z]{2,4})(?:-[a-z]+)+-\d)\.(?:amazonaws\.com(?:\.cn)?|api\.aws)$/;
/** Services without a region in their name are signed for in this one. */
const GLOBAL = /(?:^|\.)(iam|sts|route53|cloudfront|s3|organizations)\.amazonaws\.com$/;
const GLOBAL_REGION = 'us-east-1';
/** Names that requests are signed for, where the host has another (AWS's service authorization reference). */
const SIGNED_AS: Readonly<Record<string, string>> = {
  'bedrock-runtime': 'bedrock',
  'bedrock-agent': 'bedrock',
  'bedrock-agent-runtime': 'bedrock',
  email: 'ses',
};

/** By variable: what the secret access keys among the credentials sign. Empty where the hosts do not say it. */
export function awsSigning(
  credentials: readonly string[],
  hosts: readonly string[],
): Readonly<Record<string, AwsSigning>> {
  const found = hosts.flatMap((entry) => {
    const { name } = parseHost(entry);
    const [, service, region] = REGIONAL.exec(name) ?? [];
    const [, global] = GLOBAL.exec(name) ?? [];
    if (service !== undefined && region !== undefined)
      return [{ service: SIGNED_AS[service] ?? service, region }];
    return global === undefined ? [] : [{ service: global, region: GLOBAL_REGION }];
  });
  if (found.length === 0) return {};
  return Object.fromEntries(
    credentials.filter(isAwsSecretKey).map((variable) => [
      variable,
      {
        scheme: 'aws-sigv4',
        service: [...new Set(found.map(({ service }) => service))],
        region: [...new Set(found.map(({ region }) => region))],
      } as const,
    ]),
  );
}
