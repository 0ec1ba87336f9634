// A scripted model on loopback, for hosts that are run without an account. It speaks Anthropic's messages, OpenAI's chat
// completions and Gemini's generateContent, streaming or not: it asks for one tool call after the other, then ends its turn.
import { once } from 'node:events';
import { createServer } from 'node:http';

/**
 * A turn of a host: what the model was offered, and what its calls gave.
 * @typedef {{name: string, description: string, schema: unknown}} Tool
 * @typedef {{tools: Tool[], results: string[]}} Turn
 */

/** Starts the model. `calls` are the tools that it asks for, by the end of their names, with arguments. */
export async function startModel() {
  /** @type {Turn} */
  let turn = { tools: [], results: [] };
  let calls = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const protocol = PROTOCOLS.find(({ path }) => path.test(request.url));
    if (request.method !== 'POST' || protocol === undefined) {
      response.writeHead(request.method === 'POST' ? 404 : 200, JSON_TYPE).end('{"data": []}');
      return;
    }
    const body = JSON.parse(Buffer.concat(chunks).toString());
    const tools = protocol.tools(body);
    const results = protocol.results(body);
    // Hosts ask small questions beside the turn, a title for instance, with no tools or a few of their own.
    if (tools.length >= turn.tools.length) turn.tools = tools;
    if (results.length > turn.results.length) turn.results = results;
    const wanted = calls[results.length];
    const tool = wanted && tools.find(({ name }) => isCalled(name, wanted[0]));
    const answer = tool === undefined ? { text: 'done' } : { name: tool.name, input: wanted[1] };
    const id = `call_${results.length + 1}`;
    const streams = protocol.streams(body, request.url);
    response.writeHead(200, streams ? { 'content-type': 'text/event-stream' } : JSON_TYPE);
    response.end(streams ? protocol.events(answer, id).join('') : JSON.stringify(protocol.whole(answer, id)));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** Begins a turn. What it gives fills as the host runs. */
    begin(wanted) {
      calls = wanted;
      turn = { tools: [], results: [] };
      return turn;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Whether a host's name for a tool is that of a server's tool: `mcp__everything__echo` for `echo`. */
export function isCalled(name, tool) {
  return name === tool || (name.endsWith(tool) && /[^A-Za-z0-9]/.test(name.at(-tool.length - 1)));
}

const JSON_TYPE = { 'content-type': 'application/json' };

/** The text of a content: of a string, or of a list of blocks. */
function textOf(content) {
  return Array.isArray(content) ? content.map(({ text = '' }) => text).join('') : String(content ?? '');
}

function event(data, name) {
  return `${name === undefined ? '' : `event: ${name}\n`}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
}

const anthropic = {
  path: /\/v1\/messages(?:\?|$)/,
  tools: ({ tools = [] }) =>
    tools.map(({ name, description = '', input_schema }) => ({ name, description, schema: input_schema })),
  results: ({ messages }) =>
    messages
      .flatMap(({ content }) => (Array.isArray(content) ? content : []))
      .filter(({ type }) => type === 'tool_result')
      .map(({ content }) => textOf(content)),
  streams: ({ stream }) => stream === true,
  whole: ({ text, name, input }, id) => ({
    ...anthropicMessage,
    content: [text === undefined ? { type: 'tool_use', id, name, input } : { type: 'text', text }],
    stop_reason: text === undefined ? 'tool_use' : 'end_turn',
  }),
  events({ text, name, input }, id) {
    const block = text === undefined ? { type: 'tool_use', id, name, input: {} } : { type: 'text', text: '' };
    const delta =
      text === undefined
        ? { type: 'input_json_delta', partial_json: JSON.stringify(input) }
        : { type: 'text_delta', text };
    const stop = { stop_reason: text === undefined ? 'tool_use' : 'end_turn', stop_sequence: null };
    return [
      { type: 'message_start', message: { ...anthropicMessage, content: [], stop_reason: null } },
      { type: 'content_block_start', index: 0, content_block: block },
      { type: 'content_block_delta', index: 0, delta },
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: stop, usage: { output_tokens: 1 } },
      { type: 'message_stop' },
    ].map((data) => event(data, data.type));
  },
};

const anthropicMessage = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'scripted',
  stop_sequence: null,
  usage: { input_tokens: 1, output_tokens: 1 },
};

const openai = {
  path: /\/chat\/completions(?:\?|$)/,
  tools: ({ tools = [] }) =>
    tools
      .filter(({ type }) => type === 'function')
      .map(({ function: { name, description = '', parameters } }) => ({
        name,
        description,
        schema: parameters,
      })),
  results: ({ messages }) =>
    messages.filter(({ role }) => role === 'tool').map(({ content }) => textOf(content)),
  streams: ({ stream }) => stream === true,
  whole: (answer, id) => ({
    ...openaiCompletion,
    object: 'chat.completion',
    usage: openaiUsage,
    choices: [{ index: 0, message: openaiMessage(answer, id), finish_reason: openaiReason(answer) }],
  }),
  events(answer, id) {
    const chunk = (choices, rest = {}) =>
      event({ ...openaiCompletion, object: 'chat.completion.chunk', choices, ...rest });
    return [
      chunk([{ index: 0, delta: openaiMessage(answer, id), finish_reason: null }]),
      chunk([{ index: 0, delta: {}, finish_reason: openaiReason(answer) }]),
      chunk([], { usage: openaiUsage }),
      event('[DONE]'),
    ];
  },
};

const openaiCompletion = { id: 'completion_1', created: 0, model: 'scripted' };
const openaiUsage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };

function openaiMessage({ text, name, input }, id) {
  if (text !== undefined) return { role: 'assistant', content: text };
  const call = { index: 0, id, type: 'function', function: { name, arguments: JSON.stringify(input) } };
  return { role: 'assistant', content: null, tool_calls: [call] };
}

function openaiReason({ text }) {
  return text === undefined ? 'tool_calls' : 'stop';
}

const gemini = {
  path: /:(?:streamGenerateContent|generateContent)/,
  tools: ({ tools = [] }) =>
    tools
      .flatMap(({ functionDeclarations = [] }) => functionDeclarations)
      .map(({ name, description = '', parameters, parametersJsonSchema }) => ({
        name,
        description,
        schema: parametersJsonSchema ?? parameters,
      })),
  results: ({ contents }) =>
    contents
      .flatMap(({ parts = [] }) => parts)
      .filter(({ functionResponse }) => functionResponse !== undefined)
      .map(({ functionResponse: { response } }) => response.output ?? JSON.stringify(response)),
  streams: (_, url) => url.includes(':streamGenerateContent'),
  whole: ({ text, name, input }) => ({
    candidates: [
      {
        index: 0,
        content: {
          role: 'model',
          parts: [text === undefined ? { functionCall: { name, args: input } } : { text }],
        },
        finishReason: 'STOP',
      },
    ],
    usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 1, totalTokenCount: 2 },
    modelVersion: 'scripted',
  }),
  events: (answer) => [event(gemini.whole(answer))],
};

const PROTOCOLS = [anthropic, openai, gemini];
