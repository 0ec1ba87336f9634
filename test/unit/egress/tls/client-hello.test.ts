import { Duplex } from 'node:stream';
import * as tls from 'node:tls';
import { describe, expect, test } from 'vitest';
import { readHello } from '../../../../src/egress/tls/client-hello.ts';
import { block, extension, hello, message, names, protocols, records } from '../../../fixtures/hello.ts';

/** The first flight of node's own TLS. */
async function captured(options: tls.ConnectionOptions): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const wire = new Duplex({
    read() {},
    write: (chunk: Buffer, _encoding, done) => {
      resolve(chunk);
      done();
    },
  });
  const client = tls.connect({ socket: wire, ...options }).on('error', () => {});
  const bytes = await promise;
  client.destroy();
  return bytes;
}

test.each([
  ['a name', { servername: 'Api.Test' }, 'api.test', []],
  ['no name', {}, undefined, []],
  ['protocols', { servername: 'a.test', ALPNProtocols: ['h2', 'http/1.1'] }, 'a.test', ['h2', 'http/1.1']],
  ['TLS 1.2', { servername: 'a.test', maxVersion: 'TLSv1.2' }, 'a.test', []],
] as const)("node's hello with %s, and every beginning of it", async (_name, options, name, list) => {
  const bytes = await captured({
    ...options,
    ...('ALPNProtocols' in options && { ALPNProtocols: [...options.ALPNProtocols] }),
  });
  const whole = { kind: 'hello', name, protocols: [...list] };
  expect(readHello(bytes)).toEqual(whole);
  expect(readHello(Buffer.concat([bytes, Buffer.from('anything')]))).toEqual(whole);
  for (let length = 0; length < bytes.length; length++) {
    expect(readHello(bytes.subarray(0, length))).toEqual({ kind: 'more' });
  }
});

test('a hello over many records, its own head cut too', async () => {
  const bytes = await captured({ servername: 'api.test' });
  for (const size of [1, 2, 3, 5, 100]) {
    const cut = records(bytes.subarray(5), size);
    expect(readHello(cut)).toEqual({ kind: 'hello', name: 'api.test', protocols: [] });
    for (let length = 0; length < cut.length; length += 7) {
      expect(readHello(cut.subarray(0, length))).toEqual({ kind: 'more' });
    }
  }
});

test.each([
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
  ['SSLv2', Buffer.of(0x80, 0x2e, 1, 0, 2)],
  ['an alert', Buffer.of(21, 3, 1, 0, 2, 1, 0)],
  ['a byte that only looks like it', Buffer.of(22, 9)],
  ['SSH', Buffer.from('SSH-2.0-OpenSSH\r\n')],
])('%s is no TLS', (_name, bytes) => expect(readHello(bytes)).toEqual({ kind: 'other' }));

describe('what is broken [W-EGR-4]', () => {
  const name = names('api.test');
  test.each([
    ['a record of nothing', Buffer.of(22, 3, 1, 0, 0), 'a record of a wrong length'],
    ['a record that is too long', Buffer.of(22, 3, 1, 0x40, 1), 'a record of a wrong length'],
    ["a server's hello", Buffer.of(22, 3, 3, 0, 4, 2, 0, 0, 0), 'a handshake that begins with no hello'],
    [
      'an alert inside',
      Buffer.concat([records(hello(name), 20).subarray(0, 25), Buffer.of(21, 3, 1, 0, 2)]),
      'another record inside the hello',
    ],
    [
      'a second message in its record',
      records(Buffer.concat([hello(name), Buffer.of(0)])),
      'something behind the hello',
    ],
    ['a length beyond all bounds', Buffer.of(22, 3, 1, 0, 4, 1, 1, 0, 0), 'too long'],
    ['too many records', records(hello(extension(0xff, Buffer.alloc(3000))), 1), 'too many records'],
    ['SSL 2', records(hello(name, { version: Buffer.of(2, 0) })), 'an unknown version'],
    ['a session id of 33', records(hello(name, { session: 33 })), 'a session id that is too long'],
    ['no suites', records(hello(name, { suites: Buffer.alloc(0) })), 'cipher suites of a wrong length'],
    ['half a suite', records(hello(name, { suites: Buffer.alloc(3) })), 'cipher suites of a wrong length'],
    ['no compression', records(hello(name, { compression: Buffer.alloc(0) })), 'no compression method'],
    [
      'two name extensions',
      records(hello(Buffer.concat([name, names('other.test')]))),
      'an extension that is there twice',
    ],
    [
      'two names',
      records(hello(names('api.test', 'other.test'))),
      'more than one name, or no name of a host',
    ],
    [
      'no name in the list',
      records(hello(extension(0, block(2, Buffer.alloc(0))))),
      'a length that does not fit',
    ],
    [
      'another kind of name',
      records(hello(extension(0, block(2, Buffer.of(1, 0, 1, 97))))),
      'more than one name, or no name of a host',
    ],
    ['an empty name', records(hello(names(''))), 'a name that is none'],
    ['a NUL in the name', records(hello(names('api.test\0.evil.test'))), 'a name that is none'],
    ['no ASCII', records(hello(names('\u00e4pi.test'))), 'a name that is none'],
    ['a slash', records(hello(names('api.test/x'))), 'a name that is none'],
    [
      'a name too long for its list',
      records(hello(extension(0, block(2, Buffer.of(0, 0, 9, 97))))),
      'a length that does not fit',
    ],
    [
      'bytes behind the names',
      records(hello(extension(0, Buffer.concat([block(2, Buffer.of(0, 0, 1, 97)), Buffer.of(0)])))),
      'bytes behind the end',
    ],
    [
      'bytes behind the extensions',
      records(message(Buffer.concat([hello(name).subarray(4), Buffer.of(0)]))),
      'bytes behind the end',
    ],
    ['an extension too long', records(hello(Buffer.of(0, 0, 0, 9, 0))), 'a length that does not fit'],
    ['an empty protocol', records(hello(protocols(''))), 'a protocol without a name'],
    ['no protocol', records(hello(protocols())), 'no protocol where some are announced'],
    ['a body that is cut', records(message(hello(name).subarray(4, 60))), 'a length that does not fit'],
  ])('%s', (_name, bytes, why) => expect(readHello(bytes)).toEqual({ kind: 'broken', why }));

  test('64 KiB that never end', () => {
    const long = records(message(Buffer.alloc(65_530)));
    expect(readHello(long.subarray(0, 65_530))).toEqual({ kind: 'broken', why: 'too long' });
    expect(readHello(long.subarray(0, 40_000))).toEqual({ kind: 'more' });
  });
});

test.each([
  ['no extensions at all', records(hello(undefined)), undefined],
  ["the root's dot", records(hello(names('API.test.'))), 'api.test'],
  ['an underscore', records(hello(names('_a.test'))), '_a.test'],
  ['32 bytes of a session', records(hello(names('a.test'), { session: 32 })), 'a.test'],
])('%s is read', (_label, bytes, name) => {
  expect(readHello(bytes)).toEqual({ kind: 'hello', name, protocols: [] });
});
