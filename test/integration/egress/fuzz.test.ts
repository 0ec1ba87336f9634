// A host that returns the secret in any of its spellings, in any coding, cut anywhere: what the server receives is
// decoded by the same steps, and the secret is nowhere in it. Longer with SLOW=1.
import { randomBytes } from 'node:crypto';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readToEnd, TestGate } from '../../fixtures/gate.ts';

const SLOW = process.env.SLOW === '1';
const RUNS = SLOW ? 3000 : 150;

interface Way {
  readonly write: (text: string) => string;
  readonly read: (text: string) => string;
}

const percent = (bytes: Buffer): string => bytes.toString('hex').replace(/../g, '%$&');
const unpercent = (text: string): string =>
  text.replace(/%([0-9a-f]{2})/gi, (_all, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
const base64: Way = {
  write: (text) => Buffer.from(text, 'latin1').toString('base64'),
  read: (text) => Buffer.from(text, 'base64').toString('latin1'),
};
const url: Way = { write: (text) => percent(Buffer.from(text, 'latin1')), read: unpercent };
const json: Way = {
  write: (text) => JSON.stringify(text).slice(1, -1),
  read: (text) =>
    text.replace(/\\(u[0-9a-f]{4}|.)/gi, (_all, sign: string) => (sign.length > 1 ? '?' : sign)),
};
const WAYS: Readonly<Record<string, readonly Way[]>> = {
  raw: [],
  base64: [base64],
  'base64 twice': [base64, base64],
  url: [url],
  'url twice': [url, { write: (text) => text.replaceAll('%', '%25'), read: unpercent }],
  json: [json],
  'json in json': [json, json],
  hex: [
    {
      write: (text) => Buffer.from(text, 'latin1').toString('hex'),
      read: (text) => Buffer.from(text, 'hex').toString('latin1'),
    },
  ],
};
const CODINGS = {
  identity: (bytes: Buffer) => bytes,
  gzip: gzipSync,
  deflate: deflateSync,
  br: brotliCompressSync,
  zstd: zstdCompressSync,
};

interface Answer {
  readonly way: string;
  readonly before: string;
  readonly after: string;
  readonly coding: keyof typeof CODINGS;
  readonly cuts: readonly number[];
  readonly length: boolean;
}

const answers: fc.Arbitrary<Answer> = fc.record({
  way: fc.constantFrom(...Object.keys(WAYS)),
  before: fc.string({ maxLength: 40 }).map((text) => Buffer.from(text).toString('latin1')),
  after: fc.string({ maxLength: 40 }).map((text) => Buffer.from(text).toString('latin1')),
  coding: fc.constantFrom('identity', 'gzip', 'deflate', 'br', 'zstd'),
  cuts: fc.array(fc.nat(400), { maxLength: 12 }),
  length: fc.boolean(),
});

function written(text: string, way: string): string {
  return (WAYS[way] ?? []).reduce((so, { write }) => write(so), text);
}

function read(text: string, way: string): string {
  return (WAYS[way] ?? []).reduceRight((so, one) => one.read(so), text);
}

test(
  'whatever a host responds, no byte of the secret comes through [W-SEAL-1] [W-SEAL-3]',
  async () => {
    const secret = `sk-${randomBytes(27).toString('base64url')}`;
    let next: Answer | undefined;
    await using gate = await TestGate.open({
      secrets: { KEY: secret },
      upstream: {
        route: (request, response) => {
          if (next === undefined) return false;
          const { way, before, after, coding, cuts, length } = next;
          const got = /^Bearer (.*)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
          expect(got).toBe(secret);
          const body = CODINGS[coding](Buffer.from(written(before + got + after, way), 'latin1'));
          response.writeHead(200, {
            'content-type': 'text/plain',
            ...(coding === 'identity' ? {} : { 'content-encoding': coding }),
            ...(length ? { 'content-length': body.length } : {}),
          });
          const at = [...new Set([0, ...cuts.map((cut) => cut % (body.length + 1)), body.length])].sort(
            (a, b) => a - b,
          );
          void (async () => {
            for (const [index, from] of at.slice(0, -1).entries()) {
              response.write(body.subarray(from, at[index + 1]));
              await new Promise((resolve) => setImmediate(resolve));
            }
            response.end();
          })();
          return true;
        },
      },
    });
    const host = `api.test:${gate.upstream.port}`;
    await fc.assert(
      fc.asyncProperty(answers, async (answer) => {
        next = answer;
        const socket = await gate.secure();
        socket.write(
          `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAuthorization: Bearer ${gate.placeholder('KEY')}\r\n\r\n`,
        );
        const text = (await readToEnd(socket)).toString('latin1');
        expect(text).toMatch(/^HTTP\/1.1 200/);
        expect(text).not.toContain(secret);
        // As a client reads it: the chunks joined, then every step decoded.
        const body = bodyOf(text);
        expect(body).not.toContain(secret);
        expect(read(body, answer.way)).not.toContain(secret);
      }),
      { numRuns: RUNS },
    );
  },
  SLOW ? 600_000 : 60_000,
);

test(
  'wherever a placeholder is cut on its way, the host gets the secret or nothing [W-SEAL-1] [W-SEAL-2]',
  async () => {
    const secret = `sk-${randomBytes(27).toString('base64url')}`;
    await using gate = await TestGate.open({ secrets: { KEY: secret } });
    const placeholder = gate.placeholder('KEY');
    const host = `api.test:${gate.upstream.port}`;
    const socket = await gate.secure();
    let said = '';
    socket.on('data', (piece: Buffer) => {
      said += piece.toString('latin1');
    });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(600), { maxLength: 20 }), fc.nat(2000), async (cuts, fill) => {
        const value = JSON.stringify({ fill: 'f'.repeat(fill), key: placeholder });
        const pieces = value.match(/.{1,37}/gs) ?? [];
        const chunks = pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join('');
        const whole = Buffer.from(
          `POST /upload HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`,
        );
        const at = [...new Set([0, ...cuts.map((cut) => cut % whole.length), whole.length])].sort(
          (a, b) => a - b,
        );
        const before = gate.upstream.requests.length;
        for (const [index, from] of at.slice(0, -1).entries()) {
          socket.write(whole.subarray(from, at[index + 1]));
          await new Promise((resolve) => setImmediate(resolve));
        }
        await expect.poll(() => said, { interval: 2 }).toContain('"sha256"');
        said = '';
        expect(gate.upstream.requests.length).toBe(before + 1);
        expect(gate.upstream.requests.at(-1)?.body.toString()).toBe(value.replace(placeholder, secret));
      }),
      { numRuns: SLOW ? 1000 : 40 },
    );
    socket.destroy();
  },
  SLOW ? 600_000 : 60_000,
);

/** The body of a response, its chunks joined. */
function bodyOf(answer: string): string {
  const at = answer.indexOf('\r\n\r\n');
  const rest = answer.slice(at + 4);
  if (!/transfer-encoding: chunked/i.test(answer.slice(0, at))) return rest;
  let body = '';
  for (let from = 0; ; ) {
    const end = rest.indexOf('\r\n', from);
    const length = Number.parseInt(rest.slice(from, end), 16);
    if (!(length > 0)) return body;
    body += rest.slice(end + 2, end + 2 + length);
    from = end + 4 + length;
  }
}
