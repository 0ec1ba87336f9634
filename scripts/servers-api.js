// What the servers of scripts/servers reach instead of the internet: their APIs, all answered by one host of this machine, by
// way of a name server and a proxy that the settings of Warder name. It keeps where each request had the secret.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { Internet } from '../test/fixtures/internet.ts';

/** A public address, at which nobody is asked for anything: the proxy leads all of it here. */
const SOMEWHERE = '9.9.9.8';
/** Enough for most clients to go on. */
const USUAL = {
  ok: true,
  status: 'OK',
  data: [],
  items: [],
  results: [],
  channels: [],
  total_count: 0,
  incomplete_results: false,
};

/** Starts it for these servers. `settings` are Warder's, but for the file of `authority`. */
export async function startApi(servers) {
  const internet = await Internet.open();
  const names = [...new Set(servers.flatMap(({ api = [] }) => api))];
  let answers = {};
  const host = await internet.host(names, {
    route(request, response) {
      const path = request.url.replace(/\?.*/s, '');
      const answer = answers[path] ?? answers['/'] ?? USUAL;
      const chunks = [];
      request.on('data', (chunk) => chunks.push(chunk));
      request.on('end', () => {
        if (answer === 'mcp' && request.method !== 'POST') {
          response.writeHead(405).end();
          return;
        }
        const text = answer === 'mcp' ? speakMcp(Buffer.concat(chunks).toString()) : JSON.stringify(answer);
        response.writeHead(text === '' ? 202 : 200, { 'content-type': 'application/json' });
        response.end(text);
      });
      return true;
    },
  });
  for (const name of names) internet.resolver.names.set(name, [SOMEWHERE]);
  const proxy = createServer((socket) => tunnel(socket, host)).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return {
    authority: internet.authority.ca,
    settings: {
      proxy: `http://127.0.0.1:${proxy.address().port}`,
      resolvers: [internet.resolver.server],
    },
    /** From now on requests are for this server. */
    serve(server) {
      answers = server.answers ?? {};
      const from = host.requests.length;
      return () => host.requests.slice(from);
    },
    async [Symbol.asyncDispose]() {
      proxy.close();
      await internet[Symbol.asyncDispose]();
    },
  };
}

/** CONNECT to port 443, wherever it is, leads to the host. */
function tunnel(socket, host) {
  let head = '';
  socket.on('error', () => {});
  socket.on('data', function read(data) {
    head += data.toString('latin1');
    if (!head.includes('\r\n\r\n')) return;
    socket.off('data', read);
    if (!/^CONNECT \S+:443 /.test(head)) {
      socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
      return;
    }
    const up = connect(host.port, host.address, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.pipe(up).pipe(socket);
    });
    up.on('error', () => socket.destroy());
  });
}

/** A remote MCP server with one tool, for a server that is a bridge to it. */
function speakMcp(text) {
  if (text === '') return '';
  const { id, method, params } = JSON.parse(text);
  if (id === undefined) return '';
  const results = {
    initialize: {
      protocolVersion: params?.protocolVersion,
      capabilities: { tools: {} },
      serverInfo: { name: 'api', version: '1' },
    },
    'tools/list': { tools: [{ name: 'echo', inputSchema: { type: 'object' } }] },
    'tools/call': { content: [{ type: 'text', text: 'hello' }] },
  };
  return JSON.stringify({ jsonrpc: '2.0', id, result: results[method] ?? {} });
}

/** Where a request has a secret, as `as` of a profile names it; `undefined` where it has none. */
export function placeOf({ headers, target, body }, secret) {
  for (const [name, value] of Object.entries(headers)) {
    const text = String(value);
    if (/^basic /i.test(text) && Buffer.from(text.slice(6), 'base64').toString().includes(secret))
      return 'basic';
    if (!text.includes(secret)) continue;
    return name === 'authorization' && /^bearer /i.test(text) ? 'bearer' : 'header';
  }
  if (target.includes(secret) || target.includes(encodeURIComponent(secret)))
    return target.indexOf('?') < target.indexOf(secret) ? 'query' : 'path';
  return body.includes(secret) ? 'body' : undefined;
}
