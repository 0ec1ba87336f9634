// Messages of Warder's own, and messages with another id.
import { type Envelope, readEnvelope } from '../../json/envelope.ts';
import type { Range } from '../../json/read.ts';
import type { RemoteMessage } from '../pipe.ts';
import { replaced } from './objects.ts';

/** Errors of JSON-RPC 2.0, section 5.1. */
export const NO_METHOD = -32601;
export const BAD_PARAMS = -32602;
export const INTERNAL = -32603;
/** Of MCP: the protocol version is none that the other side speaks. */
export const BAD_VERSION = -32022;

/** A message as it came. */
export interface Incoming {
  readonly json: Buffer;
  readonly envelope: Envelope;
}

export function incoming(json: Buffer): Incoming {
  return { json, envelope: readEnvelope(json, 0, json.length) };
}

/** Where the `params` are; undefined where there are none. */
export function paramsOf({ paramsStart, paramsEnd }: Envelope): Range | undefined {
  return paramsStart === -1 ? undefined : { start: paramsStart, end: paramsEnd };
}

/** Where the result is; undefined of an error. */
export function resultOf({ resultStart, resultEnd }: Envelope): Range | undefined {
  return resultStart === -1 ? undefined : { start: resultStart, end: resultEnd };
}

/** `params` is JSON text. */
export function requestMessage(id: number, method: string, params?: Buffer, name = ''): RemoteMessage {
  return { json: request(String(id), method, params), kind: 'request', method, name, id };
}

export function notificationMessage(method: string, params?: Buffer): RemoteMessage {
  return { json: notification(method, params), kind: 'notification', method, name: '', id: undefined };
}

export function responseMessage(json: Buffer): RemoteMessage {
  return { json, kind: 'response', method: '', name: '', id: undefined };
}

/** `id` and `params` are JSON texts. */
export function request(id: string, method: string, params?: Buffer): Buffer {
  return withParams(`{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(method)}`, params);
}

export function notification(method: string, params?: Buffer): Buffer {
  return withParams(`{"jsonrpc":"2.0","method":${JSON.stringify(method)}`, params);
}

/** `id` and `value` are JSON texts. */
export function result(id: string | number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`{"jsonrpc":"2.0","id":${id},"result":`), value, Buffer.from('}')]);
}

/** An answer with an error (JSON-RPC 2.0, section 5.1). `id` is JSON text; `data` is left out where it is undefined. */
export function error(id: string | number, code: number, message: string, data?: unknown): Buffer {
  return Buffer.from(`{"jsonrpc":"2.0","id":${id},"error":${JSON.stringify({ code, message, data })}}`);
}

/** The message under another id, given as JSON text. */
export function withId({ json, envelope: { idStart, idEnd } }: Incoming, id: string | number): Buffer {
  return replaced(json, { start: idStart, end: idEnd }, Buffer.from(String(id)));
}

function withParams(head: string, params: Buffer | undefined): Buffer {
  if (params === undefined) return Buffer.from(`${head}}`);
  return Buffer.concat([Buffer.from(`${head},"params":`), params, Buffer.from('}')]);
}
