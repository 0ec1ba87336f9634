// A connection of the command line: one request after the other. The next one is not read before the answer has been,
// and a client that does not read is cut, so that a connection costs one request and one answer at most.
import type { Socket } from 'node:net';
import * as z from 'zod';
import { WarderError } from '../errors.ts';
import { Frame, type FrameListener, writeJson } from '../wire/frame.ts';
import { BUDGETS } from './budgets.ts';

export interface ControlConnectionOptions {
  /** Answers a request. Never rejects. */
  readonly answer: (verb: string, params: unknown) => Promise<{ result: unknown } | { error: object }>;
  /** Called when the last request that was read has been answered. */
  readonly onIdle: () => void;
  /** Called with the reason for which the connection is closed. */
  readonly onCut: (reason: string) => void;
  /** How long the client has to read an answer, in milliseconds. */
  readonly readTimeout: number;
}

const request = z.strictObject({ id: z.int(), verb: z.string(), params: z.unknown() });

export class ControlConnection implements FrameListener {
  readonly #socket: Socket;
  readonly #options: ControlConnectionOptions;
  /** Requests of one chunk. */
  #waiting: Buffer[] = [];
  #working = false;

  constructor(socket: Socket, options: ControlConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
  }

  /** Whether nothing is being answered. */
  get idle(): boolean {
    return !this.#working;
  }

  bytes(type: number): never {
    throw new WarderError('wire-malformed', `frame of type ${type} on a control connection`);
  }

  frame(type: number, payload: Buffer): void {
    if (type !== Frame.REQUEST) this.bytes(type);
    this.#waiting.push(Buffer.from(payload));
    if (!this.#working) void this.#work();
  }

  async #work(): Promise<void> {
    const socket = this.#socket;
    this.#working = true;
    socket.pause();
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const parsed = parseRequest(next);
      if (parsed === undefined) {
        this.#cut('malformed request: connection closed');
        return;
      }
      const { id, verb, params } = parsed;
      const answer = await this.#options.answer(verb, params);
      if (socket.destroyed) return;
      if (!this.#write({ id, ...answer }) && !(await this.#read())) {
        this.#cut('a client that does not read was cut');
        return;
      }
      // Whatever is asked, sessions have their turn in between.
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#working = false;
    this.#options.onIdle();
    socket.resume();
  }

  /** Writes an answer. Returns what `write` returns. */
  #write(answer: { id: number }): boolean {
    try {
      return writeJson(this.#socket, Frame.RESPONSE, answer);
    } catch {
      const error = { code: 'daemon-internal', message: 'the answer is too long for one frame' };
      return writeJson(this.#socket, Frame.RESPONSE, { id: answer.id, error });
    }
  }

  /** Waits until the client has read. Returns whether it has. */
  #read(): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (read: boolean) => () => {
        clearTimeout(timer);
        this.#socket.off('drain', drained).off('close', closed);
        resolve(read);
      };
      const drained = settle(true);
      const closed = settle(false);
      const timer = setTimeout(closed, this.#options.readTimeout);
      this.#socket.once('drain', drained).once('close', closed);
    });
  }

  #cut(reason: string): void {
    this.#options.onCut(reason);
    this.#waiting = [];
    this.#socket.destroy();
  }
}

function parseRequest(payload: Buffer): z.infer<typeof request> | undefined {
  if (countMembers(payload) > BUDGETS.requestMembers) return undefined;
  try {
    return request.parse(JSON.parse(payload.toString()));
  } catch {
    return undefined;
  }
}

/** The objects, arrays and commas of a JSON text: what takes time and memory to read, unlike a long string. */
function countMembers(payload: Buffer): number {
  let members = 0;
  let inString = false;
  for (let at = 0; at < payload.length; at++) {
    const byte = payload[at];
    if (byte === QUOTE) inString = !inString;
    else if (inString) {
      if (byte === BACKSLASH) at++;
    } else if (byte === COMMA || byte === BRACKET || byte === BRACE) members++;
  }
  return members;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const BRACE = 0x7b;
