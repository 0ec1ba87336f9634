// A server whose tools are HTTPS clients that time themselves: in a sandbox, in front of a gate or proxy, or run by hand.
// `latency` sends requests one at a time over a persistent connection, `download` discards the answer. TOKEN is sent as a
// bearer token. `at` is the address to connect to if it does not follow from the name, HTTPS_PROXY a proxy for a tunnel.
import { execFile } from 'node:child_process';
import { request } from 'node:http';
import https from 'node:https';
import { createInterface } from 'node:readline';
import { connect } from 'node:tls';
import { promisify } from 'node:util';

const { TOKEN, HTTPS_PROXY } = process.env;
const proxy = HTTPS_PROXY && new URL(HTTPS_PROXY);
const agents = new Map();

/** A connection through a tunnel, which Node's own agent does not support. */
function tunnel({ host, port, servername }, done) {
  const login = Buffer.from(`${proxy.username}:${proxy.password}`).toString('base64');
  request({
    host: proxy.hostname,
    port: proxy.port,
    method: 'CONNECT',
    path: `${host}:${port}`,
    headers: { 'Proxy-Authorization': `Basic ${login}` },
  })
    .on('connect', (_response, socket) => {
      const secure = connect({ socket, servername, ALPNProtocols: ['http/1.1'] });
      secure.once('secureConnect', () => done(null, secure)).once('error', done);
    })
    .on('error', done)
    .end();
}

function agentOf(host) {
  if (agents.has(host)) return agents.get(host);
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
  if (proxy) agent.createConnection = (options, done) => void tunnel(options, done);
  agents.set(host, agent);
  return agent;
}

/** Milliseconds of one request, to the end of its answer. */
function get({ host, at = host, port, path, headers = {} }) {
  const from = performance.now();
  return new Promise((resolve, reject) => {
    https
      .get(
        {
          agent: agentOf(host),
          host: at,
          servername: host,
          port,
          path,
          headers: { Host: `${host}:${port}`, ...headers },
        },
        (response) => {
          if (response.statusCode !== 200) reject(new Error(`${host} answers ${response.statusCode}`));
          response.on('data', () => {});
          response.on('end', () => resolve(performance.now() - from));
          response.on('error', reject);
        },
      )
      .on('error', reject);
  });
}

const tools = {
  async latency({ count, ...where }) {
    const taken = [];
    const headers = { Authorization: `Bearer ${TOKEN}` };
    while (taken.length < count) taken.push(await get({ ...where, path: '/small', headers }));
    // As many as there are fit into one write.
    return taken.map((ms) => Math.round(ms * 1000) / 1000);
  },
  download: ({ bytes, ...where }) => get({ ...where, path: `/large/${bytes}` }),
  /** As `download`, by a client in C. */
  async curl({ host, at, port, bytes }) {
    const where = at ? ['--connect-to', `${host}:${port}:${at}:${port}`] : [];
    const url = `https://${host}:${port}/large/${bytes}`;
    const from = performance.now();
    const { stdout } = await promisify(execFile)('curl', [
      ...['--silent', '--show-error', '--fail', '--http1.1', '--output', '/dev/null'],
      ...['--write-out', '%{size_download}', ...where, url],
    ]);
    if (Number(stdout) !== bytes) throw new Error(`curl got ${stdout} bytes`);
    return performance.now() - from;
  },
};

const answer = (id, result) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, result })}\n`);
const info = { name: 'fetcher', version: '1' };

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line);
  if (method === 'initialize') {
    answer(id, { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: info });
  } else if (method === 'tools/list') {
    answer(id, { tools: Object.keys(tools).map((name) => ({ name, inputSchema: { type: 'object' } })) });
  } else if (method === 'tools/call') {
    const text = await tools[params.name](params.arguments).then(JSON.stringify, (error) => `${error.stack}`);
    answer(id, { content: [{ type: 'text', text }] });
  }
}
process.exit();
