// A lean client of Streamable HTTP, for servers and for peers that serve a stdio server so: one connection for calls one at a
// time, and as many as are in flight for a flood. It reads answers to their end, and parses none.
import { spawn } from 'node:child_process';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const VERSION = '2025-11-25';
const initialize = {
  protocolVersion: VERSION,
  capabilities: {},
  clientInfo: { name: 'bench', version: '1' },
};
/** Milliseconds for a peer to start. */
const PATIENCE = 20_000;

export class HttpClient {
  #agent = new http.Agent({ keepAlive: true });
  #url;
  #headers;
  #id = 0;
  #child;

  constructor(url, token) {
    this.#url = url;
    this.#headers = {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    };
  }

  /** Connects to a server that runs. */
  static async open(url, token) {
    const client = new HttpClient(url, token);
    await client.#handshake();
    return client;
  }

  /** Starts a program that serves at `url`; resolves to a client and the milliseconds to the `initialize` answer. */
  static async start({ argv, url }, env) {
    const from = performance.now();
    const [command, ...args] = argv;
    const client = new HttpClient(url);
    client.#child = spawn(command, args, { env, stdio: ['pipe', 'ignore', 'ignore'] });
    for (;;) {
      try {
        await client.#initialize();
        break;
      } catch (error) {
        if (error.code !== 'ECONNREFUSED' || performance.now() - from > PATIENCE) throw error;
        await sleep(1);
      }
    }
    const ms = performance.now() - from;
    await client.#post({ method: 'notifications/initialized' });
    return { client, ms };
  }

  get pid() {
    return this.#child.pid;
  }

  async #initialize() {
    const { headers } = await this.#post({ id: ++this.#id, method: 'initialize', params: initialize });
    this.#headers['mcp-session-id'] = headers['mcp-session-id'];
    this.#headers['mcp-protocol-version'] = VERSION;
  }

  async #handshake() {
    await this.#initialize();
    await this.#post({ method: 'notifications/initialized' });
  }

  #post(message) {
    return this.#send(JSON.stringify({ jsonrpc: '2.0', ...message }));
  }

  #send(body) {
    return new Promise((resolve, reject) => {
      const options = { method: 'POST', headers: this.#headers, agent: this.#agent };
      const request = http.request(this.#url, options, (response) => {
        response
          .resume()
          .once('end', () => resolve(response))
          .once('error', reject);
        if (response.statusCode >= 400) reject(new Error(`the server answered ${response.statusCode}`));
      });
      request.once('error', reject).end(body);
    });
  }

  async settle() {
    await sleep(300);
  }

  /** Milliseconds of one call, from its first byte sent to the end of its answer. */
  async call(params) {
    const body = `{"jsonrpc":"2.0","id":${++this.#id},"method":"tools/call","params":${params}}`;
    const from = performance.now();
    await this.#send(body);
    return performance.now() - from;
  }

  /** Answers per second over `count` calls with `width` in flight. */
  async flood(params, count, width) {
    let left = count;
    const from = performance.now();
    const one = async () => {
      while (left-- > 0) await this.call(params);
    };
    await Promise.all(Array.from({ length: width }, one));
    return (count / (performance.now() - from)) * 1000;
  }

  async close() {
    this.#agent.destroy();
    if (this.#child === undefined) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    const killing = setTimeout(() => this.#child.kill('SIGKILL'), 2000);
    await ended;
    clearTimeout(killing);
  }
}
