// The way of messages from the server to the host: redact, match, audit, forward. An answer goes on only if it is
// the first to a request that is open; what is no message does not go on at all.
import { isUtf8 } from 'node:buffer';
import { decide, denies } from '../policy/decide.ts';
import { errorLine } from './error-response.ts';
import {
  BUSY,
  CALL,
  CANCELLED,
  DISCOVER,
  type Exchange,
  ID_OURS,
  INITIALIZE,
  isBlank,
  requestIdOf,
  UNAUDITED,
} from './exchange.ts';
import { TELLING } from './handshake.ts';
import { LISTEN, type Open } from './host-requests.ts';
import { type Envelope, type Id, readEnvelope, withId } from './json/envelope.ts';
import type { Oversize } from './json/lines.ts';
import { idOf } from './json/oversize.ts';
import { cutTools, type Listing } from './listing.ts';

const LIST = 'tools/list';
const ACKNOWLEDGED = 'notifications/subscriptions/acknowledged';
const SUBSCRIPTION = 'io.modelcontextprotocol/subscriptionId';

/** Bytes of a line that is no message in the daemon's log. */
const MAX_PREFIX = 200;

/** The lines of the server that has the session. */
export class FromServer {
  readonly #exchange: Exchange;
  /** Whether any tool may have to be cut out of a list. */
  readonly #cuts: boolean;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
    this.#cuts = denies(exchange.options.policy, 'tools');
  }

  line(bytes: Buffer, start: number, end: number): void {
    const message = readEnvelope(bytes, start, end);
    if (this.#exchange.isClean(bytes)) {
      this.#pass(message, bytes, start, end);
      return;
    }
    const line = bytes.subarray(start, end);
    const redacted = this.#exchange.redactor.redact(line);
    if (redacted === line) {
      this.#pass(message, bytes, start, end);
      return;
    }
    // What was taken out may have been more than the content of a string.
    const left = readEnvelope(redacted, 0, redacted.length);
    const same = left.kind === message.kind && left.id === message.id && left.method === message.method;
    if (same && left.fault === message.fault) this.#pass(left, redacted, 0, redacted.length);
    else this.#withhold(message, redacted, 'a credential is in it that cannot be taken out');
  }

  oversize(line: Oversize): void {
    this.#exchange.odd.note('a line of the server is over the limit', () => ({ bytes: line.length }));
    const id = idOf(line);
    const open = id === undefined ? undefined : this.#exchange.requests.take(id);
    if (open !== undefined)
      this.#exchange.fail(open, 'withheld', 'the answer is longer than the relay takes');
  }

  #pass(message: Envelope, bytes: Buffer, start: number, end: number): void {
    const { fault } = message;
    if (fault === undefined) {
      if (message.kind === 'response') this.#answer(message, bytes, start, end);
      else if (message.kind === 'request') this.#question(message, bytes, start, end);
      else this.#notice(message, bytes, start, end);
    } else if (!isBlank(bytes, start, end)) {
      this.#withhold(message, bytes.subarray(start, end), fault.text);
    }
  }

  /** An answer to a request of the host, or to one of the relay. */
  #answer(message: Envelope, bytes: Buffer, start: number, end: number): void {
    const { requests, toHost, odd } = this.#exchange;
    const { id, failed } = message;
    const open = id === undefined ? undefined : requests.take(id);
    if (open === undefined) {
      if (id === undefined || failed || !this.#exchange.isOurs(id)) {
        odd.note('the server has answered what is not open', () => ({ bytes: end - start, failed }));
      }
      return;
    }
    if (open.method === CALL) {
      const outcome = failed ? 'error' : message.isError ? 'tool-error' : 'ok';
      if (!this.#exchange.record(open, outcome, bytes.subarray(start, end))) {
        this.#exchange.tell(open.id, UNAUDITED);
        return;
      }
    } else if (!failed && open.method === LIST && this.#cuts) {
      const listing = this.#cut(message, bytes, start, end);
      if (listing !== undefined) {
        if ('fault' in listing) this.#exchange.fail(open, 'withheld', listing.fault);
        else toHost.message(listing.line);
        return;
      }
    } else if (open.method === LISTEN) {
      this.#exchange.relisted.delete(open.id);
    } else if (!failed) {
      this.#remember(open, bytes.subarray(message.resultStart, message.resultEnd));
    }
    toHost.line(bytes, start, end);
  }

  #cut(message: Envelope, bytes: Buffer, start: number, end: number): Listing | undefined {
    if (!isUtf8(bytes.subarray(start, end))) return { fault: 'the list of tools is not UTF-8' };
    const { policy } = this.#exchange.options;
    const hidden = (name: string): boolean =>
      decide(policy, { kind: 'tools', name, method: CALL }).decision === 'deny';
    return cutTools(bytes, start, end, message.resultStart, hidden);
  }

  /** The server has taken something that a new one would have to be told again. */
  #remember({ method, kept }: Open, result: Buffer): void {
    const { handshake } = this.#exchange;
    if (method === DISCOVER) handshake.discovered(result);
    else if (kept === undefined) return;
    else if (method === INITIALIZE) handshake.opened(kept, result);
    else if (TELLING.has(method)) handshake.told(method, kept);
  }

  /** A question of the server to the host. */
  #question(message: Envelope, bytes: Buffer, start: number, end: number): void {
    const { questions, toHost, upstream, odd, options } = this.#exchange;
    const { id } = message;
    if (id === undefined) return;
    const refusal = this.#exchange.isOurs(id) ? ID_OURS : questions.size < options.open ? undefined : BUSY;
    if (refusal !== undefined) {
      odd.note('refused a request of the server', () => ({ why: refusal.text }));
      upstream.out.message(errorLine(id, refusal.code, refusal.text));
      return;
    }
    const asked = questions.ask(id);
    if (asked === id) toHost.line(bytes, start, end);
    else toHost.message(withId(bytes, start, end, message.idStart, message.idEnd, asked));
  }

  #notice(message: Envelope, bytes: Buffer, start: number, end: number): void {
    const { relisted, toHost } = this.#exchange;
    if (message.method === CANCELLED) {
      this.#cancelled(message, bytes, start, end);
      return;
    }
    if (relisted.size > 0 && message.method === ACKNOWLEDGED) {
      if (relisted.delete(subscriptionOf(bytes, start, end))) return;
    }
    toHost.line(bytes, start, end);
  }

  /** The server takes a question back; or, from 2026-07-28, ends a subscription of the host. */
  #cancelled(message: Envelope, bytes: Buffer, start: number, end: number): void {
    const { questions, requests, toHost } = this.#exchange;
    const id = requestIdOf(message, bytes);
    const asked = id === undefined ? undefined : questions.cancel(id);
    if (asked !== undefined && asked !== id) {
      const { requestIdStart, requestIdEnd } = message;
      toHost.message(withId(bytes, start, end, requestIdStart, requestIdEnd, asked));
      return;
    }
    if (asked === undefined && id !== undefined && requests.get(id)?.method === LISTEN) requests.cancel(id);
    toHost.line(bytes, start, end);
  }

  /** A line is not to go on. If it was an answer, the host gets an error in its place. */
  #withhold({ kind, id }: Envelope, line: Buffer, why: string): void {
    const { requests, odd, redactor } = this.#exchange;
    const open = kind === 'response' && id !== undefined ? requests.take(id) : undefined;
    if (open !== undefined) {
      this.#exchange.fail(open, 'withheld', `the answer of the server is withheld: ${why}`);
      return;
    }
    odd.note('the server has said what is no message', () => ({
      bytes: line.length,
      why,
      prefix: JSON.stringify(redactor.redact(line).subarray(0, MAX_PREFIX).toString()),
    }));
  }
}

/** The subscription that a notification belongs to; empty if that cannot be said. */
function subscriptionOf(bytes: Buffer, start: number, end: number): Id {
  const message: { params?: { _meta?: Record<string, unknown> } } = JSON.parse(
    bytes.toString('utf8', start, end),
  );
  const id = message.params?._meta?.[SUBSCRIPTION];
  return typeof id === 'string' || typeof id === 'number' ? id : '';
}
