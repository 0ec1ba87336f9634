// Credentials that sign, WebSocket and gRPC through the built program: one server in the sandbox uses them all with the
// libraries that real servers use, each host verifies what it gets with the real key, and the server never has one.
import {
  createHash,
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  type Hash,
  type Hmac,
  randomBytes,
} from 'node:crypto';
import { globSync, readFileSync, realpathSync, statSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { SignatureV4 } from '@smithy/signature-v4';
import { decodeProtectedHeader, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { Home } from '../fixtures/home.ts';
import {
  expectAbsent,
  handOver,
  Inside,
  Internet,
  listed,
  outward,
  persons,
  range,
  recorded,
  runAs,
} from '../fixtures/internet.ts';
import type { Upstream } from '../fixtures/upstream.ts';
import type { Received } from '../fixtures/upstream-routes.ts';

const client = join(import.meta.dirname, '../fixtures/clients/sign.mjs');
const modules = realpathSync(join(import.meta.dirname, '../../node_modules'));

describe.each(persons)('as $name', (person) => {
  const keyId = `AKIA${randomBytes(8)
    .toString('hex')
    .toUpperCase()
    .replace(/[0189]/g, 'X')}`;
  const awsSecret = randomBytes(30).toString('base64');
  const sessionToken = randomBytes(90).toString('base64');
  const hmacSecret = `whsec_${randomBytes(24).toString('hex')}`;
  const wsSecret = `sk-${randomBytes(24).toString('hex')}`;
  const grpcSecret = `glpat-${randomBytes(20).toString('hex')}`;
  const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = (key: typeof ec.privateKey): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();
  const [ecPem, rsaPem] = [pem(ec.privateKey), pem(rsa.privateKey)];
  /** One line of a key is enough to know it by. */
  const lineOf = (key: string): string => key.split('\n')[1] ?? '';
  const secrets = [
    keyId,
    awsSecret,
    sessionToken,
    hmacSecret,
    wsSecret,
    grpcSecret,
    lineOf(ecPem),
    lineOf(rsaPem),
  ];
  const values = {
    AWS_ACCESS_KEY_ID: keyId,
    AWS_SECRET_ACCESS_KEY: awsSecret,
    AWS_SESSION_TOKEN: sessionToken,
    HMAC_KEY: hmacSecret,
    JWT_TOKEN: ecPem,
    GITHUB_TOKEN: rsaPem,
    WS_TOKEN: wsSecret,
    GRPC_TOKEN: grpcSecret,
  };

  const stack = new AsyncDisposableStack();
  let internet: Internet;
  let home: Home;
  let inside: Inside;
  let aws: Upstream;
  let hmac: Upstream;
  let jwt: Upstream;
  let github: Upstream;
  let ws: Upstream;
  let grpc: Upstream;
  let open: Upstream;
  let env: { readonly [name: string]: string } = {};
  const minted: string[] = [];
  const upgrades: IncomingMessage[] = [];
  const calls: IncomingHttpHeaders[] = [];

  beforeAll(async () => {
    internet = stack.use(await Internet.open());
    aws = await internet.host(['dynamodb.eu-central-1.amazonaws.test']);
    hmac = await internet.host(['hmac.test']);
    jwt = await internet.host(['jwt.test']);
    github = await internet.host(['github.test'], { route: issueTokens });
    const sockets = new WebSocketServer({ noServer: true });
    stack.defer(() => {
      for (const socket of sockets.clients) socket.terminate();
    });
    ws = await internet.host(['ws.test'], {
      upgrade: (request, socket, head) => {
        upgrades.push(request);
        sockets.handleUpgrade(request, socket, head, (opened) => {
          // Each message comes back, with the credential of the opening request.
          opened.on('message', (data) => opened.send(`${data} ${request.headers.authorization}`));
        });
      },
    });
    grpc = await internet.host(['grpc.test'], { http2: serveGrpc });
    open = await internet.host(['open.test']);
    home = stack.use(new Home({ within: runAs(person) }));
    internet.join(home);
    const sealed = (host: Upstream, more: object): object => ({ hosts: [listed(host)], ...more });
    home.profile('signer', {
      server: outward,
      credentials: {
        AWS_SECRET_ACCESS_KEY: sealed(aws, {
          paths: ['/', '/mine/**'],
          sign: { scheme: 'aws-sigv4', service: 'dynamodb', region: 'eu-central-1' },
        }),
        AWS_ACCESS_KEY_ID: sealed(aws, {}),
        AWS_SESSION_TOKEN: sealed(aws, {}),
        HMAC_KEY: sealed(hmac, {
          sign: {
            scheme: 'hmac',
            message: '{header:X-Time}\\n{method}\\n{target}\\n{body}',
            header: 'X-Signature',
            prefix: 'v1=',
          },
        }),
        JWT_TOKEN: sealed(jwt, {
          as: 'bearer',
          paths: ['/echo'],
          sign: { scheme: 'jwt', algorithm: 'ES256', 'key-id': 'K1', claims: { iss: 'me', aud: 'jwt.test' } },
        }),
        GITHUB_TOKEN: sealed(github, {
          sign: {
            scheme: 'github-app',
            app: 12345,
            installation: 678,
            repositories: ['one'],
            permissions: { contents: 'read' },
            api: listed(github),
          },
        }),
        WS_TOKEN: sealed(ws, { as: 'bearer' }),
        GRPC_TOKEN: sealed(grpc, { as: 'bearer', paths: ['/test.Echo/Say'] }),
      },
      sandbox: {
        read: [modules],
        network: [listed(open), ...[aws, hmac, jwt, github, ws, grpc, open].map(range)],
      },
      policy: { default: 'allow' },
    });
    handOver(home, person);
    await home.done(['init', '--store', 'vault', '--key-file', join(home.dir, 'key')]);
    for (const [variable, value] of Object.entries(values))
      await home.done(['credential', 'set', '--multiline', 'signer', variable], value);
    inside = stack.use(await Inside.open(home.run('signer'), secrets));
    env = (await inside.see()).env;
  });

  afterAll(() => stack.disposeAsync());

  /** What a program in the sandbox has got. */
  async function signed(...words: readonly string[]): Promise<ReturnType<typeof JSON.parse>> {
    return JSON.parse(await inside.out([process.execPath, client, ...words]));
  }

  /** GitHub, as far as an App asks. */
  function issueTokens(request: IncomingMessage, response: ServerResponse): boolean {
    if (request.url !== '/app/installations/678/access_tokens') return false;
    const authorization = request.headers.authorization ?? '';
    void (async () => {
      const asked = JSON.parse(await text(request));
      const key = createPublicKey(rsaPem);
      const { payload } = await jwtVerify(authorization.replace('Bearer ', ''), key, { issuer: '12345' });
      expect((payload.exp ?? 0) - Date.now() / 1000).toBeLessThanOrEqual(600);
      expect(asked).toEqual({ repositories: ['one'], permissions: { contents: 'read' } });
      const token = `ghs_${randomBytes(18).toString('hex')}`;
      minted.push(token);
      response.writeHead(201, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ token, expires_at: new Date(Date.now() + 3_600_000).toISOString() }));
    })().catch(() => response.writeHead(401).end());
    return true;
  }

  /** One message comes back, with the caller's credential before and after it. */
  function serveGrpc(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    calls.push(headers);
    const credential = String(headers.authorization);
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.once('wantTrailers', () =>
      stream.sendTrailers({ 'grpc-status': '0', 'grpc-message': `by ${credential}` }),
    );
    const pieces: Buffer[] = [];
    stream.on('data', (piece: Buffer) => pieces.push(piece));
    stream.on('end', () => {
      const said = Buffer.from(`${credential} ${Buffer.concat(pieces).subarray(5)}`);
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(said.length, 1);
      stream.end(Buffer.concat([prefix, said]));
    });
  }

  test('W-SEAL-1 W-SEAL-20 AWS verifies a signature that the sandbox could not make', async () => {
    const body = JSON.stringify({ TableName: 'a table' });
    const answer = await signed('aws', 'dynamodb', 'eu-central-1', 'POST', `${aws.url}/?b=2&a=%2F`, body);
    expect(answer.status).toBe(404);
    const received = last(aws);
    expect(received.body.toString()).toBe(body);
    expect(received.headers.authorization).toContain(`Credential=${keyId}/`);
    expect(received.headers['x-amz-security-token']).toBe(sessionToken);
    expect(await isSignedByAws(received, awsSecret)).toBe(true);
    expect(await isSignedByAws(received, env.AWS_SECRET_ACCESS_KEY ?? '')).toBe(false);
    for (const variable of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'])
      expect(aws.text).not.toContain(env[variable]);
    const use = { credential: 'signer/AWS_SECRET_ACCESS_KEY', host: aws.names[0], method: 'POST', path: '/' };
    await recorded(home, 'credential.use', { ...use, action: 'use', outcome: 'sent' });
    await recorded(home, 'credential.use', { ...use, action: 'answer', status: 404 });
  });

  test.each([
    ['another region', ['dynamodb', 'us-east-1', 'POST'], '/', 'the region is not one of its regions'],
    ['another service', ['iam', 'eu-central-1', 'POST'], '/', 'the service is not one of its services'],
    ['another path', ['dynamodb', 'eu-central-1', 'GET'], '/other', 'the path is not one of its paths'],
    [
      'a path that leaves an allowed one',
      ['dynamodb', 'eu-central-1', 'GET'],
      '/mine/%2e%2e/other',
      /the path/,
    ],
  ] as const)('W-SEAL-2 %s is not signed for, and is recorded', async (_name, scope, path, reason) => {
    const came = aws.requests.length;
    const answer = await signed('aws', ...scope, `${aws.url}${path}`);
    expect(answer.status).toBe(403);
    expect(JSON.parse(answer.body).message).toMatch(reason);
    expect(aws.requests).toHaveLength(came);
    const credential = 'signer/AWS_SECRET_ACCESS_KEY';
    await recorded(home, 'credential.use', {
      ...{ credential, action: 'use', outcome: 'refused' },
      reason: typeof reason === 'string' ? reason : /path/,
    });
  });

  test('W-SEAL-2 W-EGR-1 another host gets a signature of the placeholder at most, or nothing', async () => {
    // A listed host that the credential is not for: the bytes pass, and nobody can verify them.
    const { status } = await signed('aws', 'dynamodb', 'eu-central-1', 'GET', `${open.url}/echo`);
    expect(status).toBe(200);
    expect(await isSignedByAws(last(open), awsSecret)).toBe(false);
    // The host of another credential: a placeholder that is not for it goes nowhere.
    const came = hmac.requests.length;
    const { status: other } = await signed('aws', 'dynamodb', 'eu-central-1', 'GET', `${hmac.url}/echo`);
    expect(other).toBe(403);
    expect(hmac.requests).toHaveLength(came);
    const refused = await signed('aws', 'dynamodb', 'us-east-1', 'GET', 'https://dynamodb.us-east-1.test/');
    expect(refused.failed).toBe('ENOTFOUND');
    await recorded(home, 'egress.connect', { host: 'dynamodb.us-east-1.test', outcome: 'refused' });
  });

  test('W-SEAL-20 a message is signed by HMAC with the real key', async () => {
    const answer = await signed('hmac', 'POST', `${hmac.url}/echo?a=1`, '{"amount":1}');
    expect(answer.status).toBe(200);
    const { headers, target, body } = last(hmac);
    const message = `${headers['x-time']}\nPOST\n${target}\n${body}`;
    const wanted = createHmac('sha256', hmacSecret).update(message).digest('hex');
    expect(headers['x-signature']).toBe(`v1=${wanted}`);
    await recorded(home, 'credential.use', { credential: 'signer/HMAC_KEY', action: 'use', outcome: 'sent' });
  });

  test('W-SEAL-3 W-SEAL-20 a token is signed with the private key, and its echo is the placeholder', async () => {
    const authorization = `Bearer ${env.JWT_TOKEN}`;
    const answer = await inside.fetch(`${jwt.url}/echo`, { headers: { authorization } });
    expect(answer.status).toBe(200);
    const token = last(jwt).headers.authorization?.replace('Bearer ', '') ?? '';
    const { payload } = await jwtVerify(token, ec.publicKey, { issuer: 'me', audience: 'jwt.test' });
    expect(decodeProtectedHeader(token)).toMatchObject({ alg: 'ES256', kid: 'K1' });
    expect(payload.exp).toBeGreaterThan(Date.now() / 1000);
    expect(answer.body).toContain(authorization);
    expectAbsent(answer.body, token, 'the answer');
    expect(await inside.scan(token)).toBe(0);
    const other = await inside.fetch(`${jwt.url}/other`, { headers: { authorization } });
    expect(JSON.parse(other.body).message).toContain('the path is not one of its paths');
    await recorded(home, 'credential.use', { credential: 'signer/JWT_TOKEN', outcome: 'refused' });
    expect((await inside.fetch(`${open.url}/echo`, { headers: { authorization } })).status).toBe(200);
    expect(last(open).headers.authorization).toBe(authorization);
  });

  test('W-SEAL-3 W-SEAL-20 GitHub gives the gate one installation token, which serves every request', async () => {
    const authorization = `token ${env.GITHUB_TOKEN}`;
    expect(authorization).toMatch(/^token ghs_/);
    const ask = () => inside.fetch(`${github.url}/echo`, { headers: { authorization } });
    const answers = [...(await Promise.all([ask(), ask()])), await ask()];
    expect(minted).toHaveLength(1);
    const [token = ''] = minted;
    const echoes = github.requests.filter(({ target }) => target === '/echo');
    expect(echoes.map(({ headers }) => headers.authorization)).toEqual(Array(3).fill(`token ${token}`));
    for (const { status, body } of answers) {
      expect(status).toBe(200);
      expect(body).toContain(authorization);
      expectAbsent(body, token, 'the answer');
    }
    expect(await inside.scan(token)).toBe(0);
    const credential = 'signer/GITHUB_TOKEN';
    const path = '/app/installations/678/access_tokens';
    await recorded(home, 'credential.use', {
      credential,
      action: 'answer',
      method: 'POST',
      path,
      status: 201,
    });
    // The server cannot ask for a token of its own: the key is no token, and the token may not make others.
    const own = await inside.fetch(`${github.url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${env.GITHUB_TOKEN}` },
      body: '{}',
    });
    expect(own.status).toBe(401);
    expect(minted).toHaveLength(1);
  });

  test('W-SEAL-1 W-SEAL-3 a WebSocket opens with the secret, and no message brings it back', async () => {
    const { said } = await signed('ws', `${ws.url.replace('https', 'wss')}/stream`, 'one', 'two');
    expect(upgrades.at(-1)?.headers.authorization).toBe(`Bearer ${wsSecret}`);
    expect(said).toEqual([`one Bearer ${env.WS_TOKEN}`, `two Bearer ${env.WS_TOKEN}`]);
    const credential = 'signer/WS_TOKEN';
    await recorded(home, 'credential.use', { credential, action: 'answer', path: '/stream', status: 101 });
    // In a message it is refused: the credential is for a header.
    const refused = await signed('ws', `${ws.url.replace('https', 'wss')}/stream`, 'hello $WS_TOKEN');
    expect(refused.closed).toMatchObject({ code: 1008, reason: expect.stringContaining(credential) });
    await recorded(home, 'credential.use', { credential, action: 'use', outcome: 'refused' });
  });

  test('W-SEAL-1 W-SEAL-3 a call of gRPC carries the secret, and neither message nor trailer brings it back', async () => {
    const target = `grpc.test:${grpc.port}`;
    const answer = await signed('grpc', target, '/test.Echo/Say', 'hello');
    expect(answer).toMatchObject({ code: 0, said: `Bearer ${env.GRPC_TOKEN} hello` });
    expect(calls.map(({ authorization }) => authorization)).toEqual([`Bearer ${grpcSecret}`]);
    const refused = await signed('grpc', target, '/test.Echo/Other', 'hello');
    expect(refused).toMatchObject({ code: 7, details: expect.stringContaining('not one of its paths') });
    expect(calls).toHaveLength(1);
    const credential = 'signer/GRPC_TOKEN';
    await recorded(home, 'credential.use', {
      credential,
      action: 'answer',
      path: '/test.Echo/Say',
      status: 200,
    });
    await recorded(home, 'credential.use', { credential, outcome: 'refused', path: '/test.Echo/Other' });
  });

  test('W-SEAL-20 a key that signs is sent nowhere, whatever the server tries', async () => {
    for (const variable of ['AWS_SECRET_ACCESS_KEY', 'HMAC_KEY']) {
      const host = variable === 'HMAC_KEY' ? hmac : aws;
      const came = host.requests.length;
      const key = env[variable] ?? '';
      for (const headers of [{ authorization: `Bearer ${key}` }, { 'x-key': key }])
        expect((await inside.fetch(`${host.url}/`, { headers })).status).toBe(403);
      expect((await inside.fetch(`${host.url}/?key=${encodeURIComponent(key)}`)).status).toBe(403);
      expect(
        (await inside.fetch(`${host.url}/`, { method: 'POST', body: JSON.stringify({ key }) })).status,
      ).toBe(403);
      expect(host.requests).toHaveLength(came);
      const reason = /it signs requests, and is never sent/;
      await recorded(home, 'credential.use', {
        ...{ credential: `signer/${variable}`, outcome: 'refused', reason },
      });
    }
  });

  test('W-SEAL-1 the sandbox has none of the keys: not in its variables, files, processes or memory', async () => {
    // `Inside` searches all that comes out of the sandbox.
    const seen = await inside.see('/run', '/etc', '/tmp');
    for (const [variable, value] of Object.entries(values)) {
      expect(seen.env[variable]).toMatch(/./);
      expect(seen.env[variable]).not.toBe(value);
    }
    for (const secret of [...secrets, ...minted]) {
      expect(await inside.scan(secret)).toBe(0);
      for (const host of [aws, hmac, jwt, github, open]) {
        // What is sent goes to its own host, and to no other.
        const own = minted.includes(secret)
          ? github
          : [keyId, sessionToken].includes(secret)
            ? aws
            : undefined;
        if (host !== own) expectAbsent(host.text, secret, 'what a host got');
      }
    }
  });

  test('W-SEAL-20 check says what each credential signs, and for whom', async () => {
    const said = await home.done(['check', 'signer']);
    for (const line of [
      /signs +requests to AWS: dynamodb in eu-central-1; it is never sent/,
      /signs +requests, in X-Signature; it is never sent/,
      /signs +tokens \(JWT\), which are sent; it is never sent itself/,
      /for installation 678 of the GitHub App 12345: repositories one, permissions contents read/,
    ])
      expect(said).toMatch(line);
    expect(said).not.toMatch(/looks like a signing key|signs requests and is never sent/);
  });

  test('W-SEAL-9 a key of the wrong form is refused when it is set, with a hint', async () => {
    const encrypted = rsa.privateKey
      .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'horse' })
      .toString();
    const before = await home.facts('credential', 'list');
    for (const [variable, value, what] of [
      ['AWS_SECRET_ACCESS_KEY', 'aws_secret_access_key = abc', 'holds no secret access key of AWS'],
      [
        'AWS_SECRET_ACCESS_KEY',
        '{"AccessKeyId":"AKIAIOSFODNN7EXAMPLE"}',
        'holds no secret access key of AWS',
      ],
      ['HMAC_KEY', 'q7xz', 'is too short to sign'],
      ['JWT_TOKEN', rsaPem, 'holds no private key for ES256'],
      ['JWT_TOKEN', 'ghp_0123456789abcdefghij', 'holds no private key for ES256'],
      ['GITHUB_TOKEN', ecPem, 'holds no private key for RS256'],
      ['GITHUB_TOKEN', encrypted, 'holds no private key for RS256'],
      ['GITHUB_TOKEN', createPublicKey(rsaPem).export({ type: 'spki', format: 'pem' }).toString(), 'RS256'],
    ] as const) {
      const ran = await home.warder(['credential', 'set', '--multiline', 'signer', variable], value);
      expect({ variable, code: ran.code }).toEqual({ variable, code: 65 });
      expect(ran.stderr).toContain(what);
      expect(ran.stderr).toMatch(/^warder: hint: \S/m);
      expect(ran.stdout + ran.stderr).not.toContain(value.trim());
      await recorded(home, 'credential.use', {
        ...{ action: 'set', credential: `signer/${variable}`, outcome: 'credential-unfit' },
      });
    }
    expect(await home.facts('credential', 'list')).toEqual(before);
  });

  test('W-SEAL-7 the log is whole, has each use, and none of the keys', async () => {
    expect(await home.done(['audit', 'verify'])).toMatch(/verify/);
    const uses = home
      .audit('credential.use')
      .filter(({ action, outcome }) => action === 'use' && outcome === 'sent');
    expect(new Set(uses.map(({ credential }) => credential))).toEqual(
      new Set(Object.keys(values).map((variable) => `signer/${variable}`)),
    );
    for (const { version, session } of uses) {
      expect(version).toMatch(/^\w+$/);
      expect(session).toMatch(/./);
    }
    for (const name of globSync('**/*', { cwd: home.dir })) {
      const path = join(home.dir, name);
      if (!statSync(path, { throwIfNoEntry: false })?.isFile()) continue;
      for (const secret of [...secrets, ...minted]) expectAbsent(readFileSync(path, 'latin1'), secret, path);
    }
  });
});

function last({ requests }: Upstream): Received {
  const received = requests.at(-1);
  if (received === undefined) throw new Error('nothing was received');
  return received;
}

/** Whether AWS would take a request: signed again, by the signer of its SDK, it is the same. */
async function isSignedByAws(received: Received, secretAccessKey: string): Promise<boolean> {
  const { method, target, headers, body } = received;
  const authorization = headers.authorization ?? '';
  const [, accessKeyId = '', region = '', service = '', names = ''] =
    /Credential=(\w+)\/\d+\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([^,]+), /.exec(authorization) ??
    [];
  const date = String(headers['x-amz-date']);
  const signingDate = new Date(date.replace(/(....)(..)(..)T(..)(..)(..)Z/, '$1-$2-$3T$4:$5:$6Z'));
  expect(Math.abs(signingDate.getTime() - Date.now())).toBeLessThan(300_000);
  const url = new URL(target, 'https://host.test');
  const signer = new SignatureV4({
    ...{ service, region, sha256: Sha256, credentials: { accessKeyId, secretAccessKey } },
    applyChecksum: names.split(';').includes('x-amz-content-sha256'),
  });
  const request = {
    ...{ method, protocol: 'https:', hostname: 'host.test', path: url.pathname, body },
    query: Object.fromEntries(url.searchParams),
    headers: Object.fromEntries(names.split(';').map((name) => [name, String(headers[name])])),
  };
  const again = await signer.sign(request, { signingDate, signableHeaders: new Set(names.split(';')) });
  const [wanted, got] = [again.headers.authorization ?? '', authorization].map((value) => Buffer.from(value));
  return wanted !== undefined && got !== undefined && wanted.equals(got);
}

/** As the signer of the AWS SDK wants it. */
class Sha256 {
  readonly #hash: Hash | Hmac;

  constructor(key?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = key === undefined ? createHash('sha256') : createHmac('sha256', Buffer.from(key as Buffer));
  }

  update(piece: Uint8Array): void {
    this.#hash.update(piece);
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
}
