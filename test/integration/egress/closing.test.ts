// A gate that is closed while its connections are open, of each kind: what they leave is on record once it is closed.
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { TestGate } from '../../fixtures/gate.ts';

const SECRET = 'ghp_16C7e42F292c6912E7710c838347Ae178B4a';

test.each([false, true])(
  'HTTP/2, here: %s: once a gate is closed, the ends of its connections and requests are on record [W-EGR-19]',
  async (here) => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET }, upstream: { http2: true }, here });
    const sessions = await Promise.all(Array.from({ length: 5 }, () => gate.http2()));
    for (const session of sessions) {
      session.on('error', () => {});
      const authorization = `Bearer ${gate.placeholder('TOKEN')}`;
      const stream = session.request({ ':path': '/events?n=9&ms=60000', authorization });
      stream.on('error', () => {});
      await once(stream, 'data');
    }
    await gate.close();
    const connections = gate.records.filter(({ event }) => event === 'egress.connect');
    expect(connections.filter(({ outcome }) => outcome === 'open')).toHaveLength(5);
    expect(connections.filter(({ outcome }) => outcome === 'closed')).toHaveLength(5);
  },
);

test('a tunnel: once a gate is closed, the end of its connection is on record [W-EGR-19]', async () => {
  await using gate = await TestGate.open({ network: ['api.test:PORT'] });
  const socket = await gate.secure('api.test', { ca: gate.upstream.ca });
  socket.on('error', () => {});
  socket.write(`GET /events?n=9&ms=60000 HTTP/1.1\r\nHost: api.test:${gate.upstream.port}\r\n\r\n`);
  await once(socket, 'data');
  await gate.close();
  const connections = gate.records.filter(({ event }) => event === 'egress.connect');
  expect(connections.map(({ outcome }) => outcome)).toEqual(['open', 'closed']);
});
