// A client of gRPC through the gate: `@grpc/grpc-js`, against a service that sends back what it gets.
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { gzipSync } from 'node:zlib';
import * as grpc from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { TestGate } from '../../fixtures/gate.ts';

const SECRET = 'ghp_Zk3mXw81LqPv0TbN7sYcRd5uEa2GhJ46fKiO';

/** A message behind its prefix. */
function envelope(message: Buffer, flags = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flags);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Answers each message at once: with itself, or with the caller's credential in some form. */
function service(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  const credential = String(headers.authorization ?? '');
  const path = String(headers[':path']);
  const head = {
    ':status': 200,
    'content-type': 'application/grpc',
    'x-te': headers.te ?? '',
    'x-credential': credential,
  };
  if (path === '/test/Refuses') {
    stream.respond(
      { ...head, 'grpc-status': '16', 'grpc-message': `no: ${credential}` },
      { endStream: true },
    );
    return;
  }
  stream.respond(head, { waitForTrailers: true });
  stream.once('wantTrailers', () =>
    stream.sendTrailers({
      'grpc-status': path === '/test/Fails' ? '7' : '0',
      'grpc-message': `by ${credential}`,
    }),
  );
  let buffered = Buffer.alloc(0);
  stream.on('data', (piece: Buffer) => {
    buffered = Buffer.concat([buffered, piece]);
    while (buffered.length >= 5 && buffered.length >= 5 + buffered.readUInt32BE(1)) {
      const end = 5 + buffered.readUInt32BE(1);
      const message = buffered.subarray(5, end);
      buffered = buffered.subarray(end);
      const said = Buffer.concat([
        message,
        Buffer.from(` ${credential} ${Buffer.from(credential).toString('base64')} end`),
      ]);
      if (path === '/test/Compresses') stream.write(envelope(gzipSync(said), 1));
      else stream.write(envelope(path === '/test/Echo' ? message : said));
    }
  });
  stream.on('end', () => stream.end());
}

class Caller implements Disposable {
  readonly #client: grpc.Client;

  private constructor(client: grpc.Client) {
    this.#client = client;
  }

  static async open(gate: TestGate, options: grpc.ClientOptions = {}): Promise<Caller> {
    const credentials = grpc.credentials.createSsl(Buffer.from(gate.authority.certificate));
    return new Caller(
      new grpc.Client(`127.0.0.1:${await gate.listen()}`, credentials, {
        'grpc.ssl_target_name_override': 'api.test',
        'grpc.default_authority': `api.test:${gate.upstream.port}`,
        'grpc.enable_retries': 0,
        ...options,
      }),
    );
  }

  call(
    path: string,
    message: Buffer,
    metadata: Record<string, string>,
  ): Promise<{ error?: grpc.ServiceError; said?: string; told: string }> {
    return new Promise((resolve) => {
      let told = '';
      const call = this.#client.makeUnaryRequest(
        path,
        same,
        same,
        message,
        metadataOf(metadata),
        (error, said) =>
          setImmediate(() =>
            resolve({ ...(error && { error }), ...(said && { said: said.toString() }), told }),
          ),
      );
      call.on('metadata', (given) => {
        told += JSON.stringify(given.toJSON());
      });
      call.on('status', (status) => {
        told += JSON.stringify([status.code, status.details, status.metadata.toJSON()]);
      });
    });
  }

  both(path: string, metadata: Record<string, string>): grpc.ClientDuplexStream<Buffer, Buffer> {
    return this.#client.makeBidiStreamRequest(path, same, same, metadataOf(metadata));
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

const same = (bytes: Buffer): Buffer => bytes;

function metadataOf(fields: Record<string, string>): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(fields)) metadata.set(name, value);
  return metadata;
}

const open = (limits = {}): Promise<TestGate> =>
  TestGate.open({ secrets: { TOKEN: SECRET }, limits, upstream: { http2: service } });

test('a call carries the secret, and no message, metadata or trailer brings it back [W-SEAL-1] [W-SEAL-3]', async () => {
  await using gate = await open();
  using caller = await Caller.open(gate);
  const authorization = `Bearer ${gate.placeholder('TOKEN')}`;
  const { error, said, told } = await caller.call('/test/Says', Buffer.from('hello'), { authorization });
  expect(error).toBeUndefined();
  expect(said).toContain(`hello ${authorization}`);
  expect(told).toContain(gate.placeholder('TOKEN'));
  expect(told).toContain('"x-te":["trailers"]');
  for (const text of [said, told]) {
    expect(text).not.toContain(SECRET);
    expect(text).not.toContain(Buffer.from(`Bearer ${SECRET}`).toString('base64').slice(12, 40));
  }
  expect(gate.records).toContainEqual(
    expect.objectContaining({ event: 'credential.use', action: 'use', method: 'POST', path: '/test/Says' }),
  );
});

test('both sides stream, and no message waits for the next, whatever it ends with [W-SEAL-3]', async () => {
  await using gate = await open();
  using caller = await Caller.open(gate);
  const placeholder = gate.placeholder('TOKEN');
  const stream = caller.both('/test/Echo', { authorization: `Bearer ${placeholder}` });
  const arrived: string[] = [];
  stream.on('data', (message: Buffer) => arrived.push(message.toString()));
  // Each ends like a placeholder, or a secret, that goes on.
  for (const message of [
    'one',
    placeholder.slice(0, 12),
    SECRET.slice(0, 20),
    'g',
    '',
    'x'.repeat(100_000),
    'last',
  ]) {
    stream.write(Buffer.from(message));
    await expect.poll(() => arrived.at(-1)).toBe(message);
  }
  const ended = new Promise((resolve) => stream.once('status', resolve));
  stream.end();
  expect(await ended).toMatchObject({ code: 0 });
});

test('what a server says of the caller is noticed, in trailers and where there is nothing else [W-SEAL-7]', async () => {
  await using gate = await open();
  using caller = await Caller.open(gate);
  const authorization = `Bearer ${gate.placeholder('TOKEN')}`;
  const refused = await caller.call('/test/Refuses', Buffer.from('x'), { authorization });
  expect(refused.error).toMatchObject({ code: 16, details: `no: ${authorization}` });
  const failed = await caller.call('/test/Fails', Buffer.from('x'), { authorization });
  expect(failed.error).toMatchObject({ code: 7 });
  expect(gate.credentialResponses.map(({ status }) => status)).toEqual([200, 401, 200, 403]);
});

test('a refusal reads like one of gRPC, with its reason [W-SEAL-2]', async () => {
  await using gate = await open({ paths: ['/test/Echo'] });
  using caller = await Caller.open(gate);
  const placeholder = gate.placeholder('TOKEN');
  const path = await caller.call('/test/Says', Buffer.from('x'), { authorization: `Bearer ${placeholder}` });
  expect(path.error?.code).toBe(grpc.status.PERMISSION_DENIED);
  expect(path.error?.details).toContain('the path is not one of its paths');
  const body = await caller.call('/test/Echo', Buffer.from(`a ${placeholder} b`), {});
  expect(body.error?.code).toBe(grpc.status.PERMISSION_DENIED);
  expect(body.error?.details).toContain('it is in a body that is neither form, JSON nor multipart');
});

test('compressed messages are not asked for, and pass in neither direction [W-SEAL-3] [W-SEAL-4]', async () => {
  await using gate = await open();
  const authorization = `Bearer ${gate.placeholder('TOKEN')}`;
  using plain = await Caller.open(gate);
  const answer = await plain.call('/test/Compresses', Buffer.from('x'), { authorization });
  expect(answer.error?.code).not.toBe(0);
  expect(answer.said).toBeUndefined();
  using compressing = await Caller.open(gate, {
    'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip,
  });
  const refused = await compressing.call('/test/Echo', Buffer.from('x'.repeat(1000)), { authorization });
  expect(refused.error?.code).toBe(grpc.status.UNIMPLEMENTED);
  expect(refused.error?.details).toContain('do not compress');
});
