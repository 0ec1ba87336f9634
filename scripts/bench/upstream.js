// The host of the gate's benchmark, a separate process: HTTPS on loopback, and the name server that resolves to it. It
// prints its ports as a line of JSON and ends with its stdin: `node upstream.js SECRET KEY CERTIFICATE`, where KEY and
// CERTIFICATE are files.
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import dns from 'dns-packet';

const [secret, key, cert] = process.argv.slice(2);
const small = Buffer.from(JSON.stringify({ id: 1, title: 'an issue', body: 'x'.repeat(160) }));
const piece = randomBytes(1 << 20);

/** Sends `length` bytes as fast as they are accepted. */
function flood(response, length) {
  response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': length });
  let left = length;
  const pour = () => {
    while (left > 0) {
      const next = left < piece.length ? piece.subarray(0, left) : piece;
      left -= next.length;
      if (!response.write(next)) return;
    }
    response.off('drain', pour).end();
  };
  response.on('drain', pour);
  pour();
}

const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
  const [, length] = /^\/large\/(\d+)$/.exec(request.url) ?? [];
  if (length !== undefined) flood(response, Number(length));
  else {
    // A placeholder arrives only at files.test, whose connections the gate passes through without opening them.
    const { host, authorization } = request.headers;
    const fits = authorization === `Bearer ${secret}` || host.startsWith('files.');
    response.writeHead(fits ? 200 : 401, {
      'Content-Type': 'application/json',
      'Content-Length': small.length,
    });
    response.end(small);
  }
});
server.keepAliveTimeout = 600_000;

const names = createSocket('udp4').on('message', (message, from) => {
  const { id, questions } = dns.decode(message);
  const answers = questions
    .filter(({ type }) => type === 'A')
    .map(({ name }) => ({ type: 'A', name, ttl: 60, data: '127.0.0.1' }));
  names.send(dns.encode({ type: 'response', id, flags: 0x180, questions, answers }), from.port, from.address);
});

server.listen(0, '127.0.0.1');
names.bind(0, '127.0.0.1');
await Promise.all([once(server, 'listening'), once(names, 'listening')]);
process.stdout.write(`${JSON.stringify({ port: server.address().port, names: names.address().port })}\n`);
process.stdin.resume().on('end', () => process.exit());
