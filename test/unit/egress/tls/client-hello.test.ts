import { Duplex } from 'node:stream';
import * as tls from 'node:tls';
import { describe, expect, test } from 'vitest';
import { parseClientHello } from '../../../../src/egress/tls/client-hello.ts';
import { block, extension, hello, message, names, protocols, records } from '../../../fixtures/hello.ts';

/** The first flight of Node's own TLS. */
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
] as const)("Node's hello with %s, and every prefix of it", async (_name, options, name, list) => {
  const bytes = await captured({
    ...options,
    ...('ALPNProtocols' in options && { ALPNProtocols: [...options.ALPNProtocols] }),
  });
  const whole = { kind: 'hello', name, protocols: [...list] };
  expect(parseClientHello(bytes)).toEqual(whole);
  expect(parseClientHello(Buffer.concat([bytes, Buffer.from('anything')]))).toEqual(whole);
  for (let length = 0; length < bytes.length; length++) {
    expect(parseClientHello(bytes.subarray(0, length))).toEqual({ kind: 'incomplete' });
  }
});

test('a hello over many records, its own header split too', async () => {
  const bytes = await captured({ servername: 'api.test' });
  for (const size of [1, 2, 3, 5, 100]) {
    const cut = records(bytes.subarray(5), size);
    expect(parseClientHello(cut)).toEqual({ kind: 'hello', name: 'api.test', protocols: [] });
    for (let length = 0; length < cut.length; length += 7) {
      expect(parseClientHello(cut.subarray(0, length))).toEqual({ kind: 'incomplete' });
    }
  }
});

test.each([
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
  ['SSLv2', Buffer.of(0x80, 0x2e, 1, 0, 2)],
  ['an alert', Buffer.of(21, 3, 1, 0, 2, 1, 0)],
  ['a byte that only looks like it', Buffer.of(22, 9)],
  ['SSH', Buffer.from('SSH-2.0-OpenSSH\r\n')],
])('%s is not TLS', (_name, bytes) => expect(parseClientHello(bytes)).toEqual({ kind: 'not-tls' }));

describe('what is malformed [W-EGR-4]', () => {
  const name = names('api.test');
  test.each([
    ['a record of nothing', Buffer.of(22, 3, 1, 0, 0), 'a record with a wrong length'],
    ['a record that is too long', Buffer.of(22, 3, 1, 0x40, 1), 'a record with a wrong length'],
    [
      "a server's hello",
      Buffer.of(22, 3, 3, 0, 4, 2, 0, 0, 0),
      'a handshake that does not begin with a hello',
    ],
    [
      'an alert inside',
      Buffer.concat([records(hello(name), 20).subarray(0, 25), Buffer.of(21, 3, 1, 0, 2)]),
      'another record inside the hello',
    ],
    [
      'a second message in its record',
      records(Buffer.concat([hello(name), Buffer.of(0)])),
      'data after the hello',
    ],
    ['a length beyond all bounds', Buffer.of(22, 3, 1, 0, 4, 1, 1, 0, 0), 'too long'],
    ['too many records', records(hello(extension(0xff, Buffer.alloc(3000))), 1), 'too many records'],
    ['SSL 2', records(hello(name, { version: Buffer.of(2, 0) })), 'an unknown version'],
    ['a session id of 33', records(hello(name, { session: 33 })), 'a session id that is too long'],
    ['no suites', records(hello(name, { suites: Buffer.alloc(0) })), 'cipher suites with a wrong length'],
    ['half a suite', records(hello(name, { suites: Buffer.alloc(3) })), 'cipher suites with a wrong length'],
    ['no compression', records(hello(name, { compression: Buffer.alloc(0) })), 'no compression method'],
    [
      'two name extensions',
      records(hello(Buffer.concat([name, names('other.test')]))),
      'an extension that occurs twice',
    ],
    ['two names', records(hello(names('api.test', 'other.test'))), 'more than one name, or not a host name'],
    [
      'no name in the list',
      records(hello(extension(0, block(2, Buffer.alloc(0))))),
      'a length that does not fit',
    ],
    [
      'another kind of name',
      records(hello(extension(0, block(2, Buffer.of(1, 0, 1, 97))))),
      'more than one name, or not a host name',
    ],
    ['an empty name', records(hello(names(''))), 'an invalid name'],
    ['a NUL in the name', records(hello(names('api.test\0.evil.test'))), 'an invalid name'],
    ['no ASCII', records(hello(names('\u00e4pi.test'))), 'an invalid name'],
    ['a slash', records(hello(names('api.test/x'))), 'an invalid name'],
    [
      'a name too long for its list',
      records(hello(extension(0, block(2, Buffer.of(0, 0, 9, 97))))),
      'a length that does not fit',
    ],
    [
      'bytes behind the names',
      records(hello(extension(0, Buffer.concat([block(2, Buffer.of(0, 0, 1, 97)), Buffer.of(0)])))),
      'bytes after the end',
    ],
    [
      'bytes behind the extensions',
      records(message(Buffer.concat([hello(name).subarray(4), Buffer.of(0)]))),
      'bytes after the end',
    ],
    ['an extension too long', records(hello(Buffer.of(0, 0, 0, 9, 0))), 'a length that does not fit'],
    ['an empty protocol', records(hello(protocols(''))), 'a protocol without a name'],
    ['no protocol', records(hello(protocols())), 'an empty list of protocols'],
    ['a body that is cut', records(message(hello(name).subarray(4, 60))), 'a length that does not fit'],
  ])('%s', (_name, bytes, reason) => expect(parseClientHello(bytes)).toEqual({ kind: 'malformed', reason }));

  test('64 KiB without an end', () => {
    const long = records(message(Buffer.alloc(65_530)));
    expect(parseClientHello(long.subarray(0, 65_530))).toEqual({ kind: 'malformed', reason: 'too long' });
    expect(parseClientHello(long.subarray(0, 40_000))).toEqual({ kind: 'incomplete' });
  });
});

test.each([
  ['no extensions at all', records(hello(undefined)), undefined],
  ["the root's dot", records(hello(names('API.test.'))), 'api.test'],
  ['an underscore', records(hello(names('_a.test'))), '_a.test'],
  ['32 bytes of a session', records(hello(names('a.test'), { session: 32 })), 'a.test'],
])('%s is read', (_label, bytes, name) => {
  expect(parseClientHello(bytes)).toEqual({ kind: 'hello', name, protocols: [] });
});
