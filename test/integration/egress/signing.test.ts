// Credentials that sign: the secret is in no request, and the signature is made in the gate over what is sent.
import { createHash, createHmac, createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { jwtVerify } from 'jose';
import { describe, expect, test } from 'vitest';
import { readAwsAuthorization, sha256, signAwsRequest } from '../../../src/credential/sigv4.ts';
import type { ProfileCredential } from '../../../src/profile/credential.ts';
import type { Signing } from '../../../src/profile/signing.ts';
import { readToEnd, TestGate, type TestGateOptions } from '../../fixtures/gate.ts';

const AWS_SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
const HMAC_SECRET = 'whsec_5WbX8nT2mQ7rV4yK9pL3sD6f';
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const PEM = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

const open = (
  secret: string,
  sign: Signing | ((port: number) => Signing),
  limits: Partial<ProfileCredential> = {},
  more: Partial<TestGateOptions> = {},
): Promise<TestGate> =>
  TestGate.open({
    secrets: { KEY: secret },
    limits: (port) => ({ as: undefined, ...limits, sign: typeof sign === 'function' ? sign(port) : sign }),
    ...more,
  });

async function ask(gate: TestGate, line: string, fields: readonly string[], body = ''): Promise<string> {
  const socket = await gate.secure();
  const length = body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
  const head = [
    `${line} HTTP/1.1`,
    `Host: api.test:${gate.upstream.port}`,
    'Connection: close',
    ...length,
    ...fields,
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  return (await readToEnd(socket)).toString();
}

const last = (gate: TestGate) => {
  const received = gate.upstream.requests.at(-1);
  if (received === undefined) throw new Error('nothing was received');
  return received;
};

describe('AWS Signature Version 4', () => {
  const S3: Signing = { scheme: 'aws-sigv4', services: ['s3'], regions: ['eu-central-1'] };
  const ANY: Signing = { scheme: 'aws-sigv4', services: ['dynamodb', 's3'], regions: ['eu-central-1'] };
  const claim = (service: string, region = 'eu-central-1', signed = 'host;x-amz-date'): string =>
    `Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/${region}/${service}/aws4_request, SignedHeaders=${signed}, Signature=${'0'.repeat(64)}`;

  /** Signs what the host received, with the secret, and compares. */
  function expectSigned(gate: TestGate, payload: string, secret = AWS_SECRET): void {
    const { headers, rawHeaders, method, target } = last(gate);
    const scope = readAwsAuthorization(headers.authorization ?? '');
    if (scope === undefined) throw new Error('not signed');
    const date = String(headers['x-amz-date']);
    expect(
      Math.abs(Date.parse(date.replace(/(....)(..)(..)T(..)(..)(..)Z/, '$1-$2-$3T$4:$5:$6Z')) - Date.now()),
    ).toBeLessThan(60_000);
    const fields = rawHeaders.flatMap((name, at) =>
      at % 2 === 0 ? [[name, rawHeaders[at + 1] ?? ''] as const] : [],
    );
    expect(headers.authorization).toBe(
      signAwsRequest({ method, target, fields, payload }, scope, scope.signedHeaders, secret, date),
    );
    expect(scope.signedHeaders).toContain('host');
    expect(gate.upstream.text).not.toContain(secret);
  }

  test('is made anew over what is sent, with the clock of the gate [W-SEAL-1] [W-SEAL-20]', async () => {
    await using gate = await open(AWS_SECRET, ANY);
    const body = '{"TableName":"t"}';
    const fields = [
      claim('dynamodb', 'eu-central-1', 'accept-encoding;content-type;host;range;x-amz-date'),
      'X-Amz-Date: 20150830T123600Z',
      'Content-Type: application/json',
      'Range: bytes=0-1',
      'Accept-Encoding: gzip, x',
    ];
    expect(await ask(gate, 'POST /a%20b?z=1&a=%2F', fields, body)).toMatch(/^HTTP\/1.1 404 /);
    expectSigned(gate, sha256(Buffer.from(body)));
    expect(gate.records).toContainEqual(
      expect.objectContaining({
        event: 'credential.use',
        action: 'use',
        credential: 'test/KEY',
        method: 'POST',
      }),
    );
  });

  test.each([
    ['a digest of a body', sha256(Buffer.from('wrong')), sha256(Buffer.from('content'))],
    ['an unsigned body', 'UNSIGNED-PAYLOAD', 'UNSIGNED-PAYLOAD'],
    ['an unsigned body in parts', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'],
  ])('signs %s of S3', async (_name, given, signed) => {
    await using gate = await open(AWS_SECRET, S3);
    const chunked = given.startsWith('STREAMING') ? ['Content-Encoding: aws-chunked'] : [];
    await ask(
      gate,
      'PUT /bucket/key',
      [claim('s3'), `X-Amz-Content-Sha256: ${given}`, ...chunked],
      'content',
    );
    expect(last(gate).headers['x-amz-content-sha256']).toBe(signed);
    expectSigned(gate, signed);
  });

  test('a key of a credential process brings its id and session token, which no answer brings back [W-SEAL-3] [W-SEAL-20]', async () => {
    const SessionToken = 'FwoGZXIvYXdzEXAMPLESESSIONTOKEN0123456789';
    const value = JSON.stringify({
      Version: 1,
      AccessKeyId: 'ASIAIOSFODNN7EXAMPLE',
      SecretAccessKey: AWS_SECRET,
      SessionToken,
    });
    await using gate = await open(value, S3);
    const answer = await ask(gate, 'GET /echo', [
      claim('s3'),
      'X-Amz-Security-Token: made-up',
      'X-Amz-Content-Sha256: UNSIGNED-PAYLOAD',
    ]);
    expect(last(gate).headers['x-amz-security-token']).toBe(SessionToken);
    expect(last(gate).headers.authorization).toContain('Credential=ASIAIOSFODNN7EXAMPLE/');
    expectSigned(gate, 'UNSIGNED-PAYLOAD');
    expect(answer).toContain('200 OK');
    expect(answer).not.toContain(SessionToken);
  });

  test.each([
    ['for another service', [claim('iam')], '/'],
    ['for another region', [claim('s3', 'us-east-1')], '/'],
    ['in the query', [], '/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0'],
    ['of another algorithm', ['Authorization: AWS4-ECDSA-P256-SHA256 Credential=A'], '/'],
    [
      'with signatures in the body',
      [claim('s3'), 'X-Amz-Content-Sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD'],
      '/',
    ],
    ['twice', [claim('s3'), claim('s3')], '/'],
  ])('%s is refused [W-SEAL-2]', async (_name, fields, target) => {
    await using gate = await open(AWS_SECRET, S3);
    expect(await ask(gate, `GET ${target}`, fields)).toMatch(/^HTTP\/1.1 403 /);
    expect(gate.upstream.requests).toEqual([]);
  });

  test.each(['Authorization: Bearer P', 'X-Secret: P'])(
    'the secret is never sent itself: %s [W-SEAL-20]',
    async (field) => {
      await using gate = await open(AWS_SECRET, S3);
      const answer = await ask(gate, 'GET /echo', [field.replace('P', gate.placeholder('KEY'))]);
      expect(answer).toContain('it signs requests, and is never sent');
      expect(gate.upstream.requests).toEqual([]);
    },
  );

  test('the limits of a credential hold [W-SEAL-5]', async () => {
    await using gate = await open(AWS_SECRET, S3, { paths: ['/mine/**'], methods: ['GET'], maxUses: 1 });
    const fields = [claim('s3'), 'X-Amz-Content-Sha256: UNSIGNED-PAYLOAD'];
    expect(await ask(gate, 'GET /other', fields)).toContain('the path is not one of its paths');
    expect(await ask(gate, 'DELETE /mine/a', fields)).toContain('the method is not one of its methods');
    expect(await ask(gate, 'GET /mine/a', fields)).toMatch(/^HTTP\/1.1 404 /);
    expect(await ask(gate, 'GET /mine/a', fields)).toContain('as often as it may be');
    gate.guards.locked = true;
    expect(await ask(gate, 'GET /mine/a', fields)).toContain('credentials are locked');
    expect(gate.upstream.requests).toHaveLength(1);
  });
});

describe('a keyed digest', () => {
  const HEADER: Signing = {
    scheme: 'hmac',
    algorithm: 'sha256',
    key: 'text',
    message: '{header:X-Time}{method}{target}{body}',
    encoding: 'hex',
    header: 'X-Signature',
    query: undefined,
    prefix: 'sha256=',
  };

  test('in a header is over what is sent [W-SEAL-20]', async () => {
    await using gate = await open(HMAC_SECRET, HEADER);
    await ask(gate, 'POST /echo?a=1', ['X-Time: 1700000000', 'X-Signature: sha256=whatever'], 'the body');
    const wanted = createHmac('sha256', HMAC_SECRET).update('1700000000POST/echo?a=1the body').digest('hex');
    expect(last(gate).headers['x-signature']).toBe(`sha256=${wanted}`);
    expect(gate.upstream.text).not.toContain(HMAC_SECRET);
    // A request without a signature carries nothing.
    await ask(gate, 'GET /echo', []);
    expect(last(gate).headers['x-signature']).toBeUndefined();
    expect(gate.records.filter(({ action }) => action === 'use')).toHaveLength(1);
  });

  test('in the query is over the other parameters, with a key that is written in base64 [W-SEAL-20]', async () => {
    const key = createHash('sha256').update('key').digest();
    const sign: Signing = {
      ...HEADER,
      key: 'base64',
      message: '{query}',
      encoding: 'base64',
      header: undefined,
      query: 'signature',
      prefix: '',
    };
    await using gate = await open(key.toString('base64'), sign);
    await ask(gate, 'GET /echo?b=2&signature=x&a=1', []);
    const wanted = createHmac('sha256', key).update('b=2&a=1').digest('base64');
    expect(last(gate).target).toBe(`/echo?b=2&a=1&signature=${encodeURIComponent(wanted)}`);
  });

  test('twice is refused, and so is a body that is too long to be signed [W-SEAL-4]', async () => {
    await using gate = await open(HMAC_SECRET, HEADER);
    expect(await ask(gate, 'GET /echo', ['X-Signature: a', 'X-Signature: b'])).toMatch(/^HTTP\/1.1 403 /);
    expect(await ask(gate, 'POST /echo', ['X-Signature: a'], 'x'.repeat(17 * 2 ** 20))).toMatch(
      /^(?:HTTP\/1.1 413 |$)/,
    );
    expect(gate.upstream.requests).toEqual([]);
  });
});

describe('a token', () => {
  const JWT: Signing = {
    scheme: 'jwt',
    algorithm: 'RS256',
    keyId: 'key-1',
    claims: { iss: 'me', aud: 'https://api.test' },
    expires: 600_000,
  };

  test('is made with a private key, sent, and not brought back; the key stays [W-SEAL-1] [W-SEAL-3] [W-SEAL-20]', async () => {
    await using gate = await open(PEM, JWT);
    const placeholder = gate.placeholder('KEY');
    expect(placeholder.split('.')).toHaveLength(3);
    const answer = await ask(gate, 'GET /echo', [`Authorization: Bearer ${placeholder}`]);
    const [, token = ''] = last(gate).headers.authorization?.split(' ') ?? [];
    const { payload, protectedHeader } = await jwtVerify(token, publicKey, {
      issuer: 'me',
      audience: 'https://api.test',
    });
    expect(protectedHeader).toEqual({ alg: 'RS256', typ: 'JWT', kid: 'key-1' });
    expect((payload.exp ?? 0) - Date.now() / 1000).toBeLessThan(601);
    expect(answer).toContain(placeholder);
    expect(answer).not.toContain(token);
    expect(gate.sealed.secrets.map(({ value }) => value)).toEqual(expect.arrayContaining([PEM, token]));
    // The same until it is about to expire.
    await ask(gate, 'GET /echo', [`Authorization: Bearer ${placeholder}`]);
    expect(last(gate).headers.authorization).toBe(`Bearer ${token}`);
  });

  test('is not made where it may not be used [W-SEAL-2]', async () => {
    await using gate = await open(PEM, JWT, { as: 'any', paths: ['/mine'] });
    const placeholder = gate.placeholder('KEY');
    expect(await ask(gate, 'GET /echo', [`Authorization: Bearer ${placeholder}`])).toMatch(/^HTTP\/1.1 403 /);
    const body = JSON.stringify({ token: placeholder });
    expect(await ask(gate, 'POST /mine', ['Content-Type: application/json'], body)).toContain(
      'goes into no body',
    );
    expect(gate.upstream.requests).toEqual([]);
  });
});

describe('an installation token of a GitHub App', () => {
  const app =
    (more: object = {}) =>
    (port: number): Signing => ({
      scheme: 'github-app',
      app: '12345',
      installation: 678,
      repositories: ['one'],
      permissions: { contents: 'read' },
      api: `api.test:${port}/api/v3`,
      ...more,
    });

  /** GitHub, as far as the gate asks. */
  function github(tokens: string[], asked: unknown[], status = 201) {
    return (request: IncomingMessage, response: ServerResponse): boolean => {
      if (!request.url?.startsWith('/api/v3/app/')) return false;
      let body = '';
      request.on('data', (piece) => {
        body += piece;
      });
      request.on('end', () => {
        asked.push({
          url: request.url,
          jwt: request.headers.authorization?.split(' ')[1],
          body: JSON.parse(body),
        });
        const token = `ghs_${String(tokens.length).padStart(2, '0')}Zk3mXw81LqPv0TbN7sYcRd5uEa2GhJ46fK`;
        tokens.push(token);
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ token, expires_at: new Date(Date.now() + 3_600_000).toISOString() }));
      });
      return true;
    };
  }

  test('is got by the gate, narrowed, once for many requests, and the server never has it [W-SEAL-1] [W-SEAL-20]', async () => {
    const tokens: string[] = [];
    const asked: { url: string; jwt: string; body: unknown }[] = [];
    await using gate = await open(PEM, app(), {}, { upstream: { route: github(tokens, asked) } });
    const placeholder = gate.placeholder('KEY');
    expect(placeholder).toMatch(/^ghs_[A-Za-z0-9]{36}$/);
    const basic = Buffer.from(`x-access-token:${placeholder}`).toString('base64');
    const answers = await Promise.all([
      ask(gate, 'GET /echo', [`Authorization: token ${placeholder}`]),
      ask(gate, 'GET /echo', [`Authorization: Basic ${basic}`]),
    ]);
    expect(tokens).toHaveLength(1);
    const [token = ''] = tokens;
    const echoed = gate.upstream.requests
      .filter(({ target }) => target === '/echo')
      .map(({ headers }) => headers.authorization);
    expect(echoed.sort()).toEqual(
      [`Basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}`, `token ${token}`].sort(),
    );
    expect(asked[0]).toMatchObject({
      url: '/api/v3/app/installations/678/access_tokens',
      body: { repositories: ['one'], permissions: { contents: 'read' } },
    });
    const { payload } = await jwtVerify(asked[0]?.jwt ?? '', createPublicKey(PEM), { issuer: '12345' });
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBeLessThanOrEqual(600);
    for (const answer of answers) expect(answer).not.toContain(token);
    expect(JSON.stringify(gate.records)).not.toContain(token);
    expect(gate.records).toContainEqual(
      expect.objectContaining({
        event: 'credential.use',
        action: 'use',
        method: 'POST',
        path: '/api/v3/app/installations/678/access_tokens',
      }),
    );
  });

  test('that GitHub refuses is an answer with the reason, and is not asked for again at once', async () => {
    const asked: unknown[] = [];
    await using gate = await open(PEM, app(), {}, { upstream: { route: github([], asked, 404) } });
    const fields = [`Authorization: Bearer ${gate.placeholder('KEY')}`];
    expect(await ask(gate, 'GET /echo', fields)).toContain('it answered 404');
    expect(await ask(gate, 'GET /echo', fields)).toMatch(/^HTTP\/1.1 502 /);
    expect(asked).toHaveLength(1);
    expect(gate.upstream.requests.some(({ target }) => target === '/echo')).toBe(false);
  });

  test('is not asked for while the credential is revoked or locked [W-SEAL-5]', async () => {
    const asked: unknown[] = [];
    await using gate = await open(PEM, app(), {}, { upstream: { route: github([], asked) } });
    gate.guards.gone.add('test/KEY');
    expect(await ask(gate, 'GET /echo', [`Authorization: Bearer ${gate.placeholder('KEY')}`])).toMatch(
      /^HTTP\/1.1 403 /,
    );
    expect(asked).toEqual([]);
  });
});
