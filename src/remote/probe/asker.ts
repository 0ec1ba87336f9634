// The first request of each era, and what came back of it: a status, a challenge, a result or the code of an error. Bodies are
// bounded, and read no further than the answer.

import type { RemoteServer } from '../../profile/format.ts';
import {
  CAPABILITIES,
  CLIENT,
  DISCOVER,
  INITIALIZE,
  SESSION_VERSIONS,
  STATELESS_VERSION,
  VERSION,
} from '../era/protocol.ts';
import type { HttpResponse, RemoteHttp } from '../http/client.ts';
import { problemOf } from '../http/problem.ts';
import { isEventStream, mediaType, readWhole } from '../transport/body.ts';
import { SseParser } from '../transport/sse.ts';

export interface AskerParts {
  readonly http: Pick<RemoteHttp, 'request'>;
  readonly server: Pick<RemoteServer, 'url' | 'headers' | 'insecureLoopback'>;
  readonly signal: AbortSignal;
}

/** What came back. */
export interface Asked {
  readonly status: number;
  /** `WWW-Authenticate`. */
  readonly challenge: string | null;
  /** The answer is a stream of events that stays open, as old servers have it. */
  readonly isStream: boolean;
  /** Of a JSON-RPC response to the request. */
  readonly result?: unknown;
  /** Of an error that is one. */
  readonly code?: number | undefined;
}

/** Bytes of an answer, and milliseconds until its head is there. */
const MAX_BODY = 2 ** 20;
const HEAD_TIME = 15_000;

const ME = { name: 'warder', version: '1' };
const ID = 1;

export class Asker {
  readonly #parts: AskerParts;

  constructor(parts: AskerParts) {
    this.#parts = parts;
  }

  /** `server/discover` of 2026-07-28. */
  discover(): Promise<Asked> {
    const params = {
      _meta: { [VERSION]: STATELESS_VERSION, [CLIENT]: ME, [CAPABILITIES]: {} },
    };
    return this.#post(DISCOVER, params, {
      'mcp-protocol-version': STATELESS_VERSION,
      'mcp-method': DISCOVER,
    });
  }

  /** `initialize` of the revisions before; a session that it opens is ended. */
  async initialize(): Promise<Asked> {
    const [protocolVersion] = SESSION_VERSIONS;
    return await this.#post(INITIALIZE, { protocolVersion, capabilities: {}, clientInfo: ME }, {});
  }

  /** The stream of events of a server of 2024-11-05. It is closed at once. */
  async openStream(): Promise<Asked> {
    const response = await this.#send('GET', { accept: 'text/event-stream' }, undefined);
    response.body.destroy();
    return { ...headOf(response), isStream: isEventStream(response) };
  }

  async #post(method: string, params: object, headers: Record<string, string>): Promise<Asked> {
    const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: ID, method, params }));
    const response = await this.#send(
      'POST',
      { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
      body,
    );
    try {
      return { ...headOf(response), ...outcomeOf(await readAnswer(response)) };
    } catch (error) {
      this.#parts.signal.throwIfAborted();
      throw problemOf(new URL(this.#parts.server.url), error);
    } finally {
      response.body.destroy();
      await this.#end(response.headers.get('mcp-session-id'));
    }
  }

  /** Ends a session, if one was opened. That it fails is of no concern: servers forget sessions. */
  async #end(session: string | null): Promise<void> {
    if (session === null || !/^[\x21-\x7e]{1,1024}$/.test(session)) return;
    const [version] = SESSION_VERSIONS;
    await this.#send(
      'DELETE',
      { 'mcp-session-id': session, 'mcp-protocol-version': version },
      undefined,
    ).then(
      ({ body }) => body.destroy(),
      () => {},
    );
  }

  #send(
    method: 'GET' | 'POST' | 'DELETE',
    headers: Record<string, string>,
    body: Buffer | undefined,
  ): Promise<HttpResponse> {
    const { http, server, signal } = this.#parts;
    return http.request({
      method,
      url: new URL(server.url),
      headers: { ...server.headers, ...headers },
      body,
      signal,
      headTime: HEAD_TIME,
      repeatable: method === 'GET',
      lane: 'control',
    });
  }
}

function headOf({ status, headers }: HttpResponse): Asked {
  return { status, challenge: headers.get('www-authenticate'), isStream: false };
}

/** The answer to the request: the whole body, or the first event that is one. Undefined where there is none within bounds. */
async function readAnswer(response: HttpResponse): Promise<unknown> {
  const { body } = response;
  if (isEventStream(response)) {
    const parser = new SseParser(MAX_BODY);
    let length = 0;
    for await (const piece of body) {
      length += (piece as Buffer).length;
      for (const { data } of parser.push(piece as Buffer)) {
        const message = data === undefined ? undefined : parse(data);
        if (isAnswer(message)) return message;
      }
      if (length > MAX_BODY) return undefined;
    }
    return undefined;
  }
  if (!/^application\/(?:.*\+)?json$/.test(mediaType(response))) return undefined;
  const whole = await readWhole(body, MAX_BODY);
  return typeof whole === 'number' ? undefined : parse(whole);
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

function isAnswer(message: unknown): boolean {
  return typeof message === 'object' && message !== null && 'id' in message && message.id === ID;
}

function outcomeOf(message: unknown): Pick<Asked, 'result' | 'code'> {
  const { id, result, error } = (message ?? {}) as {
    id?: unknown;
    result?: unknown;
    error?: { code?: unknown };
  };
  // Errors about the whole request may have no id.
  if (typeof error?.code === 'number') return { code: error.code };
  return id === ID && typeof result === 'object' && result !== null ? { result } : {};
}
