// The sides of a comparison: what a host may start to reach a stdio server. Each has a name, what it is in a report, and what
// opens a session through it.
import { Client, environment } from './client.js';
import { HttpClient } from './http-client.js';
import { freePort, httpPeers, installPeers, sandboxRuntime } from './peers.js';
import { compiled } from './servers.js';

/** By side, how it is named, and as what it is drawn. */
export const SIDES = {
  direct: { title: 'direct', kind: 'plain' },
  pipes: { title: 'pass-through in C, pipes', kind: 'plain' },
  sockets: { title: 'pass-through in C, sockets', kind: 'plain' },
  warder: { title: 'Warder, no sandbox', kind: 'warder' },
  sandboxed: { title: 'Warder, sandboxed', kind: 'warder' },
  lazy: { title: 'Warder, sandboxed, lazy', kind: 'warder' },
  warm: { title: 'Warder, sandboxed, warm', kind: 'warder' },
  node: { title: "Warder, Node's launcher", kind: 'warder' },
  srt: { title: 'sandbox-runtime', kind: 'other' },
  'mcp-proxy': { title: 'mcp-proxy (HTTP)', kind: 'other' },
  supergateway: { title: 'supergateway (HTTP)', kind: 'other' },
};

/** Bars of figures by side, those of `SIDES` in their order. `of`: the value of a side's figures. */
export function bars(figures, of = undefined) {
  return Object.entries(SIDES).flatMap(([side, { title, kind }]) => {
    const figure = figures[side];
    if (figure === undefined) return [];
    if (of !== undefined) return [{ label: title, kind, value: of(figure) }];
    return [{ label: title, kind, value: figure.median, low: figure.low, high: figure.high }];
  });
}

/**
 * By side, what opens a session with a server: it resolves to a client and the milliseconds to the `initialize` answer.
 * `warder`: a running Warder with the profiles NAME, NAME-sandboxed, NAME-lazy and, where it has them, NAME-warm.
 */
export function openers(bench, warder, name, { argv }) {
  installPeers();
  const env = environment();
  const pass = compiled('pass', bench.folder);
  const stdio =
    (command, surroundings = warder.env) =>
    () =>
      Client.start(command, surroundings);
  const http = (peer) => async () => HttpClient.start(httpPeers[peer](argv, await freePort()), env);
  return {
    direct: stdio(argv, env),
    pipes: stdio([pass, 'pipe', ...argv], env),
    sockets: stdio([pass, 'socket', ...argv], env),
    warder: stdio(warder.run(name)),
    sandboxed: stdio(warder.run(`${name}-sandboxed`)),
    lazy: stdio(warder.run(`${name}-lazy`)),
    warm: stdio(warder.run(`${name}-warm`)),
    node: stdio(warder.runByNode(name)),
    srt: stdio([...sandboxRuntime(bench.folder), ...argv], env),
    'mcp-proxy': http('mcp-proxy'),
    supergateway: http('supergateway'),
  };
}

/**
 * As `openers`, without lazy and warm sides, and each side through Warder has a daemon of its own: sessions of one that are
 * busy at once get a share of the time each. Ends the daemons when it is disposed of.
 */
export function openersAlone(bench, name, server) {
  const daemons = new DisposableStack();
  const own = () => {
    const warder = daemons.use(bench.warder());
    writeProfiles(warder, name, server);
    warder.start();
    return openers(bench, warder, name, server);
  };
  const { lazy: _l, warm: _w, ...open } = own();
  const { sandboxed } = own();
  const { node } = own();
  return { open: { ...open, sandboxed, node }, [Symbol.dispose]: () => daemons.dispose() };
}

/** Writes the profiles that `openers` needs. */
export function writeProfiles(warder, name, { argv }) {
  warder.profile(name, argv);
  warder.profile(`${name}-sandboxed`, argv, {});
  for (const start of ['lazy', 'warm']) warder.profile(`${name}-${start}`, argv, { server: { start } });
}
