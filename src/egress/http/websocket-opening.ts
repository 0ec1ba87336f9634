// A request to switch protocols on a connection that the gate decrypts: it goes to the host like any other request, and
// where the host agrees, the two are joined as a WebSocket.
import * as http from 'node:http';
import type { Socket } from 'node:net';
import { type Duplex, Readable } from 'node:stream';
import type { EgressLedger } from '../ledger.ts';
import { waitForDelivery, waitForSwitch } from './awaited-response.ts';
import type { Forwarder } from './forwarder.ts';
import { sendDenial, toDenial } from './gate-response.ts';
import type { HttpConnection } from './http-connection.ts';
import { toFields } from './response.ts';
import { Denial, type Field } from './substitution.ts';
import { checkAccepted, checkOpening } from './websocket.ts';

export interface WebSocketOpening {
  readonly connection: HttpConnection;
  readonly forwarder: Forwarder;
  readonly ledger: EgressLedger;
  /** Refuses what is not forwarded at all. */
  readonly refuse: (denial: Denial) => void;
}

/** Handles the request, and the WebSocket after it. Never rejects. */
export async function openWebSocket(
  request: http.IncomingMessage,
  socket: Duplex,
  early: Buffer,
  { connection, forwarder, ledger, refuse }: WebSocketOpening,
): Promise<void> {
  const { method = '', url: target = '' } = request;
  const fields = toFields(request.rawHeaders);
  try {
    if (connection.pending > 0) throw new Denial(400, 'a request before this one has no response yet');
    checkOpening(method, fields);
  } catch (error) {
    refuse(toDenial(error));
    return;
  }
  connection.hasRequest = true;
  connection.pending++;
  if (early.length > 0) socket.unshift(early);
  socket.on('error', () => {});
  const response = new http.ServerResponse(request);
  response.shouldKeepAlive = false;
  response.on('error', () => {});
  response.assignSocket(socket as Socket);
  const asked = fields.map(([name, value]): Field => [name, value]);
  const body = Readable.from([]);
  await ledger.pace();
  const incoming = {
    version: '1.1',
    method,
    target,
    fields,
    body,
    undeclared: false,
    webSocket: true,
  } as const;
  let switched = false;
  await forwarder.forward(incoming, connection.upstream, {
    begin: (context) => {
      connection.current = { context, outgoing: undefined };
    },
    send: (head) => {
      const outgoing = http.request({
        agent: connection.agent,
        method,
        path: head.target,
        headers: [...head.fields, ['Connection', 'Upgrade'], ['Upgrade', 'websocket']].flat(),
        setHost: false,
        joinDuplicateHeaders: false,
      });
      outgoing.on('error', () => {});
      if (connection.current !== undefined) connection.current.outgoing = outgoing;
      response.sendDate = false;
      return { to: outgoing, response: waitForSwitch(outgoing) };
    },
    to: response,
    switchProtocols: async ({ fields: answered, socket: host }) => {
      host.on('error', () => {});
      try {
        checkAccepted(asked, answered);
      } catch (error) {
        host.destroy();
        throw error;
      }
      switched = true;
      response.detachSocket(socket as Socket);
      const told = forwarder.sealFields(answered).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.write(Buffer.from(`HTTP/1.1 101 Switching Protocols\r\n${told.join('')}\r\n`, 'latin1'));
      const path = target.split('?', 1)[0] ?? '';
      for (const { name } of connection.current?.context.usedCredentials.keys() ?? [])
        connection.usedCredentials.add(name);
      await forwarder.joinWebSocket(socket, host, connection.upstream, path, connection.gone, (context) => {
        for (const { name } of connection.current?.context.usedCredentials.keys() ?? [])
          connection.usedCredentials.add(name);
        connection.current = { context, outgoing: undefined };
      });
    },
    refuse: (denial) => {
      if (response.headersSent || switched) socket.destroy();
      else sendDenial(response, denial);
    },
    delivered: async () => {
      if (!switched) await waitForDelivery(response, socket);
      socket.end();
    },
    gone: connection.gone,
  });
  connection.pending--;
}
