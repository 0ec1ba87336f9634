// A small MCP server that needs a token. It tells what it holds by a digest, so that two starts can be compared.
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';

const held = process.env.SERVICE_API_KEY;
if (held === undefined) {
  process.stderr.write('SERVICE_API_KEY is missing\n');
  process.exit(1);
}
const digest = createHash('sha256').update(held).digest('hex').slice(0, 12);

/** Answers by method; a message of another method gets an error, a notification nothing. */
const answers = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: 'service', version: '1.0.0' },
  }),
  ping: () => ({}),
  'tools/list': () => ({
    tools: [
      {
        name: 'token_digest',
        description: 'Tells a digest of the token that this server holds',
        inputSchema: { type: 'object', properties: {} },
      },
    ],
  }),
  'tools/call': () => ({ content: [{ type: 'text', text: `holds ${digest}` }] }),
};

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params = {} } = JSON.parse(line);
  if (id === undefined) return;
  const answer = answers[method];
  const rest =
    answer === undefined
      ? { error: { code: -32601, message: 'unknown method' } }
      : { result: answer(params) };
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, ...rest })}\n`);
});
