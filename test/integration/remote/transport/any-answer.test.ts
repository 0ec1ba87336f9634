// Whatever bytes a server answers with, each request of the host gets one answer, and the daemon lives.
import { once } from 'node:events';
import * as net from 'node:net';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { TestPipe } from '../../../fixtures/remote/pipe.ts';

const bodies = (id: string): string[] => [
  `{"jsonrpc":"2.0","id":${id},"result":{"protocolVersion":"2025-11-25"}}`,
  `{"jsonrpc":"2.0","id":"${id}","result":{}}`,
  '{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"session"}}',
  '{"jsonrpc":"2.0","error":{"code":-32600,"message":"no"}}',
  `[{"jsonrpc":"2.0","id":${id},"result":{}}]`,
  `{"jsonrpc":"2.0","id":${id},"id":5,"result":{}}`,
  `{"jsonrpc":"2.0","id":${id},"result":{"tools":[{"name":"a","inputSchema":{"x-mcp-header":1}},5,null]}}`,
  '{"jsonrpc":"2.0","id":7,"method":"ping"}',
  '[',
  '',
  'null',
  '{}',
  '\0\xff',
  '{"a":"\n"}',
];
const events = (body: string): string[] => [
  `data: ${body}\n\n`,
  `data: ${body}`,
  ': x\n\n',
  'retry: 1\n\n',
  `event: endpoint\ndata: /x\n\ndata: ${body}\n\n`,
];
const STATUSES = [
  '200 OK',
  '202 A',
  '204 N',
  '400 B',
  '404 N',
  '405 M',
  '429 T',
  '500 X',
  '302 R',
  '199 I',
  '600 Z',
  '101 S',
];
const TYPES = ['application/json', 'text/event-stream', 'text/html', '', 'APPLICATION/JSON; charset=x'];
const EXTRAS = [
  '',
  'Mcp-Session-Id: abc',
  'Mcp-Session-Id: a b',
  'Content-Encoding: gzip',
  'Retry-After: 0',
  'Location: http://x',
];

/** Indexes into the lists, how the body is framed, and how the connection ends. */
const answer = fc.record({
  status: fc.oneof(fc.constant(0), fc.nat(STATUSES.length - 1)),
  type: fc.nat(TYPES.length - 1),
  extra: fc.nat(EXTRAS.length - 1),
  body: fc.nat(13),
  event: fc.nat(4),
  framing: fc.constantFrom('length', 'longer', 'none', 'chunked', 'broken'),
  ending: fc.constantFrom('end', 'destroy', 'later'),
});

test('W-REM-4: each request has one answer, whatever the server answers', async () => {
  let answers: (typeof answer extends fc.Arbitrary<infer Made> ? Made : never)[] = [];
  let at = 0;
  const server = net.createServer((socket) => {
    let heard = '';
    socket
      .on('error', () => {})
      .on('data', (chunk) => {
        heard += chunk.toString('latin1');
        if (!heard.includes('\r\n\r\n')) return;
        const id = /"id":(\d+)/.exec(heard)?.[1] ?? '1';
        heard = '';
        const made = answers[at++ % answers.length];
        if (made === undefined) return;
        const type = TYPES[made.type] ?? '';
        const json = bodies(id)[made.body] ?? '';
        const body = type === 'text/event-stream' ? (events(json)[made.event] ?? '') : json;
        const length = Buffer.byteLength(body);
        const framing = {
          length: `Content-Length: ${length}\r\n`,
          longer: `Content-Length: ${length + 5}\r\n`,
          none: '',
          chunked: 'Transfer-Encoding: chunked\r\n',
          broken: 'Transfer-Encoding: chunked\r\n',
        }[made.framing];
        const framed = framing.startsWith('T')
          ? `${length.toString(16)}\r\n${body}\r\n${made.framing === 'broken' ? 'zz' : '0\r\n\r\n'}`
          : body;
        const extra = EXTRAS[made.extra] === '' ? '' : `${EXTRAS[made.extra]}\r\n`;
        socket.write(
          `HTTP/1.1 ${STATUSES[made.status]}\r\nContent-Type: ${type}\r\n${framing}${extra}\r\n${framed}`,
        );
        if (made.ending === 'end') socket.end();
        else if (made.ending === 'destroy') socket.destroy();
        else setTimeout(() => socket.destroy(), 50);
      });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  try {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('session' as const, 'stateless' as const, 'sse' as const),
        fc.array(answer, { minLength: 1, maxLength: 4 }),
        async (era, made) => {
          answers = made;
          at = 0;
          await using host = new TestPipe(`http://127.0.0.1:${port}/mcp`, { era });
          expect(
            await (era === 'stateless' ? host.modern('server/discover') : host.initialize()),
          ).toBeDefined();
          for (const method of ['tools/list', 'tools/call'])
            expect(await host.modern(method, { name: 'a', arguments: {} })).toBeDefined();
          expect(host.lines.every((line) => !/[\r\n]/.test(line))).toBe(true);
        },
      ),
      { numRuns: process.env.SLOW === '1' ? 1000 : 60 },
    );
  } finally {
    server.close();
  }
});
