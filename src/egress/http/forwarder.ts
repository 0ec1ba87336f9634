// One request from the server to its host, and the response back, whatever version of HTTP carries them: the head is
// checked and changed, the body searched, the use recorded, the response sealed. Who calls it opens the connections,
// writes the bytes, and answers what is refused.
import type { Duplex, Readable, Writable } from 'node:stream';
import type { ResponseSealer } from '../../credential/redact.ts';
import type { SealedCredential } from '../../credential/sealed.ts';
import type { Log } from '../../os/log.ts';
import { BUDGETS } from '../budgets.ts';
import type { Destination } from '../ledger.ts';
import type { TokenSource } from '../token-source.ts';
import type { GateTurns } from '../turns.ts';
import { toDenial } from './gate-response.ts';
import { prepareBody } from './request-body.ts';
import { processHead } from './request-head.ts';
import { readSignature } from './request-signature.ts';
import { forwardResponse, isEventStream, type ResponseSink, type ResponseSource } from './response.ts';
import { Denial, type Field, type Head, RequestContext, type RequestContextParts } from './substitution.ts';
import { TokenResponse } from './token-response.ts';
import { joinWebSocket } from './websocket.ts';

/** Where a connection of the server leads, with TLS on both sides. */
export interface Route {
  readonly destination: Destination;
}

/** A request as it arrived. */
export interface IncomingRequest {
  readonly version: '1.1' | '2';
  readonly method: string;
  /** Origin form. */
  readonly target: string;
  readonly fields: Field[];
  readonly body: Readable;
  /** It has a body whose length is not declared. */
  readonly undeclared: boolean;
  /** It opens a WebSocket. */
  readonly webSocket: boolean;
}

/** A host's connection after it has switched protocols. */
export interface SwitchedConnection {
  readonly status: 101;
  readonly fields: readonly Field[];
  readonly socket: Duplex;
}

/** A request on its way to the host. */
export interface OutgoingRequest {
  readonly to: Writable;
  /** Rejects with what broke it. */
  readonly response: Promise<ResponseSource | SwitchedConnection>;
}

/** What a request needs of the connection that it came by. */
export interface RequestHooks {
  /** Called before anything else. */
  begin(context: RequestContext): void;
  /** Begins to send. `framing`: the fields of the body's length. */
  send(head: Head, framing: readonly Field[]): OutgoingRequest;
  /** The response to the server. */
  readonly to: ResponseSink;
  /** Takes over where the host has switched protocols; settles when that has ended. May throw `Denial` before that. */
  switchProtocols?(switched: SwitchedConnection): Promise<void>;
  /** Answers a request that was refused or failed, or breaks it off where the response has begun. */
  refuse(denial: Denial): void;
  /** Settles when the server has received the response, or has gone: until then it is in memory. */
  delivered(): Promise<void>;
  /** Aborted when the server has gone, and nobody waits for the response. */
  readonly gone: AbortSignal;
}

/** Called with the context of what may carry a credential, before it does. */
type OnContext = (context: RequestContext) => void;

export interface ForwarderParts extends RequestContextParts {
  readonly sealing: () => ResponseSealer;
  /** Called when a host has answered a request that carried a credential, with any status. */
  readonly onCredentialResponse: (credential: SealedCredential, status: number, host: string) => void;
  readonly tokens: TokenSource;
  readonly turns: GateTurns;
  readonly log: Log;
}

/** Forwards the requests of one gate. */
export class Forwarder {
  readonly #parts: ForwarderParts;
  #bufferedBytes = 0;

  constructor(parts: ForwarderParts) {
    this.#parts = parts;
  }

  /** Forwards one request. Never rejects, unless a hook throws. */
  async forward(request: IncomingRequest, route: Route, hooks: RequestHooks): Promise<void> {
    const { turns, sealing, clock } = this.#parts;
    const { method, target, version, webSocket } = request;
    const { destination } = route;
    const path = target.split('?', 1)[0] ?? '';
    const context = new RequestContext(this.#parts, destination, true, method, path);
    hooks.begin(context);
    let reserved = 0;
    const reserve = (bytes: number): void => {
      this.#reserve(bytes);
      reserved += bytes;
    };
    try {
      const head: Head = { method, target, fields: request.fields };
      const authority = { ...destination, secure: true, version, webSocket };
      const signature = await turns.slice(() => readSignature(head, context));
      const unconfirmed = await context.rehearse(() =>
        turns.slice(() => {
          processHead(
            { ...head, fields: head.fields.map(([name, value]) => [name, value]) },
            context,
            authority,
          );
          if (signature !== undefined) context.sign(signature.credential);
        }),
      );
      await context.confirm(unconfirmed, hooks.gone);
      for (const credential of context.tokensIn(head))
        await this.#parts.tokens.ensure(credential, context.confirmedBy(credential));
      await turns.slice(() => processHead(head, context, authority));
      const body = await prepareBody(
        request,
        head,
        context,
        turns,
        reserve,
        signature?.needsBody,
        hooks.gone,
      );
      // Last of all: nothing that is signed changes after that.
      await turns.slice(() => signature?.apply(head, body.bytes, clock.now()));
      context.recheck();
      const { to, response } = hooks.send(head, body.framing);
      const sent = body.send(to);
      // A host may respond before it has read everything; a request that was refused midway has no response.
      const incoming = await Promise.race([response, sent.then(() => response)]);
      this.reportStatus(context, incoming.status, destination.host);
      context.recordAnswer(incoming.status);
      if ('socket' in incoming) {
        await hooks.switchProtocols?.(incoming);
        return;
      }
      const turn = isEventStream(incoming) ? undefined : context.refreshTurn;
      const tokens = TokenResponse.of(context, destination, turn, this.#parts);
      await forwardResponse(incoming, hooks.to, method, {
        sealing,
        issued: tokens?.tokens,
        issuedByMessage: () => TokenResponse.of(context, destination, undefined, this.#parts)?.tokens,
        isTokenResponse: body.isTokenRequest,
        onTokensRead: async (whole) => {
          await tokens?.onRead(whole);
          context.endRefresh();
        },
        reserve,
        unsearched: this.#parts.sealed.letsUnsearchedPass(destination.host, destination.port),
        turns,
      });
      await sent.catch(() => {});
    } catch (error) {
      hooks.refuse(this.#recordFailed(error, route, context));
    } finally {
      context.endRefresh();
      await hooks.delivered();
      this.#bufferedBytes -= reserved;
    }
  }

  /** A host has answered, as `status` says. */
  reportStatus(context: RequestContext, status: number, host: string): void {
    for (const credential of context.usedCredentials.keys()) {
      if (status === 401) credential.dropToken(this.#parts.clock.now());
      this.#parts.onCredentialResponse(credential, status, host);
    }
  }

  /** Joins both sides of a WebSocket that a request to a path has opened; each message that carries a credential is a use. */
  joinWebSocket(
    server: Duplex,
    host: Duplex,
    route: Route,
    path: string,
    gone: AbortSignal,
    onUse: OnContext,
  ): Promise<void> {
    const { sealing, turns, ledger } = this.#parts;
    return joinWebSocket(server, host, {
      sealing,
      turns,
      gone,
      context: () => {
        const context = new RequestContext(this.#parts, route.destination, true, 'GET', path);
        onUse(context);
        return context;
      },
      onRefused: (reason) => ledger.recordRefusal(route.destination, reason),
      reserve: (bytes) => this.#reserve(bytes),
    });
  }

  /** Fields of a host for the server, without secrets. */
  sealFields(fields: readonly Field[]): Field[] {
    const sealing = this.#parts.sealing();
    return fields.map(([name, value]) => [sealing.text(name), sealing.text(value)]);
  }

  #reserve(bytes: number): void {
    if (this.#bufferedBytes + bytes > BUDGETS.buffered)
      throw new Denial(503, 'too much is buffered in memory');
    this.#bufferedBytes += bytes;
  }

  /** Records a request that is not forwarded. Returns what its sender gets. */
  #recordFailed(error: unknown, { destination }: Route, context: RequestContext): Denial {
    const { ledger, log } = this.#parts;
    const denial = toDenial(error);
    context.recordNoAnswer(denial.reason);
    if (denial.status === 502 || denial.status === 504) ledger.recordFailure(destination, denial.reason);
    else ledger.recordRefusal(destination, denial.reason);
    if (denial.cause !== undefined)
      log.debug({ host: destination.host, error: String(denial.cause) }, denial.reason);
    return denial;
  }
}
