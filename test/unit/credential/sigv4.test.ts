import { createHash, createHmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  awsDate,
  readAwsAuthorization,
  readAwsKeys,
  sha256,
  signAwsRequest,
} from '../../../src/credential/sigv4.ts';

// Of AWS's own test suite for Signature Version 4.
const KEY_ID = 'AKIDEXAMPLE';
const SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
const DATE = '20150830T123600Z';
const SCOPE = { keyId: KEY_ID, region: 'us-east-1', service: 'service' };
const HEAD: readonly (readonly [string, string])[] = [
  ['Host', 'example.amazonaws.com'],
  ['X-Amz-Date', DATE],
];
const EMPTY = sha256(Buffer.alloc(0));

const sign = (method: string, target: string, fields = HEAD, payload = EMPTY): string =>
  signAwsRequest(
    { method, target, fields, payload },
    SCOPE,
    fields.map(([name]) => name.toLowerCase()),
    SECRET,
    DATE,
  ).split('Signature=')[1] ?? '';

test.each([
  ['get-vanilla', 'GET', '/', '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'],
  [
    'get-vanilla-query-order-key-case',
    'GET',
    '/?Param2=value2&Param1=value1',
    'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
  ],
  ['post-vanilla', 'POST', '/', '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b'],
])('signs as the test suite of AWS does: %s', (_name, method, target, signature) => {
  expect(sign(method, target)).toBe(signature);
});

test('signs whatever request as the signer of the AWS SDK does', async () => {
  const word = fc.string({
    unit: fc.constantFrom('a', 'B', '7', '-', '_', '.', '~', ' ', '+', '/', '=', 'é'),
    maxLength: 8,
  });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('GET', 'PUT', 'POST'),
      fc.array(word, { maxLength: 3 }),
      fc.dictionary(
        word.filter((name) => name !== ''),
        word,
        { maxKeys: 4 },
      ),
      word,
      fc.constantFrom('s3', 'dynamodb'),
      async (method, segments, query, body, service) => {
        const path = `/${segments
          .map((each) => encodeURIComponent(each))
          .filter((each) => !/^\.*$/.test(each))
          .join('/')}`;
        const signer = new SignatureV4({
          credentials: { accessKeyId: KEY_ID, secretAccessKey: SECRET },
          region: 'eu-central-1',
          service,
          sha256: Digest,
          uriEscapePath: service !== 's3',
        });
        const hash = sha256(Buffer.from(body));
        const headers = {
          host: 'example.test',
          'x-amz-content-sha256': hash,
          'x-amz-meta-a': '  two   words ',
        };
        const signed = await signer.sign(
          { method, protocol: 'https:', hostname: 'example.test', path, query, headers, body },
          { signingDate: new Date('2015-08-30T12:36:00Z') },
        );
        const text = Object.entries(query)
          .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
          .join('&');
        const scope = readAwsAuthorization(signed.headers.authorization ?? '');
        if (scope === undefined) throw new Error('not read');
        const target = text === '' ? path : `${path}?${text}`;
        const fields = Object.entries(signed.headers);
        const ours = signAwsRequest(
          { method, target, fields, payload: hash },
          scope,
          scope.signedHeaders,
          SECRET,
          DATE,
        );
        expect(ours).toBe(signed.headers.authorization);
      },
    ),
  );
});

test('a key is the secret, or the JSON of a credential process; nothing else', () => {
  expect(readAwsKeys(SECRET)).toEqual({ keyId: undefined, secret: SECRET, sessionToken: undefined });
  const printed = {
    Version: 1,
    AccessKeyId: 'ASIAIOSFODNN7EXAMPLE',
    SecretAccessKey: SECRET,
    SessionToken: 'a'.repeat(20),
  };
  expect(readAwsKeys(JSON.stringify(printed))).toEqual({
    keyId: 'ASIAIOSFODNN7EXAMPLE',
    secret: SECRET,
    sessionToken: 'a'.repeat(20),
  });
  for (const value of [
    'short',
    'with space in it, and long',
    '{}',
    '{',
    JSON.stringify({ ...printed, SessionToken: 'a b\nc d e f' }),
  ])
    expect(readAwsKeys(value)).toBeUndefined();
  expect(awsDate(Date.UTC(2015, 7, 30, 12, 36, 0, 7))).toBe(DATE);
});

test.each([
  'AWS4-ECDSA-P256-SHA256 Credential=A/20150830/s3/aws4_request, SignedHeaders=host, Signature=00',
  `AWS4-HMAC-SHA256 Credential=A/20150830/r/s3/aws4_request, SignedHeaders=host, Signature=${'0'.repeat(63)}`,
  `AWS4-HMAC-SHA256 Credential=A/20150830/r/s3/aws4_request, SignedHeaders=ho\nst, Signature=${'0'.repeat(64)}`,
  `AWS4-HMAC-SHA256 Credential=A/20150830/r/../s3/aws4_request, SignedHeaders=host, Signature=${'0'.repeat(64)}`,
])('an authorization of another form is not read: %s', (value) => {
  expect(readAwsAuthorization(value)).toBeUndefined();
});

/** SHA-256 as the SDK's signer takes it. */
class Digest {
  readonly #digest;

  constructor(key?: string | ArrayBuffer | ArrayBufferView) {
    this.#digest =
      key === undefined
        ? createHash('sha256')
        : createHmac('sha256', typeof key === 'string' ? key : Buffer.from(key as Uint8Array));
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#digest.update(typeof data === 'string' ? data : Buffer.from(data as Uint8Array));
  }

  async digest(): Promise<Uint8Array> {
    return this.#digest.digest();
  }

  reset(): void {}
}
