// Streamable HTTP without sessions (2026-07-28). Each request is a POST whose response is its alone: an answer to another
// request, or a request of the server, has no place there. Headers repeat what the body says. Closing the stream of a request
// cancels it.

import { WarderError } from '../../errors.ts';
import type { Envelope } from '../../json/envelope.ts';
import { readMember } from '../../json/read.ts';
import { CANCELLED } from '../era/protocol.ts';
import type { HttpResponse } from '../http/client.ts';
import { badAnswer, lostAnswer } from '../http/problem.ts';
import type { Pipe, PipeParts, RemoteMessage } from '../pipe.ts';
import { Answers } from './answers.ts';
import { discard, isEventStream, mediaType, readEvents } from './body.ts';
import { cancelledId } from './cancellation.ts';
import { deniesStateless } from './era-evidence.ts';
import { exchange, isRepeatable, purposeOf } from './exchange.ts';
import { errorCodeIn, failure, refusalFor } from './failure.ts';
import { Flow } from './flow.ts';
import { type OpenRequest, OpenRequests } from './open-requests.ts';
import { listTools } from './relist.ts';
import { SseParser } from './sse.ts';
import { standardHeaders, versionOf } from './standard-headers.ts';
import { NOTICE_TIME, REQUEST_TIME } from './times.ts';
import { ToolHeaders } from './tool-headers.ts';

const CALL = 'tools/call';
const LIST = 'tools/list';
const DISCOVER = 'server/discover';
/** The headers do not say what the body says. */
const HEADER_MISMATCH = -32020;
const INVALID_PARAMS = -32602;
/** Messages up to this many bytes are searched for the version that they say; longer ones say that of those before. */
const SEARCHED = 2 ** 20;

export class StatelessPipe implements Pipe {
  readonly #parts: PipeParts;
  readonly #requests: OpenRequests;
  readonly #answers: Answers;
  readonly #tools: ToolHeaders;
  readonly #flow = new Flow();
  readonly #closing = new AbortController();
  /** The server has answered a request of this era. */
  #isKnown = false;
  #version: string | undefined;

  constructor(parts: PipeParts) {
    this.#parts = parts;
    this.#requests = new OpenRequests(parts);
    this.#tools = new ToolHeaders(parts.log);
    this.#answers = new Answers({
      parts,
      requests: this.#requests,
      flow: this.#flow,
      isShared: false,
      seen: (request, json, message) => this.#seen(request, json, message),
    });
  }

  get full(): boolean {
    return this.#requests.full;
  }

  pause(paused: boolean): void {
    this.#flow.pause(paused);
  }

  send(message: RemoteMessage): void {
    if (message.kind === 'request') {
      const request = this.#requests.open(message);
      if (request !== undefined) void this.#run(request);
    } else if (message.method === CANCELLED) {
      const cancelled = this.#requests.find(cancelledId(message.json) ?? 0);
      if (cancelled !== undefined) this.#requests.forget(cancelled);
    } else if (message.kind === 'notification') {
      void this.#notify(message);
    } else {
      // No server of this era asks anything by a request of its own.
      this.#parts.log.debug({}, 'an answer of a host is for no request of the server');
    }
  }

  cut(reason: string): void {
    this.#closing.abort();
    this.#requests.cut(new WarderError('remote-unreachable', reason));
    this.#flow.pause(false);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#requests.clear();
    this.#flow.pause(false);
  }

  async #run(request: OpenRequest): Promise<void> {
    try {
      if (this.#closing.signal.aborted) throw new WarderError('remote-unreachable', 'the session has ended');
      await this.#read(await this.#post(request), request, true);
    } catch (error) {
      this.#requests.fail(request, error);
    }
  }

  /** Undefined where the request cannot be sent: then it has its answer. */
  async #post(request: OpenRequest): Promise<HttpResponse | undefined> {
    const { message, signal } = request;
    const { method, name, json } = message;
    const params = method === CALL ? this.#tools.headersFor(name, json) : {};
    if (typeof params === 'string') {
      this.#requests.refuse(request, { code: INVALID_PARAMS, text: `the call cannot be sent: ${params}` });
      return undefined;
    }
    return await this.#exchange(message, signal, REQUEST_TIME, params, () => request.onSent());
  }

  /** `first`: the request has not been sent again yet. */
  async #read(response: HttpResponse | undefined, request: OpenRequest, first: boolean): Promise<void> {
    if (response === undefined) return;
    if (isEventStream(response)) {
      await this.#follow(response, request);
    } else if (response.status < 200 || response.status > 299) {
      await this.#fail(response, request, first);
    } else if (mediaType(response) === 'application/json') {
      await this.#answers.takeBody(response, request);
    } else {
      response.body.destroy();
      throw badAnswer(
        this.#parts.server,
        'does not answer as an MCP server: neither JSON nor an event stream',
      );
    }
  }

  async #follow({ body }: HttpResponse, request: OpenRequest): Promise<void> {
    const { server, budgets } = this.#parts;
    try {
      for await (const { type, data, length } of readEvents(body, new SseParser(budgets.line), this.#flow)) {
        if (type === 'message' && data === undefined) this.#answers.oversize(length, request);
        else if (type === 'message' && data !== undefined && data.length > 0)
          await this.#answers.take(data, request);
        if (!request.isDone) continue;
        discard(body);
        return;
      }
    } catch (error) {
      body.destroy();
      request.signal.throwIfAborted();
      if (error instanceof WarderError) throw error;
    }
    throw lostAnswer(server);
  }

  async #fail(response: HttpResponse, request: OpenRequest, first: boolean): Promise<void> {
    const { method, id } = request;
    const problem = await this.#answers.problemIn(response, id);
    const isProblem = problem instanceof WarderError;
    const code = isProblem ? undefined : problem.code;
    if (code === HEADER_MISMATCH && method === CALL && first && (await this.#relearn(request))) {
      await this.#read(await this.#post(request), request, false);
      return;
    }
    const json = isProblem ? failure(id, refusalFor(problem)) : problem.json;
    if (!this.#isKnown && deniesStateless(method, response.status, code))
      this.#requests.mismatch(request, json);
    else this.#requests.answer(request, json, id);
  }

  /** The tool's definition may have changed: the tools are listed anew. False: they could not be. */
  async #relearn({ message, signal }: OpenRequest): Promise<boolean> {
    return await listTools(message.json, async (list) => {
      const response = await this.#exchange(list, signal, NOTICE_TIME, {});
      return { response, tools: this.#tools, limit: this.#parts.budgets.line, flow: this.#flow };
    });
  }

  async #seen(request: OpenRequest, json: Buffer, message: Envelope): Promise<Buffer> {
    if (message.failed) {
      const isDenied = !this.#isKnown && deniesStateless(request.method, 200, errorCodeIn(json));
      if (isDenied) this.#requests.mismatch(request, json);
      return json;
    }
    if (request.method === DISCOVER || this.#isKnown || isComplete(json, message)) this.#isKnown = true;
    if (request.method !== LIST) return json;
    return await this.#tools.read(json, { start: message.resultStart, end: message.resultEnd });
  }

  async #notify(message: RemoteMessage): Promise<void> {
    const left = this.#requests.hold(message.json.length);
    try {
      const { body } = await this.#exchange(message, this.#closing.signal, NOTICE_TIME, {});
      discard(body);
    } catch (error) {
      if (!this.#closing.signal.aborted)
        this.#parts.log.debug(
          { method: message.method, error: String(error) },
          'a notification did not arrive',
        );
    } finally {
      left();
    }
  }

  #exchange(
    message: RemoteMessage,
    signal: AbortSignal,
    headTime: number,
    params: Readonly<Record<string, string>>,
    onSent?: () => void,
  ): Promise<HttpResponse> {
    const { json, method, kind } = message;
    if (json.length <= SEARCHED || this.#version === undefined)
      this.#version = versionOf(json) ?? this.#version;
    return exchange(this.#parts, {
      method: 'POST',
      url: this.#parts.server,
      headers: {
        accept: 'application/json, text/event-stream',
        'content-type': 'application/json',
        ...(this.#version !== undefined && { 'mcp-protocol-version': this.#version }),
        ...standardHeaders(message),
        ...params,
      },
      body: json,
      signal,
      headTime,
      repeatable: isRepeatable(method),
      lane: kind === 'request' ? 'requests' : 'control',
      ...purposeOf(message),
      ...(onSent !== undefined && { onSent }),
    });
  }
}

/** Results of this era say what kind of result they are. */
function isComplete(json: Buffer, { resultStart, resultEnd }: Envelope): boolean {
  return typeof readMember(json, resultStart, resultEnd, 'resultType') !== 'string';
}
