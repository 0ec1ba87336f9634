// AWS Signature Version 4, for a request as it is about to leave: the canonical request, the string to sign and the key
// as in "Create a signed AWS API request" of the IAM User Guide. Pure; the caller passes the time.
import { createHash, createHmac } from 'node:crypto';

const ALGORITHM = 'AWS4-HMAC-SHA256';

export interface AwsKeys {
  /** `undefined`: the one that the server has used. */
  readonly keyId: string | undefined;
  readonly secret: string;
  readonly sessionToken: string | undefined;
}

/** A value is the secret access key, or what programs for `credential_process` print. `undefined` if it is neither. */
export function readAwsKeys(value: string): AwsKeys | undefined {
  if (!value.trimStart().startsWith('{'))
    return /^[\w+/=]{16,128}$/.test(value)
      ? { keyId: undefined, secret: value, sessionToken: undefined }
      : undefined;
  try {
    const { AccessKeyId, SecretAccessKey, SessionToken } = JSON.parse(value) as Record<string, unknown>;
    if (typeof AccessKeyId !== 'string' || typeof SecretAccessKey !== 'string') return undefined;
    if (!/^\w{16,128}$/.test(AccessKeyId) || !/^[\w+/=]{16,128}$/.test(SecretAccessKey)) return undefined;
    const sessionToken = typeof SessionToken === 'string' && SessionToken !== '' ? SessionToken : undefined;
    if (sessionToken !== undefined && !/^[\x21-\x7e]{8,8192}$/.test(sessionToken)) return undefined;
    return { keyId: AccessKeyId, secret: SecretAccessKey, sessionToken };
  } catch {
    return undefined;
  }
}

/** What a server has signed, by its `Authorization`. */
export interface AwsScope {
  readonly keyId: string;
  readonly region: string;
  readonly service: string;
  /** In lower case. */
  readonly signedHeaders: readonly string[];
}

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 +Credential=(\w{1,128})\/\d{8}\/([a-z0-9-]{1,64})\/([a-z0-9-]{1,64})\/aws4_request, *SignedHeaders=([a-z0-9;_-]{1,4096}), *Signature=[0-9a-f]{64}$/;

/** `undefined` for what is written in another way. */
export function readAwsAuthorization(value: string): AwsScope | undefined {
  const [, keyId = '', region = '', service = '', signed = ''] = AUTHORIZATION.exec(value.trim()) ?? [];
  return keyId === '' ? undefined : { keyId, region, service, signedHeaders: signed.split(';') };
}

export interface AwsRequest {
  readonly method: string;
  /** Path and query, as they are sent. */
  readonly target: string;
  /** All fields of the head; those that are to be signed are chosen by name. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** The SHA-256 of the body in hex, or what stands for it in `x-amz-content-sha256`. */
  readonly payload: string;
}

/**
 * The `Authorization` for a request. `signedHeaders`: in lower case, each of them in the head. `date`: as in
 * `X-Amz-Date`, which the head has.
 */
export function signAwsRequest(
  request: AwsRequest,
  { keyId, region, service }: Omit<AwsScope, 'signedHeaders'>,
  signedHeaders: readonly string[],
  secret: string,
  date: string,
): string {
  const names = [...new Set(signedHeaders)].sort();
  const scope = `${date.slice(0, 8)}/${region}/${service}/aws4_request`;
  const canonical = [
    request.method,
    canonicalPath(request.target.split('?', 1)[0] ?? '/', service),
    canonicalQuery(request.target),
    ...names.map((name) => `${name}:${canonicalValue(request.fields, name)}`),
    '',
    names.join(';'),
    request.payload,
  ].join('\n');
  const toSign = [ALGORITHM, date, scope, sha256(Buffer.from(canonical, 'latin1'))].join('\n');
  const key = [date.slice(0, 8), region, service, 'aws4_request'].reduce<Buffer>(
    (from, part) => createHmac('sha256', from).update(part).digest(),
    Buffer.from(`AWS4${secret}`),
  );
  const signature = createHmac('sha256', key).update(toSign).digest('hex');
  return `${ALGORITHM} Credential=${keyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
}

/** As in `X-Amz-Date`: `20150830T123600Z`. */
export function awsDate(now: number): string {
  return new Date(now).toISOString().replace(/[-:]|\.\d{3}/g, '');
}

/** SHA-256 in hexadecimal digits in lower case, as Signature Version 4 has it. */
export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** S3 takes the path as it is sent; for all other services it is encoded once more. */
function canonicalPath(path: string, service: string): string {
  return service.startsWith('s3') ? path : path.split('/').map(encode).join('/');
}

/** The parameters encoded in the one way, sorted by name and then by value. */
function canonicalQuery(target: string): string {
  const at = target.indexOf('?');
  if (at < 0) return '';
  return target
    .slice(at + 1)
    .split('&')
    .filter((part) => part !== '')
    .map((part) => {
      const [name = '', ...value] = part.split('=');
      return [recode(name), recode(value.join('='))] as const;
    })
    .sort(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

function canonicalValue(fields: AwsRequest['fields'], name: string): string {
  return fields
    .filter(([key]) => key.toLowerCase() === name)
    .map(([, value]) => value.trim().replace(/ +/g, ' '))
    .join(',');
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** All but the unreserved characters (RFC 3986 2.3), in capitals; of latin1, a byte a character. */
function encode(text: string): string {
  return text.replace(
    /[^A-Za-z0-9_.~-]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
}

function recode(text: string): string {
  return encode(
    text.replace(/%([0-9a-f]{2})/gi, (_, digits) => String.fromCharCode(Number.parseInt(digits, 16))),
  );
}
