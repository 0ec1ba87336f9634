// A connection that the gate opens: HTTP/1.1 (RFC 9112) read by node's strict parser, each request checked, changed and
// written anew, so that no two readers can differ over where one ends. One connection of the server has one connection
// to the host and no other; when either ends, so does the other.
import * as http from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ResponseSealer } from '../../credential/redact.ts';
import type { SealedCredential } from '../../credential/sealed.ts';
import type { Log } from '../../os/log.ts';
import type { Way } from '../ledger.ts';
import { gather } from './coalesce.ts';
import { answerDenial, answerPlainly, asDenial } from './gate-response.ts';
import { asksForToken, prepareBody } from './request-body.ts';
import { process as processHead } from './request-head.ts';
import { fieldsOf, ownerOf, passBack } from './response.ts';
import { Denial, type Head, Passage, type PassageParts } from './substitution.ts';

/** One connection of the server, where it leads, and how to get there. */
export interface Link {
  readonly way: Way;
  /** TLS on both sides. */
  readonly secure: boolean;
  /** Connects to the host: dialled, and verified. Rejects with `EgressRefusal` or what failed. */
  connect(): Promise<Duplex>;
}

export interface HttpGateParts extends PassageParts {
  readonly sealing: () => ResponseSealer;
  /** A host has answered 401 or 403 to a credential, or anything else. */
  readonly judged: (credential: SealedCredential, status: number, host: string) => void;
  readonly log: Log;
}

/** Bytes of a request's head. */
const LONGEST_HEAD = 64 * 1024;

/** Requests of a connection that wait for the answer to another: more, and it is cut. */
const MOST_WAITING = 64;

/** Bytes of bodies that a gate holds whole, over all its connections. */
const MOST_HELD = 64 * 1024 * 1024;

/** A connection that is served, and what it has used. */
interface Served {
  readonly link: Link;
  readonly agent: http.Agent;
  readonly carried: Set<string>;
  client: Duplex;
  host: Duplex | undefined;
  open: number;
  /** Settles when all requests so far have been seen through: they leave in their order. */
  turn: Promise<void>;
  /** What is on its way now. */
  now: { passage: Passage; outgoing: http.ClientRequest | undefined } | undefined;
  /** A request has come. */
  asked: boolean;
}

/** Serves the opened connections of one gate. */
export class HttpGate implements Disposable {
  readonly #parts: HttpGateParts;
  readonly #server: http.Server;
  readonly #served = new Map<unknown, Served>();
  #held = 0;

  constructor(parts: HttpGateParts) {
    this.#parts = parts;
    this.#server = http.createServer({
      maxHeaderSize: LONGEST_HEAD,
      insecureHTTPParser: false,
      // Asked for by the first step over a head.
      requireHostHeader: false,
      keepAliveTimeout: 0,
      requestTimeout: 0,
      noDelay: true,
    });
    // A client may end its side once it has asked. As of Node 24 the option has no documented name.
    Object.assign(this.#server, { httpAllowHalfOpen: true });
    this.#server.on('request', (request, response) => void this.#take(request, response));
    // Answered as any request that cannot be passed on.
    this.#server.on('checkExpectation', (request, response) => void this.#take(request, response));
    this.#server.on('upgrade', (request, socket) => this.#turnAway(request.socket, socket, UPGRADE));
    this.#server.on('connect', (request, socket) => this.#turnAway(request.socket, socket, CONNECT));
    this.#server.on('clientError', (error, socket) => this.#malformed(error, socket));
  }

  /** Serves a connection, its TLS ended, until it ends. */
  serve(client: Duplex, link: Link): void {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1, maxFreeSockets: 1 });
    const served: Served = {
      link,
      agent,
      carried: new Set(),
      client,
      host: undefined,
      open: 0,
      turn: Promise.resolve(),
      now: undefined,
      asked: false,
    };
    agent.createConnection = (_options, done) => {
      this.#connect(served).then(
        (socket) => done?.(null, socket),
        (error: Error) => done?.(error, undefined as never),
      );
      return undefined;
    };
    this.#served.set(client, served);
    client.once('close', () => {
      this.#served.delete(client);
      // Node's clients, for one, look at a certificate only when the handshake is over.
      if (!served.asked && link.secure) this.#parts.ledger.failed(link.way, UNTAKEN);
      served.now?.outgoing?.destroy();
      agent.destroy();
      served.host?.destroy();
    });
    client.on('error', () => {});
    this.#server.emit('connection', client);
    client.resume();
  }

  /** Cuts the connections that have carried a credential; gives back how many. */
  cut(credential: string): number {
    const carries = ({ carried, now }: Served): boolean =>
      carried.has(credential) ||
      (now !== undefined && [...now.passage.used.keys()].some(({ name }) => name === credential));
    const cut = [...this.#served.values()].filter(carries);
    for (const { client, host } of cut) {
      host?.destroy();
      client.destroy();
    }
    return cut.length;
  }

  [Symbol.dispose](): void {
    for (const { client, host } of this.#served.values()) {
      host?.destroy();
      client.destroy();
    }
    this.#server.close();
  }

  async #connect(served: Served): Promise<Duplex> {
    const host = await served.link.connect();
    served.host = host;
    host.once('close', () => {
      if (served.host === host) served.host = undefined;
      // As it would be without the gate: the server sees that the host has ended the connection.
      if (served.open === 0) served.client.end();
    });
    if (served.client.destroyed) host.destroy();
    try {
      served.now?.passage.leave();
    } catch (error) {
      host.destroy();
      throw error;
    }
    return host;
  }

  /** Sees one request after the other through. Never rejects. */
  async #take(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const served = this.#served.get(request.socket);
    if (served === undefined) {
      response.destroy();
      return;
    }
    response.on('error', () => {});
    gather(request);
    served.asked = true;
    if (served.open > MOST_WAITING) {
      if (!served.client.destroyed)
        this.#parts.ledger.refused(served.link.way, 'too many requests wait for an answer');
      served.client.destroy();
      return;
    }
    served.open++;
    const before = served.turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    served.turn = promise;
    await before;
    try {
      // What comes behind a request that was refused would have no answer.
      if (!served.client.destroyed && !served.client.writableEnded)
        await this.#pass(request, response, served);
    } catch (error) {
      this.#parts.log.error({ host: served.link.way.host, error: String(error) }, 'a request broke');
      served.client.destroy();
    } finally {
      for (const { name } of served.now?.passage.used.keys() ?? []) served.carried.add(name);
      served.now = undefined;
      served.open--;
      resolve();
    }
    if (served.host === undefined && served.open === 0 && response.writableFinished) served.client.end();
  }

  async #pass(request: http.IncomingMessage, response: http.ServerResponse, served: Served): Promise<void> {
    const { link, agent } = served;
    const method = request.method ?? '';
    const target = request.url ?? '';
    const passage = new Passage(this.#parts, link.way, link.secure, method, target.split('?', 1)[0] ?? '');
    served.now = { passage, outgoing: undefined };
    let held = 0;
    const hold = (bytes: number): void => {
      if (this.#held + bytes > MOST_HELD) throw new Denial(503, 'too much is held in memory');
      this.#held += bytes;
      held += bytes;
    };
    try {
      const head: Head = { method, target, fields: fieldsOf(request.rawHeaders) };
      processHead(head, passage, { ...link.way, secure: link.secure });
      const body = await prepareBody(request, head, passage, hold);
      passage.leave();
      const outgoing = http.request({
        agent,
        method,
        path: head.target,
        headers: [...head.fields, ...body.framing].flat(),
        setHost: false,
        joinDuplicateHeaders: false,
      });
      // What breaks is told to whoever waits; later, nobody does.
      outgoing.on('error', () => {});
      served.now.outgoing = outgoing;
      response.once('close', () => response.writableFinished || outgoing.destroy());
      const answering = answered(outgoing);
      const sent = body.send(outgoing);
      // A host may answer before it has read all; what was refused on the way has no answer.
      const answer = await Promise.race([answering, sent.then(() => answering)]);
      this.#judge(passage, answer.statusCode ?? 0, link.way.host);
      const asks = body.asksForToken || asksForToken(Buffer.from(target, 'latin1'));
      const owner = asks ? this.#owner(passage, link) : undefined;
      await passBack(answer, response, method, {
        sealing: this.#parts.sealing,
        seal: owner && ((token) => this.#parts.sealed.seal(token, owner)),
        hold,
      });
      await sent.catch(() => {});
    } catch (error) {
      this.#fail(error, request, response, served, passage);
    } finally {
      await written(response, served.client);
      this.#held -= held;
    }
  }

  #judge(passage: Passage, status: number, host: string): void {
    passage.answered(status);
    for (const credential of passage.used.keys()) this.#parts.judged(credential, status, host);
  }

  #owner(passage: Passage, { way }: Link): SealedCredential | undefined {
    const { sealed } = this.#parts;
    return ownerOf(passage.used.keys(), sealed.all, (one) => one.allowsHost(way.host, way.port));
  }

  /** The one exit of what is not passed on. */
  #fail(
    error: unknown,
    request: http.IncomingMessage,
    response: http.ServerResponse,
    { link }: Served,
    passage: Passage,
  ): void {
    const { ledger, log } = this.#parts;
    const denial = asDenial(error);
    passage.lost(denial.reason);
    if (denial.status === 502 || denial.status === 504) ledger.failed(link.way, denial.reason);
    else ledger.refused(link.way, denial.reason);
    if (denial.cause !== undefined)
      log.debug({ host: link.way.host, error: String(denial.cause) }, denial.reason);
    if (response.headersSent) {
      // Half of an answer is not to be taken for a whole one.
      response.destroy();
      return;
    }
    answerDenial(response, denial);
    request.resume();
  }

  #turnAway(key: Socket, socket: Duplex, text: string): void {
    const served = this.#served.get(key);
    if (served !== undefined) {
      served.asked = true;
      this.#parts.ledger.refused(served.link.way, text);
    }
    answerPlainly(socket, '501 Not Implemented', text);
  }

  #malformed(error: Error, socket: Duplex): void {
    const served = this.#served.get(socket);
    const { code = '' } = error as NodeJS.ErrnoException;
    if (served !== undefined && code.startsWith('HPE_')) {
      served.asked = true;
      this.#parts.ledger.refused(served.link.way, `the request is malformed (${code})`);
    }
    answerPlainly(socket, '400 Bad Request', 'the request is malformed');
  }
}

const UPGRADE =
  'a change of protocol (WebSocket, HTTP/2) is not there yet for a host with a sealed credential';
const CONNECT = 'there is no proxy here';
const UNTAKEN =
  'it ended without a request: the server may not take the certificate of the gate (it pins another, or does not read the trust that it is given)';

/** The answer to a request. Rejects with what broke it. */
function answered(outgoing: http.ClientRequest): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    outgoing.once('response', (answer) => {
      gather(answer);
      resolve(answer);
    });
    outgoing.once('error', reject);
    outgoing.once('close', () => reject(new Error('the connection ended before an answer')));
  });
}

/** Settles when the server has taken the whole of an answer, or has gone: until then the answer is in memory. */
async function written(response: http.ServerResponse, client: Duplex): Promise<void> {
  if (response.writableFinished || client.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once('finish', resolve);
  client.once('close', resolve);
  await promise;
  client.off('close', resolve);
}
