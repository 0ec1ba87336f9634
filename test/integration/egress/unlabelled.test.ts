// A host whose answer is compressed, and says so nowhere: searched before it passes, and passed as it is.
import { once } from 'node:events';
import * as http from 'node:http';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
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
  /** What the profile says. */
  readonly unsearched?: boolean;
}

async function answering({ body, headers = {}, size = body.length, unsearched }: Answer): Promise<TestGate> {
  return await TestGate.open({
    secrets: { TOKEN: SECRET },
    limits: { unsearched },
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
type Compress = (content: Buffer | string) => Buffer;
const CODINGS: readonly (readonly [string, Compress])[] = [
  ['gzip', gzipSync],
  ['zlib', deflateSync],
  ['zstd', zstdCompressSync],
];

interface ZipOptions {
  readonly method?: 'stored' | 'deflate' | 'zstd' | 'bzip2';
  /** The sizes are behind the content: with the descriptor's mark, without, in 8 bytes. */
  readonly descriptor?: 'marked' | 'bare' | 'long';
  readonly encrypted?: boolean;
}

const METHODS = { stored: 0, deflate: 8, zstd: 93, bzip2: 12 };

/** A zip archive (APPNOTE 4.3): other files, and one with the content. */
function zip(
  content: Buffer | string,
  { method = 'deflate', descriptor, encrypted = false }: ZipOptions = {},
): Buffer {
  const compress = {
    stored: Buffer.from,
    deflate: deflateRawSync,
    zstd: zstdCompressSync,
    bzip2: Buffer.from,
  }[method];
  const entry = (name: string, text: Buffer | string): Buffer => {
    const data = compress(Buffer.from(text as string));
    const header = Buffer.alloc(30);
    header.writeUInt32LE(0x04034b50, 0);
    header.writeUInt16LE((descriptor === undefined ? 0 : 8) | (encrypted ? 1 : 0), 6);
    header.writeUInt16LE(METHODS[method], 8);
    header.writeUInt32LE(descriptor === undefined ? data.length : 0, 18);
    header.writeUInt16LE(name.length, 26);
    header.writeUInt16LE(4, 28);
    const sizes = Buffer.alloc(descriptor === 'long' ? 20 : 12);
    sizes.writeUInt32LE(data.length, 4);
    const tail =
      descriptor === undefined
        ? []
        : [descriptor === 'bare' ? Buffer.alloc(0) : Buffer.from('PK\x07\x08'), sizes];
    return Buffer.concat([header, Buffer.from(name), Buffer.alloc(4), data, ...tail]);
  };
  const end = Buffer.alloc(46 + 22);
  end.write('PK\x01\x02', 0, 'latin1');
  end.write('PK\x05\x06', 46, 'latin1');
  return Buffer.concat([
    entry('a/', ''),
    entry('a/first.txt', words.slice(0, 3000)),
    entry('b.json', content),
    end,
  ]);
}

/** What holds a body in ways that a host's answer may have, and no label says so. */
const HOLDERS: readonly (readonly [string, Compress])[] = [
  ...CODINGS,
  ['brotli', brotliCompressSync],
  ['gzip in gzip', (content) => gzipSync(gzipSync(content))],
  ['zlib in zstd in gzip', (content) => gzipSync(zstdCompressSync(deflateSync(content)))],
  ['zip', zip],
  ['zip without compression', (content) => zip(content, { method: 'stored' })],
  ['zip with zstd', (content) => zip(content, { method: 'zstd' })],
  ['zip with descriptors', (content) => zip(content, { descriptor: 'marked' })],
  ['zip with bare descriptors', (content) => zip(content, { descriptor: 'bare' })],
  ['zip with long descriptors', (content) => zip(content, { descriptor: 'long' })],
  ['gzip in zip', (content) => zip(gzipSync(content), { method: 'stored' })],
  ['zip in gzip', (content) => gzipSync(zip(content))],
  ['zip in zip', (content) => zip(zip(content))],
];
const PLACES = [
  ['alone', (text: string) => text],
  ['after much else', (text: string) => `${words} ${text}`],
] as const;

const cases = HOLDERS.flatMap(([coding, compress]) =>
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

test.each(HOLDERS)('so is a new token in %s [W-SEAL-6]', async (_, compress) => {
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

test.each(HOLDERS)('a file of %s without a secret passes byte for byte', async (_, compress) => {
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

const UNREAD: readonly (readonly [string, Buffer])[] = [
  ['an encrypted zip', zip('plain text', { encrypted: true })],
  ['a zip with bzip2', zip('plain text', { method: 'bzip2' })],
  ['a stored entry of unknown length', zip('plain text', { method: 'stored', descriptor: 'marked' })],
  [
    'a zip with other bytes between its entries',
    Buffer.concat([zip('plain text').subarray(0, 1800), Buffer.alloc(90, 'x')]),
  ],
  ['bzip2', Buffer.from('425a6839314159265359aabbccdd', 'hex')],
  ['xz', Buffer.from('fd377a585a000004e6d6b446', 'hex')],
  ['7z', Buffer.from('377abcaf271c00040000', 'hex')],
  ['rar', Buffer.from('526172211a0701003392', 'hex')],
  ['lz4', Buffer.from('04224d186040820000', 'hex')],
  ['gzip, five times', [1, 2, 3, 4, 5].reduce<Buffer>((body) => gzipSync(body), Buffer.from('text'))],
];

test.each(UNREAD)('%s cannot be searched, and is refused [W-SEAL-3]', async (_, body) => {
  for (const size of [body.length, 1, 7]) {
    await using gate = await answering({ body, size });
    const got = await get(gate);
    expect(got.status === 502 || got.broken).toBe(true);
    if (got.status !== 502) expect(got.body.length).toBeLessThan(body.length);
  }
});

test.each(UNREAD)('%s passes byte for byte where the profile says so', async (_, body) => {
  for (const size of [body.length, 7]) {
    await using gate = await answering({ body, size, unsearched: true });
    expect(await get(gate)).toEqual({ status: 200, body, broken: false });
  }
});

test('what can be searched is refused all the same [W-SEAL-3]', async () => {
  for (const body of [zip(SECRET), gzipSync(SECRET), zip(SECRET, { method: 'bzip2' })]) {
    await using gate = await answering({ body, unsearched: true });
    const got = await get(gate);
    expect(got.status === 502 || got.broken).toBe(true);
  }
});
