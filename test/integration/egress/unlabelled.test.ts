// A host whose answer is compressed, and says so nowhere: searched before it passes, and passed as it is.
import { once } from 'node:events';
import * as http from 'node:http';
import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TestGate } from '../../fixtures/gate.ts';

const SECRET = 'ghp_Zk3mXw81LqPv0TbN7sYcRd5uEa2GhJ46fKiO';
const TOKEN = 'gho_4fWq7Rt2YbN8mKc5XzLd1VhJ9sPg3AeU6iTo';

interface Answer {
  readonly body: Buffer;
  readonly headers?: http.OutgoingHttpHeaders;
  /** Bytes of each piece. */
  readonly size?: number;
}

async function answering({ body, headers = {}, size = body.length }: Answer): Promise<TestGate> {
  return await TestGate.open({
    secrets: { TOKEN: SECRET },
    upstream: {
      route: (_, response) => {
        response.writeHead(200, headers);
        void (async () => {
          for (let at = 0; at < body.length; at += size) {
            response.write(body.subarray(at, at + size));
            await new Promise((resolve) => setImmediate(resolve));
          }
          response.end();
        })();
        return true;
      },
    },
  });
}

/** What the server gets: the status, and the bytes until the end or until the connection breaks. */
async function get(gate: TestGate): Promise<{ status: number; body: Buffer; broken: boolean }> {
  const socket = await gate.secure();
  const request = http.request({
    createConnection: () => socket,
    path: '/file',
    headers: { host: `api.test:${gate.upstream.port}` },
  });
  request.end();
  const pieces: Buffer[] = [];
  try {
    const [response]: http.IncomingMessage[] = await once(request, 'response');
    response?.on('data', (piece: Buffer) => pieces.push(piece));
    const ended = once(response as http.IncomingMessage, 'end').then(() => false);
    const closed = once(response as http.IncomingMessage, 'close').then(() => true);
    const broken = await Promise.race([ended, closed]).catch(() => true);
    socket.destroy();
    return { status: response?.statusCode ?? 0, body: Buffer.concat(pieces), broken };
  } catch {
    return { status: 0, body: Buffer.concat(pieces), broken: true };
  }
}

/** Text that no secret is in. */
const words = fc.sample(fc.stringMatching(/^[a-z]{2,9}$/), { numRuns: 60_000, seed: 7 }).join(' ');
const CODINGS = [
  ['gzip', gzipSync],
  ['zlib', deflateSync],
  ['zstd', zstdCompressSync],
] as const;
const PLACES = [
  ['alone', (text: string) => text],
  ['after much else', (text: string) => `${words} ${text}`],
] as const;

const cases = CODINGS.flatMap(([coding, compress]) =>
  PLACES.flatMap(([place, around]) =>
    (['whole', 'in small pieces'] as const).map((way) => ({ coding, compress, place, around, way })),
  ),
);

test.each(cases)(
  'a secret in a body of $coding without a label, $place, $way, does not reach the server [W-SEAL-3]',
  async ({ compress, around, way }) => {
    const body = compress(Buffer.from(around(`{"echo":"${SECRET}"}`)));
    const small = way === 'in small pieces';
    const answer = small ? { body, size: Math.ceil(body.length / 300) } : { body };
    const headers = small ? {} : { 'content-length': body.length };
    await using gate = await answering({ ...answer, headers });
    const got = await get(gate);
    expect(got.status === 502 || got.broken).toBe(true);
    expect(got.body.includes(body.subarray(-20))).toBe(false);
  },
);

test.each(CODINGS)('so is a new token in %s [W-SEAL-6]', async (_, compress) => {
  const body = compress(Buffer.from(JSON.stringify({ access_token: TOKEN })));
  for (const headers of [{}, { 'content-length': body.length, 'content-type': 'application/json' }]) {
    await using gate = await answering({ body, headers });
    const got = await get(gate);
    expect(got.status === 502 || got.broken).toBe(true);
    expect(got.body.includes(body.subarray(-20))).toBe(false);
  }
});

test.each(CODINGS)(
  'a secret in a second body of %s behind the first is not passed on [W-SEAL-3]',
  async (_, compress) => {
    const second = compress(Buffer.from(SECRET));
    for (const between of ['', '\0'.repeat(9), 'text', 'P*M\x18\0\0\0\0']) {
      for (const first of [compress('first'), Buffer.alloc(0)]) {
        if (first.length === 0 && !between.startsWith('P')) continue;
        const body = Buffer.concat([first, Buffer.from(between, 'latin1'), second]);
        for (const size of [body.length, 1, 5, 9]) {
          await using gate = await answering({ body, size });
          const got = await get(gate);
          expect(got.status === 502 || got.broken).toBe(true);
          expect(got.body.includes(second)).toBe(false);
        }
      }
    }
  },
);

test('gzip in a labelled gzip is searched as well [W-SEAL-3]', async () => {
  const body = gzipSync(gzipSync(Buffer.from(SECRET)));
  await using gate = await answering({ body, headers: { 'content-encoding': 'gzip' } });
  const got = await get(gate);
  expect(got.status === 502 || got.broken).toBe(true);
});

test.each(CODINGS)('a file of %s without a secret passes byte for byte', async (_, compress) => {
  const text = Buffer.from(`${words}${Buffer.from(words).toString('base64')}${'A'.repeat(500_000)}`);
  for (const body of [compress(text), Buffer.concat([compress(text), Buffer.alloc(512)]), compress('')]) {
    for (const size of [body.length, Math.ceil(body.length / 100)]) {
      await using gate = await answering({ body, size, headers: { 'content-length': body.length } });
      const got = await get(gate);
      expect(got).toMatchObject({ status: 200, broken: false });
      expect(got.body.equals(body)).toBe(true);
    }
  }
});

test.each([
  ['text that begins like zlib', Buffer.from('x^2 + y^2 is text'), 200],
  ['a letter that zlib may begin with', Buffer.from('x'), 200],
  ['nothing', Buffer.alloc(0), 200],
  ['what begins like gzip, and is none', Buffer.from('1f8b0000deadbeef', 'hex'), 502],
])('%s', async (_, body, status) => {
  for (const headers of [{}, { 'content-length': body.length }]) {
    await using gate = await answering({ body, headers });
    const got = await get(gate);
    if (status === 200) expect(got).toEqual({ status, body, broken: false });
    else expect(got.status === status || got.broken).toBe(true);
  }
});
