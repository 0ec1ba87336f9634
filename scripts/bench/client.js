// The minimal client of the benchmarks: it writes bytes to a child's pipes and counts newlines. It parses only the first
// answer, so that the figures show the cost of the other side.
import { spawn } from 'node:child_process';

/** The environment of everything measured: no variable of the caller's, so no NODE_EXTRA_CA_CERTS, which adds 60 ms to a start. */
export function environment(extra = {}) {
  return { PATH: process.env.PATH, HOME: process.env.HOME, ...extra };
}

const initialize = (id) =>
  `{"jsonrpc":"2.0","id":${id},"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}\n`;

/** Milliseconds, monotonic. */
const now = () => performance.now();

/** A line-delimited JSON-RPC server, or Warder in front of it. */
export class Client {
  #child;
  #onLine = () => {};
  /** Called where the program ends before it is asked to. Nobody may be waiting for it. */
  #fail = (error) => {
    throw error;
  };
  #id = 0;
  #ended;

  constructor(argv, env) {
    const [command, ...args] = argv;
    this.#child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    const { stdin, stdout, stderr } = this.#child;
    stdin.on('error', () => {});
    stdout.on('data', (chunk) => {
      let lines = 0;
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines++;
      if (lines > 0) this.#onLine(lines, chunk);
    });
    let complaint = '';
    stderr.on('data', (chunk) => {
      complaint = (complaint + chunk).slice(-4000);
    });
    this.#ended = new Promise((resolve) => this.#child.on('close', resolve));
    this.#child.on('close', (code) => {
      if (!this.closing) this.#fail(new Error(`${argv.join(' ')} ended by itself (${code}): ${complaint}`));
    });
  }

  get pid() {
    return this.#child.pid;
  }

  #answer() {
    return new Promise((resolve, reject) => {
      this.#onLine = (_lines, chunk) => resolve(chunk);
      this.#fail = reject;
    });
  }

  /** Starts a server; resolves to a client and the milliseconds from the start to the `initialize` answer. */
  static async start(argv, env) {
    const from = now();
    const client = new Client(argv, env);
    const answer = client.#answer();
    client.#child.stdin.write(initialize(++client.#id));
    const chunk = await answer;
    const ms = now() - from;
    if (!chunk.includes('"result"')) throw new Error(`no answer to initialize: ${chunk}`);
    return { client, ms };
  }

  /** Finishes the handshake, and waits until nothing more has arrived for `quiet` milliseconds. */
  async settle(quiet = 300) {
    this.#child.stdin.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n');
    let last = now();
    this.#onLine = () => {
      last = now();
    };
    while (now() - last < quiet) await new Promise((resolve) => setTimeout(resolve, 50));
  }

  #request(params) {
    return `{"jsonrpc":"2.0","id":${++this.#id},"method":"tools/call","params":${params}}\n`;
  }

  /** Milliseconds of one call, from its first byte sent to the end of its answer. */
  async call(params) {
    const line = this.#request(params);
    const answer = this.#answer();
    const from = now();
    this.#child.stdin.write(line);
    await answer;
    return now() - from;
  }

  /** Asks for the tools, and waits for the answer. */
  async list() {
    const answer = this.#answer();
    this.#child.stdin.write(`{"jsonrpc":"2.0","id":${++this.#id},"method":"tools/list","params":{}}\n`);
    await answer;
  }

  /** A tool's answer, which must be one short text of JSON. */
  async ask(name, args) {
    const line = this.#request(JSON.stringify({ name, arguments: args }));
    const answer = this.#answer();
    this.#child.stdin.write(line);
    const chunk = await answer;
    const { result, error } = JSON.parse(chunk);
    try {
      return JSON.parse(result.content[0].text);
    } catch (cause) {
      throw new Error(`${name}: ${error?.message ?? result.content[0].text}`, { cause });
    }
  }

  /** Answers per second over `count` calls with `width` in flight. */
  async flood(params, count, width) {
    let sent = 0;
    let answered = 0;
    const send = (many) => {
      let lines = '';
      for (; many > 0 && sent < count; many--, sent++) lines += this.#request(params);
      if (lines) this.#child.stdin.write(lines);
    };
    const from = now();
    await new Promise((resolve) => {
      this.#onLine = (lines) => {
        answered += lines;
        if (answered >= count) resolve();
        else send(lines);
      };
      send(width);
    });
    return (count / (now() - from)) * 1000;
  }

  /** Closes the server's input, and waits for its end. */
  async close() {
    this.closing = true;
    this.#child.stdin.end();
    await this.#ended;
  }
}

/** Milliseconds from a program's start to its end. */
export function timed(argv, env) {
  const [command, ...args] = argv;
  const from = now();
  const child = spawn(command, args, { env, stdio: 'ignore' });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', () => resolve(now() - from));
  });
}
