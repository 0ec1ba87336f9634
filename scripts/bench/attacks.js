// The attacks of the bench of isolation: what a session, or a client of the daemon's socket, does to the daemon until `stop`.
import { connect } from 'node:net';
import { Host, initialize } from './session-host.js';

const MIB = 2 ** 20;

/** A session that does nothing but attack, until `stop`. */
function attackingSession(attack) {
  return async ({ run, env, begun, stop }) => {
    const host = new Host(run, env).skim();
    stop.addEventListener('abort', () => host.kill());
    host.send({ id: 0, method: 'initialize', params: initialize });
    await host.nextLine();
    if (host.isEnded && !stop.aborted) throw new Error(`the attack has not begun: ${run.join(' ')}`);
    host.send({ method: 'notifications/initialized' });
    begun();
    await attack?.(host, stop);
  };
}

/** Clients of the daemon's socket. */
function clients(count, talk) {
  return async ({ socket, begun, stop }) => {
    const hello = frame(1, { wire: 1, kind: 'control' });
    const open = Array.from({ length: count }, () => {
      const client = connect(socket).on('error', () => {});
      client.write(hello);
      talk?.(client, stop);
      return client;
    });
    begun();
    stop.addEventListener('abort', () => {
      for (const client of open) client.destroy();
    });
  };
}

function frame(type, value) {
  const payload = Buffer.from(JSON.stringify(value));
  const head = Buffer.alloc(5);
  head[0] = type;
  head.writeUInt32LE(payload.length, 1);
  return Buffer.concat([head, payload]);
}

const listTools = attackingSession(async (host, stop) => {
  for (let id = 1; !stop.aborted && !host.isEnded; id++) {
    host.send({ id, method: 'tools/list', params: {} });
    await host.nextLine();
  }
});

/** Once the tools are accepted. */
const listChanges = attackingSession(async (host, stop) => {
  host.send({ id: 'first', method: 'tools/call', params: { name: 'tool_0' } });
  await host.nextLine();
  for (let id = 1; !stop.aborted && !host.isEnded; id++) {
    host.send({ id, method: 'tools/list', params: {} });
    await host.nextLine();
  }
});

/** Calls of the echo server, so many in flight, which the host reads. */
function calls(width, args) {
  return attackingSession(async (host, stop) => {
    let id = 0;
    const send = () =>
      host.send({ id: ++id, method: 'tools/call', params: { name: 'echo', arguments: args } });
    host.onLines((lines) => {
      for (let line = 0; line < lines && !stop.aborted; line++) send();
    });
    for (let call = 0; call < width; call++) send();
  });
}

export const attacks = {
  calls: { title: '64 small calls in flight', start: calls(64, { text: 'hello' }) },
  large: { title: 'answers of 10 MB, one after the other', start: calls(1, { bytes: 10e6 }) },
  lines: { title: 'standard error without an end', start: attackingSession() },
  'unread-host': {
    title: 'answers of 1 MB that the host does not read',
    start: attackingSession(async (host, stop) => {
      host.pause();
      for (let id = 1; !stop.aborted && !host.isEnded; id++) {
        const params = { name: 'echo', arguments: { bytes: MIB } };
        if (!host.send({ id, method: 'tools/call', params })) await host.drained();
      }
    }),
  },
  storm: {
    title: 'sessions that are opened and killed, eight at a time',
    start: async ({ run, env, begun, stop }) => {
      begun();
      const one = async () => {
        while (!stop.aborted) {
          const host = new Host(run, env).skim();
          host.send({ id: 0, method: 'initialize', params: initialize });
          await host.nextLine();
          host.kill();
          await host.ended;
        }
      };
      await Promise.all(Array.from({ length: 8 }, one));
    },
  },
  stderr: { title: 'a sandboxed server floods stderr', start: attackingSession() },
  capabilities: {
    title: '8 MB of capabilities, session after session',
    start: async (context) => {
      while (!context.stop.aborted) {
        const once = new AbortController();
        context.stop.addEventListener('abort', () => once.abort());
        await attackingSession()({ ...context, stop: once.signal });
        once.abort();
      }
    },
  },
  name: { title: 'a tool name of 60 MiB, listed again and again', start: listTools },
  changes: {
    title: '5,000 tools of 1 KiB that are others each time, listed again and again',
    start: listChanges,
  },
  tools: { title: '1,000,000 tools and 21 patterns, listed again and again', start: listTools },
  subscriptions: {
    title: '600 subscriptions of 1 MiB that stay open',
    start: attackingSession(async (host, stop) => {
      const _meta = {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientInfo': initialize.clientInfo,
        'io.modelcontextprotocol/clientCapabilities': {},
      };
      for (let id = 1; id <= 600 && !stop.aborted && !host.isEnded; id++) {
        const params = { _meta, notifications: { resourceSubscriptions: [`file:///${'s'.repeat(MIB)}`] } };
        if (!host.send({ id, method: 'subscriptions/listen', params })) await host.drained();
      }
    }),
  },
  forms: { title: 'compressed forms of near misses on 16 connections', start: attackingSession() },
  idle: { title: '900 idle control connections', start: clients(900) },
  unread: {
    title: 'control clients that do not read',
    start: clients(16, (client, stop) => {
      client.pause();
      const many = Buffer.concat(
        Array.from({ length: 200 }, (_, id) => frame(8, { id, verb: 'status', params: {} })),
      );
      const pour = () => {
        while (!stop.aborted && client.write(many));
      };
      client.on('drain', pour);
      pour();
    }),
  },
};
