// The hellos of programs that people use, as they arrive over loopback.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as net from 'node:net';
import { expect, test } from 'vitest';
import { parseClientHello } from '../../../../src/egress/tls/client-hello.ts';

const PYTHON = `import socket, ssl, sys
context = ssl.create_default_context(); context.set_alpn_protocols(['h2', 'http/1.1'])
context.wrap_socket(socket.create_connection(('127.0.0.1', int(sys.argv[1]))), server_hostname='api.test')`;
const NODE = `fetch('https://api.test:' + process.argv[1]).catch(() => {})`;
const LOOKUP = `require('node:dns').lookup = (host, options, done) => options.all
  ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);`;

test.each([
  [
    'curl',
    'curl',
    (port: string) => ['-s', '--resolve', `api.test:${port}:127.0.0.1`, `https://api.test:${port}/`],
  ],
  [
    'openssl',
    'openssl',
    (port: string) => [
      's_client',
      '-connect',
      `127.0.0.1:${port}`,
      '-servername',
      'api.test',
      '-alpn',
      'h2,http/1.1',
    ],
  ],
  ['python', '/usr/bin/python3', (port: string) => ['-c', PYTHON, port]],
  ["node's fetch", process.execPath, (port: string) => ['-e', LOOKUP + NODE, port]],
])("%s's hello names its host, and every prefix of it is incomplete", async (_name, program, args) => {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const child = spawn(program, args(String(port)), { stdio: 'ignore' });
  const gone = once(child, 'exit');
  try {
    const [socket]: net.Socket[] = await once(server, 'connection');
    let bytes = Buffer.alloc(0);
    socket
      ?.on('error', () => {})
      .on('data', (chunk: Buffer) => {
        bytes = Buffer.concat([bytes, chunk]);
      });
    await expect.poll(() => parseClientHello(bytes).kind).toBe('hello');
    expect(parseClientHello(bytes)).toEqual({
      kind: 'hello',
      name: 'api.test',
      protocols: expect.arrayContaining(['http/1.1']),
    });
    const length = 5 + bytes.readUInt16BE(3);
    expect(bytes).toHaveLength(length);
    for (let cut = 0; cut < length; cut++)
      expect(parseClientHello(bytes.subarray(0, cut))).toEqual({ kind: 'incomplete' });
    socket?.destroy();
  } finally {
    child.kill();
    await gone;
    server.close();
  }
});
