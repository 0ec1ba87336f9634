// Requests of the relay's own to a server: to greet it, to open again what the host has opened, to list its tools.
// They share the ids with those of the host, so that an answer can never be taken for another.

import type { Envelope, Id } from '../../json/envelope.ts';
import { type Member, readMember } from '../../json/read.ts';
import type { Scanned, Wanted } from '../../json/scan.ts';
import { ownId } from '../ids.ts';
import type { Upstream } from '../upstream.ts';

/** The JSON text of a result, whose members `find` finds, or why there is none; `refused`: the server has answered with an error. */
export type OwnAnswer =
  | { readonly result: Buffer; readonly find: (name: Wanted) => Member }
  | { readonly error: string; readonly refused?: true };

interface Waiting {
  readonly upstream: Upstream;
  readonly done: (answer: OwnAnswer) => void;
}

/** The open ones of one session. */
export class OwnRequests {
  readonly #nextId: () => number;
  readonly #limit: number;
  readonly #open = new Map<number, Waiting>();

  /** `nextId` gives the next id of the relay's own; `limit` is the longest result in bytes. */
  constructor(nextId: () => number, limit: number) {
    this.#nextId = nextId;
    this.#limit = limit;
  }

  /** Whether none is open. */
  get isEmpty(): boolean {
    return this.#open.size === 0;
  }

  /**
   * Asks a server. `params` is JSON text; undefined: none. Settles with its answer, or with an error after `ms`
   * milliseconds, and when the server is gone. Never rejects.
   */
  ask(upstream: Upstream, method: string, params: Buffer | undefined, ms: number): Promise<OwnAnswer> {
    const id = this.#nextId();
    const { promise, resolve } = Promise.withResolvers<OwnAnswer>();
    const timer = setTimeout(() => this.#open.get(id)?.done({ error: 'did not answer in time' }), ms);
    const done = (answer: OwnAnswer): void => {
      clearTimeout(timer);
      this.#open.delete(id);
      resolve(answer);
    };
    this.#open.set(id, { upstream, done });
    sendRequest(upstream, id, method, params);
    upstream.flush();
    return promise;
  }

  /**
   * A server has answered something; `scanned`: what is known of a long line, which stays as it is. Whether it was one of
   * these requests, made of this server.
   */
  answered(upstream: Upstream, message: Envelope, bytes: Buffer, scanned?: Scanned): boolean {
    const waiting = this.#askedOf(upstream, message.id);
    if (waiting === undefined) return false;
    const { failed, resultStart, resultEnd } = message;
    if (failed) waiting.done({ error: 'answered with an error', refused: true });
    else if (resultEnd - resultStart > this.#limit) waiting.done({ error: 'gave too long an answer' });
    else {
      const range = bytes.subarray(resultStart, resultEnd);
      const result = scanned === undefined ? Buffer.from(range) : range;
      const find = (name: Wanted): Member =>
        scanned === undefined
          ? readMember(result, 0, result.length, name)
          : shifted(scanned.find(name), -resultStart);
      waiting.done({ result, find });
    }
    return true;
  }

  /** A server has answered something that cannot be read. */
  unreadable(upstream: Upstream, id: Id | undefined): void {
    this.#askedOf(upstream, id)?.done({ error: 'gave an answer that cannot be read' });
  }

  /** A server is gone. */
  abandon(upstream: Upstream): void {
    for (const waiting of this.#open.values())
      if (waiting.upstream === upstream) waiting.done({ error: 'ended' });
  }

  #askedOf(upstream: Upstream, id: Id | undefined): Waiting | undefined {
    const own = ownId(id);
    const waiting = own === undefined ? undefined : this.#open.get(own);
    return waiting?.upstream === upstream ? waiting : undefined;
  }
}

function shifted(member: Member, by: number): Member {
  return typeof member === 'string' ? member : { start: member.start + by, end: member.end + by };
}

/**
 * The `params` of a request of the relay's own, as JSON text: what the host says of itself in each request, if it does, and
 * a member with a value.
 */
export function ownParams(
  meta: Buffer | undefined,
  name?: 'cursor' | 'uri',
  value?: Buffer,
): Buffer | undefined {
  if (meta === undefined && value === undefined) return undefined;
  const members = [
    ...(value === undefined ? [] : [Buffer.concat([Buffer.from(`"${name}":`), value])]),
    ...(meta === undefined ? [] : [Buffer.concat([Buffer.from('"_meta":'), meta])]),
  ];
  const [first = Buffer.alloc(0), second] = members;
  const body = second === undefined ? first : Buffer.concat([first, Buffer.from(','), second]);
  return Buffer.concat([Buffer.from('{'), body, Buffer.from('}')]);
}

/** Sends a request that the relay words itself. `params` is JSON text; undefined: none. */
export function sendRequest(
  upstream: Upstream,
  id: number,
  method: string,
  params: Buffer | undefined,
): void {
  const head = `{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(method)}`;
  const bytes =
    params === undefined
      ? Buffer.from(`${head}}`)
      : Buffer.concat([Buffer.from(`${head},"params":`), params, Buffer.from('}')]);
  upstream.send({ bytes, start: 0, end: bytes.length, from: 0, to: 0, text: '', method, name: '', id });
}
