// What the gate waits for once a request has left: the host's response, and that the server has received it.
import type * as http from 'node:http';
import type { Duplex } from 'node:stream';
import { coalesce } from './coalesce.ts';
import type { SwitchedConnection } from './forwarder.ts';
import { type ResponseSource, toFields } from './response.ts';

/** The response to a request. Rejects with what broke it. */
export function waitForResponse(outgoing: http.ClientRequest): Promise<ResponseSource> {
  return new Promise((resolve, reject) => {
    outgoing.once('response', (answer) => {
      coalesce(answer);
      const { statusCode = 502, statusMessage = '', rawHeaders } = answer;
      resolve({ status: statusCode, phrase: statusMessage, fields: toFields(rawHeaders), body: answer });
    });
    outgoing.once('error', reject);
    outgoing.once('close', () => reject(new Error('the connection ended before a response')));
  });
}

/** The response to a request that switches protocols. Rejects with what broke it. */
export function waitForSwitch(outgoing: http.ClientRequest): Promise<ResponseSource | SwitchedConnection> {
  return new Promise((resolve, reject) => {
    outgoing.once('upgrade', (answer, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      resolve({ status: 101, fields: toFields(answer.rawHeaders), socket });
    });
    waitForResponse(outgoing).then(resolve, reject);
  });
}

/** Settles when the server has received the whole response, or has gone: until then the response is in memory. */
export async function waitForDelivery(response: http.ServerResponse, client: Duplex): Promise<void> {
  if (response.writableFinished || client.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once('finish', resolve);
  client.once('close', resolve);
  await promise;
  client.off('close', resolve);
}
