// The dialler and the resolvers, with real servers on loopback. Public addresses exist in the test's own network
// namespace: nothing here leaves the machine.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as net from 'node:net';
import { join } from 'node:path';
import * as tls from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Allowlist } from '../../../../src/egress/allowlist.ts';
import { Dialler, type DiallerParts } from '../../../../src/egress/dial/dialler.ts';
import { UpstreamProxy } from '../../../../src/egress/dial/upstream-proxy.ts';
import { resolverWith, systemResolver } from '../../../../src/egress/names/resolver.ts';
import { EgressRefusal } from '../../../../src/egress/refusal.ts';
import { TestAuthority } from '../../../fixtures/authority.ts';
import { TestResolver } from '../../../fixtures/resolver.ts';

const run = promisify(execFile);
const fixtures = join(import.meta.dirname, '../../..', 'fixtures');
const HOST = '127.94.7.1';
const OTHER = '127.94.7.2';
const opens = (...ranges: string[]) => {
  const allowed = new Allowlist(ranges);
  return (address: string): boolean => allowed.opens(address);
};
const open = opens('127.94.7.0/24');

/** A server at its own address, which names itself and echoes what it gets, to the very end. */
class Host implements AsyncDisposable {
  accepted = 0;
  readonly #server: net.Server;
  readonly #open = new Set<net.Socket>();

  private constructor(server: net.Server) {
    this.#server = server;
    server.on('connection', (socket: net.Socket) => {
      this.accepted += 1;
      this.#open.add(socket);
      socket.on('error', () => {}).once('close', () => this.#open.delete(socket));
    });
  }

  static async at(address: string, serve?: (socket: net.Socket) => void, port = 0): Promise<Host> {
    const echo = (socket: net.Socket): void => {
      socket.write(`${address}:`);
      socket.on('data', (chunk) => socket.write(chunk)).once('end', () => socket.end('end'));
    };
    const server = net.createServer({ allowHalfOpen: true }, serve ?? echo).listen(port, address);
    await once(server, 'listening');
    return new Host(server);
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** What arrives on a connection to its end, after `text` and the end were sent. */
async function exchange(socket: net.Socket, text: string): Promise<string> {
  let said = '';
  socket.setEncoding('utf8').on('data', (chunk) => {
    said += chunk;
  });
  socket.end(text);
  await once(socket, 'close');
  return said;
}

let resolver: TestResolver;
beforeAll(async () => {
  resolver = await TestResolver.open();
});
afterAll(() => resolver[Symbol.asyncDispose]());

const make = (parts: Partial<DiallerParts> = {}): Dialler =>
  new Dialler({ resolve: resolverWith([resolver.server]), localAddresses: () => new Set(), ...parts });

/** Dials, and returns the error's class and message, and the addresses that were reported. */
async function dialFailure(dialler: Dialler, port: number, given = open, name = 'api.test') {
  const decided: string[] = [];
  const error: Error = await dialler
    .dial(name, port, given, (address) => decided.push(address))
    .then(
      ({ socket }) => {
        socket.destroy();
        throw new Error('it was dialled');
      },
      (reason) => reason,
    );
  return { refused: error instanceof EgressRefusal, message: error.message, decided };
}

describe('a host', () => {
  test('is dialled at the address that was checked; either side may end first', async () => {
    await using host = await Host.at(HOST);
    resolver.names.set('api.test', [HOST]);
    const decided: string[] = [];
    const { socket, address } = await make().dial('API.test.', host.port, open, (one) => {
      decided.push(one);
      expect(host.accepted).toBe(0);
    });
    expect([address, decided, socket.readableFlowing]).toEqual([HOST, [HOST], null]);
    expect(await exchange(socket, 'hello ')).toBe(`${HOST}:hello end`);
  });

  test('is resolved anew each time, and moves at once', async () => {
    await using host = await Host.at(HOST);
    await using other = await Host.at(OTHER, undefined, host.port);
    for (const address of [HOST, OTHER]) {
      resolver.names.set('api.test', [address]);
      const { socket } = await make().dial('api.test', host.port, open, () => {});
      expect(await exchange(socket, '')).toBe(`${address}:end`);
    }
    expect([host.accepted, other.accepted]).toEqual([1, 1]);
  });

  test('is dialled at its next address where one does not answer; each is reported before [W-EGR-5]', async () => {
    await using host = await Host.at(OTHER);
    resolver.names.set('api.test', ['127.94.7.9', OTHER]);
    const decided: string[] = [];
    const { socket, address } = await make().dial('api.test', host.port, open, (one) => decided.push(one));
    socket.destroy();
    expect([address, decided]).toEqual([OTHER, ['127.94.7.9', OTHER]]);
  });

  test('that accepts no connection is given up after a second, and the last one after all of the time', async () => {
    const stuck = await unaccepting(HOST);
    try {
      await using _host = await Host.at(OTHER, undefined, stuck.port);
      resolver.names.set('api.test', [HOST, OTHER]);
      const { socket, address } = await make().dial('api.test', stuck.port, open, () => {});
      socket.destroy();
      expect(address).toBe(OTHER);
      resolver.names.set('api.test', [HOST]);
      const failed = await dialFailure(make({ timeout: 300 }), stuck.port);
      expect(failed).toEqual({ refused: false, message: 'does not answer in time', decided: [HOST] });
    } finally {
      stuck.end();
    }
  });

  test('what cannot be recorded is not dialled [W-EGR-5]', async () => {
    await using host = await Host.at(HOST);
    resolver.names.set('api.test', [HOST]);
    const full = new Error('the log is full');
    const dial = make().dial('api.test', host.port, open, () => {
      throw full;
    });
    await expect(dial).rejects.toBe(full);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(host.accepted).toBe(0);
  });

  test('a dial can be aborted, before it starts and meanwhile', async () => {
    await using host = await Host.at(HOST);
    resolver.names.set('api.test', [HOST]);
    const decided: string[] = [];
    const dial = (signal: AbortSignal) =>
      make().dial('api.test', host.port, open, (one) => decided.push(one), signal);
    await expect(dial(AbortSignal.abort())).rejects.toThrow('aborted');
    resolver.silent = true;
    try {
      await expect(dial(AbortSignal.timeout(50))).rejects.toThrow('timeout');
      const failed = await dialFailure(make({ timeout: 100 }), host.port);
      expect(failed).toEqual({ refused: false, message: 'does not answer in time', decided: [] });
    } finally {
      resolver.silent = false;
    }
    expect([decided, host.accepted]).toEqual([[], 0]);
  });

  test('failures have short messages', async () => {
    resolver.names.set('api.test', []);
    expect(await dialFailure(make(), 443)).toEqual({
      refused: false,
      message: 'does not resolve',
      decided: [],
    });
    expect((await dialFailure(make(), 443, open, 'missing.test')).message).toBe('does not resolve');
    resolver.names.set('api.test', [HOST]);
    expect((await dialFailure(make(), 1)).message).toMatch(/^connect ECONNREFUSED 127\.94\.7\.1:1$/);
    const broken = make({ resolve: () => Promise.reject(new Error('queryA ESERVFAIL api.test')) });
    expect((await dialFailure(broken, 1)).message).toBe('queryA ESERVFAIL api.test');
  });
});

describe('where a name may not lead', () => {
  test.each([
    [['127.0.0.1'], '127.0.0.1, a loopback address'],
    [['::1'], '::1, a loopback address'],
    [['::ffff:127.0.0.1'], '::ffff:7f00:1, an address with an IPv4 address inside'],
    [['169.254.169.254'], "169.254.169.254, a cloud's metadata service"],
    [['fd00:ec2::254'], "fd00:ec2::254, a cloud's metadata service"],
    [['10.0.0.1', '192.168.0.1'], '10.0.0.1, a private address'],
    [['64:ff9b::7f00:1'], '64:ff9b::7f00:1, an address with an IPv4 address inside'],
    [['0.0.0.0'], '0.0.0.0, an unspecified address'],
    [['224.0.0.1'], '224.0.0.1, a multicast address'],
  ])('%j: resolves to %s [W-EGR-3]', async (addresses, words) => {
    resolver.names.set('api.test', addresses);
    const failed = await dialFailure(make(), 443);
    expect(failed).toEqual({ refused: true, message: `resolves to ${words}`, decided: [] });
  });

  test.each([['127.1'], ['0x7f000001'], ['fe80::1%lo'], ['127.0.0.1\0.test'], ['localhost'], ['']])(
    "a resolver's %j is not accepted [W-EGR-3]",
    async (address) => {
      const failed = await dialFailure(make({ resolve: async () => [address] }), 443, () => true);
      expect(failed).toEqual({
        refused: true,
        message: 'resolves to something, not an address in its usual spelling',
        decided: [],
      });
    },
  );

  test('of mixed answers only the allowed addresses are dialled [W-EGR-3]', async () => {
    await using host = await Host.at(HOST);
    await using bad = await Host.at('127.0.0.1', undefined, host.port);
    resolver.names.set('api.test', ['::1', '127.0.0.1', '10.0.0.1', HOST, '::ffff:127.0.0.1']);
    const decided: string[] = [];
    const { socket } = await make().dial('api.test', host.port, open, (one) => decided.push(one));
    expect(await exchange(socket, '')).toBe(`${HOST}:end`);
    expect([decided, bad.accepted]).toEqual([[HOST], 0]);
  });

  test('a name that changes its address between lookup and dial is dialled where it was checked [W-EGR-3]', async () => {
    await using host = await Host.at(HOST);
    await using bad = await Host.at('127.0.0.1', undefined, host.port);
    let looks = 0;
    resolver.names.set('api.test', () => (looks++ < 2 ? [HOST] : ['127.0.0.1']));
    const { socket } = await make().dial('api.test', host.port, open, () => {});
    expect(await exchange(socket, '')).toBe(`${HOST}:end`);
    expect((await dialFailure(make(), host.port)).message).toBe('resolves to 127.0.0.1, a loopback address');
    expect([host.accepted, bad.accepted]).toEqual([1, 0]);
  });

  test('an address is judged and dialled where hosts may be named so, and never looked up [W-REM-1]', async () => {
    await using host = await Host.at(HOST);
    const before = new Set(resolver.queries);
    const dialler = make({ takesAddresses: true });
    const { socket } = await dialler.dial(HOST, host.port, open, () => {});
    expect(await exchange(socket, '')).toBe(`${HOST}:end`);
    for (const name of ['10.0.0.1', '169.254.169.254', '::1', '::ffff:10.0.0.1'])
      expect(await dialFailure(dialler, 443, () => false, name)).toMatchObject({
        refused: true,
        decided: [],
      });
    for (const name of ['127.1', '0x7f000001', '[::1]', 'fe80::1%lo'])
      expect((await dialFailure(dialler, 443, open, name)).message).toBe('it is not a host name');
    const asked = resolver.queries.filter((query) => !before.has(query) && !query.endsWith('ipv4only.arpa'));
    expect(asked).toEqual([]);
  });

  test('an invalid name is not looked up [W-EGR-1]', async () => {
    const before = resolver.queries.length;
    for (const name of ['127.0.0.1', 'a b.test', 'a.test\r\nX: y', '', '::1']) {
      expect((await dialFailure(make(), 443, () => true, name)).message).toBe('it is not a host name');
    }
    expect(resolver.queries.length).toBe(before);
  });

  test("public addresses: rebinding, and this machine's own [W-EGR-3]", async () => {
    const { stdout } = await run('unshare', [
      '--user',
      '--map-root-user',
      '--net',
      process.execPath,
      join(fixtures, 'dial-public.ts'),
    ]);
    expect(JSON.parse(stdout)).toEqual({
      told: [
        'reached 9.9.9.8',
        'EgressRefusal: resolves to 127.0.0.1, a loopback address; decided on 0',
        'EgressRefusal: resolves to 9.9.9.9, an address of this machine; decided on 0',
        'EgressRefusal: resolves to 9.9.9.9, an address of this machine; decided on 1',
        'reached 9.9.9.9',
      ],
      reached: ['9.9.9.8', '9.9.9.9', '9.9.9.9'],
    });
  });
});

describe('name servers', () => {
  test('give both families; a name that does not exist has no addresses', async () => {
    resolver.names.set('both.test', ['192.0.2.1', '2001:db8::1']);
    const resolve = resolverWith([resolver.server]);
    expect(await resolve('both.test')).toEqual(['192.0.2.1', '2001:db8::1']);
    expect(await resolve('missing.test')).toEqual([]);
  });

  test('are not asked for localhost', async () => {
    const before = resolver.queries.length;
    expect(await resolverWith([resolver.server])('localhost')).toEqual(['127.0.0.1', '::1']);
    expect(resolver.queries.length).toBe(before);
  });

  test('that are unreachable are a failure, not an empty answer', async () => {
    await expect(resolverWith(['127.0.0.1:1'])('api.test')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(() => resolverWith(['nowhere'])).toThrow();
  });

  test("the system's resolver knows the hosts file", async () => {
    expect(await systemResolver()('localhost')).toContain('127.0.0.1');
  });
});

/** A proxy that knows where names lead, and answers as `how` says. */
async function serveProxy(
  routes: Readonly<Record<string, Host>>,
  how?: (socket: net.Socket, head: string) => void,
) {
  const heads: string[] = [];
  const serve = (socket: net.Socket): void => {
    let head = '';
    const hear = (chunk: Buffer): void => {
      head += chunk.toString('latin1');
      if (!head.endsWith('\r\n\r\n')) return;
      socket.off('data', hear);
      heads.push(head);
      if (how !== undefined) {
        how(socket, head);
        return;
      }
      const target = routes[/^CONNECT (\S+) /.exec(head)?.[1] ?? ''];
      if (target === undefined) {
        socket.end('HTTP/1.1 502 \x1b[31mnot here\r\n\r\n');
        return;
      }
      const { port } = target;
      const out = net.connect({ port, host: HOST, allowHalfOpen: true }).on('error', () => {});
      // The host's first bytes arrive in one piece with the head.
      out.once('data', (first) => {
        socket.write(Buffer.concat([Buffer.from('HTTP/1.1 200 Fine\r\nX: y\r\n\r\n'), first]));
        out.pipe(socket).pipe(out);
      });
    };
    socket.on('error', () => {}).on('data', hear);
  };
  const host = await Host.at('127.94.7.3', serve);
  return Object.assign(host, { heads, url: new URL(`http://127.94.7.3:${host.port}`) });
}

describe('through a proxy', () => {
  const none = opens();
  const unknown = 'inside.test';

  test("a name that only the proxy knows is left to it; the proxy's address is recorded", async () => {
    await using host = await Host.at(HOST);
    await using proxy = await serveProxy({ [`${unknown}:5432`]: host });
    const decided: string[] = [];
    const dialler = make({ proxy: new UpstreamProxy({ url: proxy.url, except: [] }) });
    const { socket, address } = await dialler.dial(unknown, 5432, none, (one) => {
      decided.push(one);
      expect(proxy.accepted).toBe(0);
    });
    expect([address, decided]).toEqual(['127.94.7.3', ['127.94.7.3']]);
    expect(await exchange(socket, 'hello ')).toBe(`${HOST}:hello end`);
    expect(proxy.heads).toEqual([`CONNECT ${unknown}:5432 HTTP/1.1\r\nHost: ${unknown}:5432\r\n\r\n`]);
  });

  test('a public name is asked for by the address that was judged [W-EGR-15]', async () => {
    await using host = await Host.at(HOST);
    await using proxy = await serveProxy({ '9.9.9.8:443': host, '[2620:fe::9]:443': host });
    const dialler = make({ proxy: new UpstreamProxy({ url: proxy.url, except: [] }) });
    const asked: unknown[] = [];
    for (const [addresses, authority] of [
      [['9.9.9.8'], '9.9.9.8:443'],
      [['2620:fe::9'], '[2620:fe::9]:443'],
      // The first is not reached; a proxy that has granted an address is never asked for the name.
      [['9.9.9.7', '9.9.9.8'], '9.9.9.8:443'],
    ] as const) {
      resolver.names.set('api.test', addresses);
      const { socket } = await dialler.dial('api.test', 443, none, (_address, proxied) =>
        asked.push(proxied),
      );
      socket.destroy();
      expect(proxy.heads.at(-1)).toMatch(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n`);
    }
    expect(asked).toEqual(['9.9.9.8', '2620:fe::9', '9.9.9.7', '9.9.9.8'].map((target) => ({ target })));
    resolver.names.set('api.test', ['9.9.9.7']);
    const failed = await dialFailure(dialler, 443, none);
    expect(failed.message).toBe('the proxy answers 502 Bad Gateway');
    expect(proxy.heads.join('')).not.toContain('api.test');
  });

  test('a proxy that refuses addresses is asked for the name, and that is reported [W-EGR-15]', async () => {
    const answers = (socket: net.Socket, head: string): void =>
      void socket.end(/CONNECT [\d.]+:/.test(head) ? 'HTTP/1.1 403 No\r\n\r\n' : 'HTTP/1.1 200 OK\r\n\r\n');
    await using proxy = await serveProxy({}, answers);
    const dialler = make({ proxy: new UpstreamProxy({ url: proxy.url, except: [] }) });
    resolver.names.set('api.test', ['9.9.9.8']);
    const asked: unknown[] = [];
    for (let times = 0; times < 2; times++) {
      const { socket } = await dialler.dial('api.test', 443, none, (_address, proxied) =>
        asked.push(proxied),
      );
      socket.destroy();
    }
    expect(asked).toEqual([{ target: '9.9.9.8' }, { target: undefined }, { target: undefined }]);
    expect(proxy.heads.map((head) => head.split(' ')[1])).toEqual([
      '9.9.9.8:443',
      'api.test:443',
      'api.test:443',
    ]);
  });

  test('a proxy that has granted an address is not asked for a name that it then refuses [W-EGR-15]', async () => {
    const answers = (socket: net.Socket, head: string): void =>
      void socket.end(head.includes('9.9.9.7') ? 'HTTP/1.1 403 No\r\n\r\n' : 'HTTP/1.1 200 OK\r\n\r\n');
    await using proxy = await serveProxy({}, answers);
    const dialler = make({ proxy: new UpstreamProxy({ url: proxy.url, except: [] }) });
    resolver.names.set('api.test', ['9.9.9.8']);
    (await dialler.dial('api.test', 443, none, () => {})).socket.destroy();
    resolver.names.set('api.test', ['9.9.9.7']);
    expect((await dialFailure(dialler, 443, none)).message).toBe('the proxy answers 403 Forbidden');
    expect(proxy.heads.join('')).not.toContain('api.test');
  });

  test('is not asked for what is on this machine [W-EGR-3]', async () => {
    await using host = await Host.at('127.0.0.1');
    await using proxy = await serveProxy({});
    const dialler = make({ proxy: new UpstreamProxy({ url: proxy.url, except: [] }) });
    const { socket, address } = await dialler.dial('localhost', host.port, opens('127.0.0.1/32'), () => {});
    socket.destroy();
    expect([address, proxy.accepted]).toEqual(['127.0.0.1', 0]);
  });

  test('hears addresses where hosts are named so, those of this machine excepted [W-REM-1]', async () => {
    await using host = await Host.at(HOST);
    await using own = await Host.at('127.0.0.1');
    await using proxy = await serveProxy({ '9.9.9.8:443': host, '[2620:fe::9]:443': host });
    const dialler = make({ takesAddresses: true, proxy: new UpstreamProxy({ url: proxy.url, except: [] }) });
    for (const [address, authority] of [
      ['9.9.9.8', '9.9.9.8:443'],
      ['2620:fe::9', '[2620:fe::9]:443'],
    ] as const) {
      (await dialler.dial(address, 443, none, () => {})).socket.destroy();
      expect(proxy.heads.at(-1)).toMatch(`CONNECT ${authority} HTTP/1.1`);
    }
    const asked = proxy.accepted;
    (await dialler.dial('127.0.0.1', own.port, opens('127.0.0.1/32'), () => {})).socket.destroy();
    expect(proxy.accepted).toBe(asked);
    expect(await dialFailure(dialler, 443, none, '10.0.0.1')).toMatchObject({ refused: true, decided: [] });
  });

  test("the proxy's own name is resolved; it gets its login", async () => {
    await using host = await Host.at(HOST);
    await using proxy = await serveProxy({ [`${unknown}:443`]: host });
    resolver.names.set('proxy.test', ['127.94.7.3']);
    const url = new URL(`http://me%40home:p%3Aw@proxy.test:${proxy.port}`);
    const dialler = make({ proxy: new UpstreamProxy({ url, except: [] }) });
    const { socket } = await dialler.dial(unknown, 443, none, () => {});
    socket.destroy();
    const login = Buffer.from('me@home:p:w').toString('base64');
    expect(proxy.heads[0]).toContain(`\r\nProxy-Authorization: Basic ${login}\r\n\r\n`);
    resolver.names.delete('proxy.test');
    expect((await dialFailure(dialler, 443, none, unknown)).message).toBe('the proxy does not resolve');
  });

  test.each([[['127.0.0.1']], [['169.254.169.254']], [['1.1.1.1', '10.0.0.1']], [['::ffff:1.1.1.1']]])(
    'a name that this machine resolves to an address that is not allowed is refused: %j [W-EGR-3]',
    async (addresses) => {
      await using proxy = await serveProxy({});
      resolver.names.set('api.test', addresses);
      const failed = await dialFailure(
        make({ proxy: new UpstreamProxy({ url: proxy.url, except: [] }) }),
        443,
        none,
      );
      expect(failed).toMatchObject({ refused: true, decided: [] });
      expect(failed.message).toMatch(/^resolves to /);
      expect(proxy.accepted).toBe(0);
    },
  );

  test('what a range opens goes through the proxy; an exception is dialled directly', async () => {
    await using host = await Host.at(HOST);
    await using proxy = await serveProxy({ [`api.test:${host.port}`]: host });
    resolver.names.set('api.test', [HOST]);
    for (const [except, expected] of [
      [[], '127.94.7.3'],
      [['api.test'], HOST],
      [['*.test'], HOST],
      [[`api.test:${host.port}`], HOST],
      [['api.test:1', 'other.test'], '127.94.7.3'],
    ] as const) {
      const dialler = make({ proxy: new UpstreamProxy({ url: proxy.url, except: [...except] }) });
      const { socket, address } = await dialler.dial('api.test', host.port, open, () => {});
      expect(await exchange(socket, '')).toBe(`${HOST}:end`);
      expect(address).toBe(expected);
    }
    expect(proxy.accepted).toBe(2);
  });

  test('without a record the proxy is not dialled [W-EGR-5]', async () => {
    await using proxy = await serveProxy({});
    const dial = make({ proxy: new UpstreamProxy({ url: proxy.url, except: [] }) }).dial(
      unknown,
      443,
      none,
      () => {
        throw new Error('the log is full');
      },
    );
    await expect(dial).rejects.toThrow('the log is full');
    expect(proxy.accepted).toBe(0);
  });

  test.each([
    [
      'a refusal',
      'HTTP/1.1 407 \x1b[31mGive me your password\r\nX: y\r\n\r\n',
      'the proxy answers 407 Proxy Authentication Required',
    ],
    ['an unknown status', 'HTTP/1.0 599\r\n\r\n', 'the proxy answers 599'],
    ['a change of protocol', 'HTTP/1.1 101 Hm\r\n\r\n', 'the proxy answers 101 Switching Protocols'],
    ['no HTTP', 'SSH-2.0-OpenSSH\r\n\r\n', 'the proxy does not speak HTTP'],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n', 'the proxy does not speak HTTP'],
    ['no end', `HTTP/1.1 200 OK\r\nX: ${'y'.repeat(20_000)}`, "the head of the proxy's response is too long"],
    [
      'a head that is too long',
      `HTTP/1.1 200 OK\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`,
      "the head of the proxy's response is too long",
    ],
    ['nothing but the end', '', 'the connection was ended'],
    ['half a head and the end', 'HTTP/1.1 200 OK\r\nX', 'the connection was ended'],
  ])('its answer is %s', async (_name, answer, message) => {
    await using proxy = await serveProxy({}, (socket) => socket.end(answer));
    const failed = await dialFailure(
      make({ proxy: new UpstreamProxy({ url: proxy.url, except: [] }) }),
      443,
      none,
      unknown,
    );
    expect(failed).toEqual({ refused: false, message, decided: ['127.94.7.3'] });
  });

  test('its response may arrive byte by byte, and must arrive in time [W-EGR-7]', async () => {
    await using slow = await serveProxy({}, async (socket) => {
      socket.setNoDelay();
      for (const letter of 'HTTP/1.1 200 OK\r\n\r\nhi') {
        socket.write(letter);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      socket.end();
    });
    const dialler = make({ proxy: new UpstreamProxy({ url: slow.url, except: [] }) });
    const { socket } = await dialler.dial(unknown, 443, none, () => {});
    expect(await exchange(socket, '')).toBe('hi');
    await using silent = await serveProxy({}, (one) => void setInterval(() => one.write('H'), 50).unref());
    const failed = await dialFailure(
      make({ proxy: new UpstreamProxy({ url: silent.url, except: [] }), timeout: 300 }),
      443,
      none,
      unknown,
    );
    expect(failed.message).toBe('does not answer in time');
  });

  test('over TLS, whose certificate is verified [W-EGR-8]', async () => {
    const authority = new TestAuthority();
    const { key, cert } = authority.issue(['proxy.test']);
    const server = tls.createServer({ key, cert, allowHalfOpen: true }, (socket) => {
      socket.on('error', () => {}).once('data', () => socket.write('HTTP/1.1 200 OK\r\n\r\nwelcome'));
      socket.once('end', () => socket.end());
    });
    server.on('tlsClientError', () => {}).listen(0, '127.94.7.3');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const trusted = tls.createSecureContext({ ca: authority.ca });
    resolver.names.set('proxy.test', ['127.94.7.3']).set('else.test', ['127.94.7.3']);
    const at = (host: string, more: object) =>
      make({ proxy: new UpstreamProxy({ url: new URL(`https://${host}:${port}`), except: [], ...more }) });
    try {
      const { socket, address } = await at('proxy.test', { trusted }).dial(unknown, 443, none, () => {});
      expect([address, await exchange(socket, '')]).toEqual(['127.94.7.3', 'welcome']);
      expect((await dialFailure(at('else.test', { trusted }), 443, none, unknown)).message).toMatch(
        /altnames/,
      );
      expect((await dialFailure(at('127.94.7.3', { trusted }), 443, none, unknown)).message).toMatch(
        /altnames/,
      );
      expect((await dialFailure(at('proxy.test', {}), 443, none, unknown)).message).toMatch(/certificate/);
    } finally {
      server.close();
    }
  });
});

/** A listener that accepts nothing, its queue full: what connects to it gets no answer. */
async function unaccepting(address: string): Promise<{ port: number; end: () => void }> {
  const program = `import socket, sys
s = socket.socket(); s.bind(('${address}', 0)); s.listen(0)
port = s.getsockname()[1]; held = []
for _ in range(4):
    c = socket.socket(); c.setblocking(False); c.connect_ex(('${address}', port)); held.append(c)
print(port, flush=True); sys.stdin.read()`;
  const child = spawn('/usr/bin/python3', ['-c', program], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = await once(child.stdout.setEncoding('utf8'), 'data');
  return { port: Number(line), end: () => void child.stdin.end() };
}

test("a name that leads to an inner address through the network's own NAT64 is not dialled [W-EGR-3]", async () => {
  const asked: string[] = [];
  const dialler = new Dialler({
    localAddresses: () => new Set(),
    resolve: async (name) => {
      asked.push(name);
      return name === 'ipv4only.arpa' ? ['192.0.0.170', '2606:64:64::c000:aa'] : ['2606:64:64::a00:1'];
    },
  });
  for (let time = 0; time < 3; time++)
    await expect(
      dialler.dial(
        'inner.test',
        443,
        () => false,
        () => {
          throw new Error('it would be dialled');
        },
      ),
    ).rejects.toThrow('resolves to 2606:64:64::a00:1, an address with an IPv4 address inside');
  // The network is asked once.
  expect(asked.filter((name) => name === 'ipv4only.arpa')).toHaveLength(1);
});
