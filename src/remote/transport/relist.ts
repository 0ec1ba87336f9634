// A server has refused a call because its headers do not say what the body says: the definition of the tool is not the one that
// is known. The tools are listed anew then, with the `_meta` of the call, and the call is sent once more (2026-07-28,
// Streamable HTTP, "Client Behavior").
import { readMember, readText } from '../../json/read.ts';
import type { HttpResponse } from '../http/client.ts';
import type { RemoteMessage } from '../pipe.ts';
import { isEventStream, mediaType, readEvents, readWhole } from './body.ts';
import type { Flow } from './flow.ts';
import { toOneLine } from './one-line.ts';
import { readMessage } from './read-message.ts';
import { SseParser } from './sse.ts';
import type { ToolHeaders } from './tool-headers.ts';

const MAX_PAGES = 100;
const MAX_CURSOR = 65_536;
/** The response to a request belongs to it alone, so that its id need not be another than that of other requests. */
const ID = 'tools';

interface Listed {
  readonly response: HttpResponse;
  readonly tools: ToolHeaders;
  readonly limit: number;
  readonly flow: Flow;
}

/** Lists all tools by `send`. `call` is the call. False: it did not work. */
export async function listTools(
  call: Buffer,
  send: (list: RemoteMessage) => Promise<Listed>,
): Promise<boolean> {
  const params = readMember(call, 0, call.length, 'params');
  const meta = typeof params === 'string' ? params : readMember(call, params.start, params.end, '_meta');
  if (typeof meta === 'string') return false;
  let cursor = '';
  for (let page = 0; page < MAX_PAGES; page++) {
    const json = Buffer.concat([
      Buffer.from(`{"jsonrpc":"2.0","id":"${ID}","method":"tools/list","params":{${cursor}"_meta":`),
      call.subarray(meta.start, meta.end),
      Buffer.from('}}'),
    ]);
    const listed = await send({ json, kind: 'request', method: 'tools/list', name: '', id: undefined });
    const answer = await answerIn(listed);
    if (answer === undefined) return false;
    const message = await readMessage(answer);
    if (message.kind !== 'response' || message.failed || message.id !== ID) return false;
    const result = { start: message.resultStart, end: message.resultEnd };
    await listed.tools.read(answer, result);
    const next = readMember(answer, result.start, result.end, 'nextCursor');
    const text = typeof next === 'string' ? undefined : readText(answer, next, MAX_CURSOR);
    if (text === undefined) return true;
    cursor = `"cursor":${JSON.stringify(text)},`;
  }
  return false;
}

async function answerIn({ response, limit, flow }: Listed): Promise<Buffer | undefined> {
  const { body } = response;
  try {
    if (isEventStream(response)) {
      for await (const { data } of readEvents(body, new SseParser(limit), flow)) {
        const json = data === undefined || data.length === 0 ? undefined : await toOneLine(data);
        if (json !== undefined && (await readMessage(json)).kind === 'response') return json;
      }
    } else if (response.status === 200 && mediaType(response) === 'application/json') {
      const whole = await readWhole(body, limit);
      return typeof whole === 'number' ? undefined : await toOneLine(whole);
    }
    return undefined;
  } finally {
    body.destroy();
  }
}
