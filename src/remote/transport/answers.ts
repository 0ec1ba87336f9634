// Takes the messages of a server apart and hands them on: answers to the request that they belong to, all else to the owner.
import type { Envelope } from '../../json/envelope.ts';
import { ownId } from '../../relay/ids.ts';
import type { HttpResponse } from '../http/client.ts';
import { badAnswer } from '../http/problem.ts';
import type { PipeParts } from '../pipe.ts';
import { mediaType, readWhole } from './body.ts';
import { errorIn, statusProblem } from './failure.ts';
import type { Flow } from './flow.ts';
import { toOneLine } from './one-line.ts';
import type { OpenRequest, OpenRequests } from './open-requests.ts';
import { messagesOf, readMessage } from './read-message.ts';

export interface AnswersParts {
  readonly parts: PipeParts;
  readonly requests: OpenRequests;
  readonly flow: Flow;
  /**
   * Whether an answer may come on the stream of another request, and requests of the server on any: up to 2025-11-25 a session
   * is one conversation. From 2026-07-28 a stream belongs to its request alone.
   */
  readonly isShared: boolean;
  /** Sees each answer before it is handed on, and gives what is handed on. */
  readonly seen?: (request: OpenRequest, json: Buffer, message: Envelope) => Promise<Buffer> | Buffer;
}

/** The longest body that is looked through for the reason of a failure. */
const MAX_PROBLEM = 2 ** 20;

export class Answers {
  readonly #parts: AnswersParts;

  constructor(parts: AnswersParts) {
    this.#parts = parts;
  }

  /** One JSON text of the server, which came on the stream of a request, or on one that belongs to none. */
  async take(json: Buffer, stream: OpenRequest | undefined): Promise<void> {
    for (const one of this.#parts.isShared ? messagesOf(json) : [json]) await this.#takeOne(one, stream);
  }

  /** A message over the limit: the request whose stream it is gets an error. */
  oversize(length: number, stream: OpenRequest | undefined): void {
    const { parts, requests } = this.#parts;
    parts.listener.oversize(stream?.id, length);
    if (stream === undefined) return;
    const text = `the server's answer is longer than ${parts.budgets.line} bytes`;
    requests.refuse(stream, { code: 'withheld', text });
  }

  /** The body of a response to a request, which is one JSON text. Rejects with a WarderError. */
  async takeBody(response: HttpResponse, stream: OpenRequest): Promise<void> {
    const { parts, flow } = this.#parts;
    const body = await readWhole(response.body, parts.budgets.line, flow);
    if (typeof body === 'number') this.oversize(body, stream);
    else await this.take(body, stream);
    if (!stream.isDone) throw badAnswer(parts.server, 'ended its answer without a response to the request');
  }

  /**
   * What a response says that is no success: the server's own error as an answer to the request with its code, or a WarderError
   * that names the status.
   */
  async problemIn(
    response: HttpResponse,
    id: number,
  ): Promise<{ json: Buffer; code: number | undefined } | ReturnType<typeof statusProblem>> {
    const { server } = this.#parts.parts;
    const problem = statusProblem(server, response.status);
    if (!/^application\/(?:.*\+)?json$/.test(mediaType(response))) {
      response.body.destroy();
      return problem;
    }
    const body = await readWhole(response.body, MAX_PROBLEM).catch(() => 0);
    const line = typeof body === 'number' ? undefined : await toOneLine(body);
    return (line && errorIn(line, id)) ?? problem;
  }

  async #takeOne(text: Buffer, stream: OpenRequest | undefined): Promise<void> {
    const { parts, requests, isShared, seen } = this.#parts;
    const json = await toOneLine(text);
    if (json === undefined) return;
    const message = await readMessage(json);
    if (message.kind === 'response') {
      const id = message.fault === undefined ? ownId(message.id) : undefined;
      const request = isShared && id !== undefined ? requests.find(id) : stream;
      if (request === undefined || request.id !== id || request.isDone) {
        requests.drop('an answer to no request of its own', message);
        return;
      }
      const answer = (await seen?.(request, json, message)) ?? json;
      requests.answer(request, answer, stream?.id);
    } else if (message.kind === 'request' && !isShared) {
      requests.drop('a request on the stream of another', message);
    } else if (message.kind === 'unknown' || stream?.isDone === true) {
      requests.drop('no message, or one that comes after the end', message);
    } else {
      parts.listener.message(json, stream?.id);
    }
  }
}
