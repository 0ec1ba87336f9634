// Requests that are signed with a credential, which itself is never sent. The server signs with the placeholder, as
// its library does; the gate drops that signature and makes one over what it sends: the head after all changes, its own
// clock, and the body as it leaves.
import { createHmac } from 'node:crypto';
import type { SealedCredential } from '../../credential/sealed.ts';
import {
  awsDate,
  readAwsAuthorization,
  readAwsKeys,
  sha256,
  signAwsRequest,
} from '../../credential/sigv4.ts';
import { type AwsSigV4, fillMessage, type HmacSigning, signsRequests } from '../../profile/signing.ts';
import { fieldValues } from './request-head.ts';
import { Denial, type Field, type Head, type RequestContext } from './substitution.ts';

const CONTENT_SHA256 = 'x-amz-content-sha256';
const DATE = 'x-amz-date';
const SECURITY_TOKEN = 'x-amz-security-token';
const HEX_DIGEST = /^[0-9a-f]{64}$/;
/** What may stand for the digest: the body is not signed, and TLS keeps it whole. */
const UNSIGNED = ['UNSIGNED-PAYLOAD', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'];

/** A signature that a request has, and that is to be made anew. */
export interface RequestSignature {
  readonly credential: SealedCredential;
  /** The body must be known as a whole before the head is sent. */
  readonly needsBody: boolean;
  /** Signs the head, whose other fields do not change after that. `body`: `undefined` where it streams. */
  apply(head: Head, body: Buffer | undefined, now: number): void;
}

/**
 * The signature of a request, before its head is changed; `undefined` if no credential of the host signs it. Throws
 * `Denial` for one that the gate cannot make.
 */
export function readSignature(head: Head, context: RequestContext): RequestSignature | undefined {
  const found = context.signers.flatMap((credential) => {
    const { sign } = credential;
    if (!signsRequests(sign)) return [];
    const signature =
      sign.scheme === 'aws-sigv4'
        ? readAws(head, credential, sign, context)
        : readHmac(head, credential, sign, context);
    return signature === undefined ? [] : [signature];
  });
  if (found.length > 1) throw new Denial(400, 'more than one credential of this host could sign the request');
  return found[0];
}

function readAws(
  head: Head,
  credential: SealedCredential,
  { services, regions }: AwsSigV4,
  context: RequestContext,
): RequestSignature | undefined {
  if (/[?&]x-amz-(?:signature|algorithm)=/i.test(head.target))
    throw context.deny(credential, 'signed URLs are not supported: the signature must be in Authorization');
  const values = fieldValues(head.fields, 'authorization');
  if (!values.some((value) => /^\s*AWS4-/i.test(value))) return undefined;
  const scope = values.length === 1 ? readAwsAuthorization(values[0] ?? '') : undefined;
  if (scope === undefined) throw context.deny(credential, 'its signature is not one of AWS4-HMAC-SHA256');
  if (!services.includes(scope.service))
    throw context.deny(credential, 'the service is not one of its services');
  if (!regions.includes(scope.region)) throw context.deny(credential, 'the region is not one of its regions');
  const [digest] = fieldValues(head.fields, CONTENT_SHA256);
  if (digest !== undefined && !HEX_DIGEST.test(digest) && !UNSIGNED.includes(digest))
    throw context.deny(credential, 'a body with signatures of its own is not supported: send it unsigned');
  const path = head.target.split('?', 1)[0] ?? '';
  if (!scope.service.startsWith('s3') && /\/\.{0,2}(?:\/|$)/.test(path.slice(0, -1)))
    throw context.deny(credential, 'the path is not in its shortest form');
  return {
    credential,
    needsBody: digest === undefined,
    apply(sent, body, now) {
      const keys = readAwsKeys(context.sign(credential));
      if (keys === undefined) throw new Denial(503, 'the credential is not a key of AWS');
      const date = awsDate(now);
      setField(sent, DATE, date);
      if (keys.sessionToken !== undefined) setField(sent, SECURITY_TOKEN, keys.sessionToken);
      // A digest of the server's is that of a body that streams: the host compares it.
      const payload =
        digest !== undefined && (UNSIGNED.includes(digest) || body === undefined) ? digest : undefined;
      if (payload === undefined && body === undefined) throw new Denial(501, 'the body cannot be signed');
      const hash = payload ?? sha256(body ?? Buffer.alloc(0));
      if (digest !== undefined) setField(sent, CONTENT_SHA256, hash);
      const present = sent.fields.map(([name]) => name.toLowerCase());
      const signed = present.filter(
        (name) =>
          name === 'host' ||
          name.startsWith('x-amz-') ||
          (name !== 'authorization' && scope.signedHeaders.includes(name)),
      );
      // The key's id may be a credential too: its placeholder has been replaced by now.
      const [given = ''] = fieldValues(sent.fields, 'authorization');
      const keyId = keys.keyId ?? readAwsAuthorization(given)?.keyId ?? scope.keyId;
      const { method, target, fields } = sent;
      const request = { method, target, fields, payload: hash };
      setField(
        sent,
        'authorization',
        signAwsRequest(request, { ...scope, keyId }, signed, keys.secret, date),
      );
    },
  };
}

function readHmac(
  head: Head,
  credential: SealedCredential,
  sign: HmacSigning,
  context: RequestContext,
): RequestSignature | undefined {
  const { header, query, message } = sign;
  const values =
    header === undefined
      ? queryValues(head.target, query ?? '')
      : fieldValues(head.fields, header.toLowerCase());
  if (values.length === 0) return undefined;
  if (values.length > 1) throw context.deny(credential, 'the request has its signature twice');
  return {
    credential,
    needsBody: message.includes('{body'),
    apply(sent, body, _now) {
      const key = Buffer.from(context.sign(credential), sign.key === 'text' ? 'utf8' : sign.key);
      const [path = '', ...rest] = sent.target.split('?');
      const parameters = rest
        .join('?')
        .split('&')
        .filter((part) => part !== '' && !isParameter(part, query));
      const text = parameters.join('&');
      const read = (part: string, name: string | undefined): Buffer => {
        if (part === 'body' || part === 'body-sha256') {
          if (body === undefined) throw new Denial(501, 'the body cannot be signed');
          return part === 'body' ? body : Buffer.from(sha256(body));
        }
        return Buffer.from(
          {
            method: sent.method,
            path,
            query: text,
            target: text === '' ? path : `${path}?${text}`,
            host: fieldValues(sent.fields, 'host').join(),
            header: fieldValues(sent.fields, (name ?? '').toLowerCase()).join(', '),
          }[part] ?? '',
          'latin1',
        );
      };
      const signature = createHmac(sign.algorithm, key)
        .update(fillMessage(message, read))
        .digest(sign.encoding);
      if (header !== undefined) setField(sent, header, `${sign.prefix}${signature}`);
      else sent.target = `${path}?${[...parameters, `${query}=${encodeURIComponent(signature)}`].join('&')}`;
    },
  };
}

function isParameter(part: string, name: string | undefined): boolean {
  return name !== undefined && part.split('=', 1)[0] === name;
}

function queryValues(target: string, name: string): string[] {
  const at = target.indexOf('?');
  return at < 0
    ? []
    : target
        .slice(at + 1)
        .split('&')
        .filter((part) => isParameter(part, name));
}

/** Sets a field to one value, in its place where it is there already. */
function setField(head: Head, name: string, value: string): void {
  const key = name.toLowerCase();
  const at = head.fields.findIndex(([each]) => each.toLowerCase() === key);
  const field: Field = [head.fields[at]?.[0] ?? name, value];
  const others = head.fields.filter(([each], index) => index === at || each.toLowerCase() !== key);
  head.fields = at < 0 ? [...others, field] : others.map((each) => (each === head.fields[at] ? field : each));
}
