// The command line's connection to the daemon.
import type { Socket } from 'node:net';
import { WarderError } from '../errors.ts';
import { refusalError, sessionBus } from '../os/connect.ts';
import { type ControlClient, control, type Params, type Result, type Verb } from '../wire/control.ts';
import { Frame, FrameDecoder, WIRE_VERSION, writeJson } from '../wire/frame.ts';
import type { ControlHello, Refusal } from '../wire/hello.ts';

/** Speaks the control API over a connected socket. `env` may name a session bus that the daemon does not know. */
export function openControl(socket: Socket, env: NodeJS.ProcessEnv = {}): ControlClient {
  const waiting = new Map<number, { resolve(result: unknown): void; reject(error: WarderError): void }>();
  let reason = new WarderError('daemon-unreachable', 'the daemon closed the connection', {
    hint: '"warder daemon status" says whether it still runs',
  });
  let lastId = 0;

  const decoder = new FrameDecoder({
    bytes(type) {
      throw new WarderError('wire-malformed', `frame of type ${type} on a control connection`);
    },
    frame(type, payload) {
      const message = JSON.parse(payload.toString());
      if (type === Frame.REFUSE) {
        reason = refusalError(message as Refusal);
        socket.destroy();
        return;
      }
      const pending = type === Frame.RESPONSE ? waiting.get(message.id) : undefined;
      if (pending === undefined) throw new WarderError('wire-malformed', `unexpected frame of type ${type}`);
      waiting.delete(message.id);
      if (message.error === undefined) pending.resolve(message.result);
      else pending.reject(refusalError(message.error));
    },
  });
  socket.on('data', (chunk: Buffer) => {
    try {
      decoder.push(chunk);
    } catch (error) {
      if (error instanceof WarderError) reason = error;
      socket.destroy();
    }
  });
  // Handled by the "close" that follows.
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      for (const { reject } of waiting.values()) reject(reason);
      waiting.clear();
      resolve();
    });
  });
  const hello: ControlHello = { wire: WIRE_VERSION, kind: 'control', ...sessionBus(env) };
  writeJson(socket, Frame.HELLO, hello);

  return {
    closed,
    async request<V extends Verb>(verb: V, params: Params<V>): Promise<Result<V>> {
      const result = await new Promise((resolve, reject) => {
        if (socket.destroyed) {
          reject(reason);
          return;
        }
        const id = ++lastId;
        waiting.set(id, { resolve, reject });
        writeJson(socket, Frame.REQUEST, { id, verb, params });
      });
      const parsed = control[verb].result.safeParse(result);
      if (parsed.success) return parsed.data as Result<V>;
      throw new WarderError('daemon-version', `the daemon's answer to "${verb}" is malformed`, {
        hint: 'its version may differ from this program\'s: run "warder stop" and try again',
        cause: parsed.error,
      });
    },
    async [Symbol.asyncDispose]() {
      socket.destroy();
      await closed;
    },
  };
}
