// Runs Codex by its app-server, which needs no model: JSON-RPC on standard input and output, a line a message.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { endGroup } from './turn.js';

/** Milliseconds for one answer. */
const TIMEOUT = 120_000;

/** As `runTurn`. A dialog that a server asks for stays open: the person answers in another terminal. */
export async function runCodex({ program, wrap = [], env, project, calls }) {
  const [command, ...args] = [...wrap, program, 'app-server'];
  const child = spawn(command, args, { env, cwd: project, stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  const ended = new Promise((resolve) => child.on('close', resolve));
  let output = '';
  child.stderr.on('data', (text) => (output += text));
  child.stdin.on('error', () => {});
  const waiting = new Map();
  const send = (message) => child.stdin.write(`${JSON.stringify(message)}\n`);
  createInterface({ input: child.stdout }).on('line', (line) => {
    const message = JSON.parse(line);
    if (message.method === undefined) waiting.get(message.id)?.(message);
    else if (message.method === 'mcpServer/startupStatus/updated' && message.params.error)
      output += `${message.params.name}: ${message.params.error}\n`;
  });
  let ids = 0;
  const request = async (method, params) => {
    const id = ++ids;
    const answer = new Promise((resolve) => waiting.set(id, resolve));
    send({ id, method, params });
    const late = new Promise((resolve) => setTimeout(resolve, TIMEOUT).unref());
    const given = await Promise.race([
      answer,
      ended.then(() => ({ error: { message: `codex has ended: ${output.trim().slice(-300)}` } })),
      late.then(() => ({ error: { message: `codex does not answer ${method}` } })),
    ]);
    if (given.error !== undefined) throw new Error(given.error.message);
    return given.result;
  };
  try {
    await request('initialize', { clientInfo: { name: 'hosts', version: '1.0.0' } });
    send({ method: 'initialized' });
    const { thread } = await request('thread/start', { cwd: project });
    const { data } = await request('mcpServerStatus/list', { threadId: thread.id, detail: 'full' });
    const servers = data.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const tools = servers.flatMap(({ name: server, tools }) =>
      Object.entries(tools)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, { description = '', inputSchema }]) => ({
          name: `${server}/${name}`,
          description,
          schema: inputSchema,
        })),
    );
    const results = [];
    for (const [tool, given] of calls) {
      const server = servers.find(({ tools }) => Object.hasOwn(tools, tool))?.name;
      if (server === undefined) break;
      const { content } = await request('mcpServer/tool/call', {
        threadId: thread.id,
        server,
        tool,
        arguments: given,
      });
      results.push(content.map(({ text = '' }) => text).join(''));
    }
    return { tools, results, output };
  } finally {
    child.stdin.end();
    const kill = setTimeout(() => endGroup(child), 5000);
    await ended;
    clearTimeout(kill);
    endGroup(child);
  }
}
