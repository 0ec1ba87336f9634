// Through a real sandbox: names that nobody answers, programs of this machine, other protocols than HTTPS, and how a
// refusal is told and allowed.
import { once } from 'node:events';
import * as http from 'node:http';
import * as net from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Home } from '../fixtures/home.ts';
import {
  handOver,
  Inside,
  Internet,
  listed,
  outward,
  persons,
  range,
  recorded,
  runAs,
} from '../fixtures/internet.ts';
import type { Upstream } from '../fixtures/upstream.ts';

const policy = { default: 'allow' };
/** Sends bytes to each place, and prints what came back. */
const SAY = `
import json, socket, sys
out = []
for host, port, text in json.load(sys.stdin):
    try:
        with socket.create_connection((host, port), 10) as s:
            s.settimeout(10)
            s.sendall(text.encode('latin1'))
            said = b''
            while b'END' not in said:
                piece = s.recv(65536)
                if not piece: break
                said += piece
            out.append(said.decode('latin1'))
    except OSError as error:
        out.append(type(error).__name__)
print(json.dumps(out))
`;
/** Connects to names at once, and ends without waiting for any. */
const FLOOD = `
import socket, sys, threading, time
for name in sys.stdin.read().split():
    threading.Thread(target=lambda n=name: socket.create_connection((n, 7000), 20), daemon=True).start()
time.sleep(2)
`;

describe.each(persons)('to $name', (person) => {
  const stack = new AsyncDisposableStack();
  let internet: Internet;
  let open: Upstream;
  let home: Home;
  let inside: Inside;
  let local = 0;

  beforeAll(async () => {
    internet = stack.use(await Internet.open());
    open = await internet.host(['open.test', 'lured.test']);
    // A program of this machine: HTTP, WebSocket, and lines.
    const server = http.createServer((request, response) =>
      response.end(`${request.headers.host} ${request.headers.range} END`),
    );
    server.on('upgrade', (_request, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
      socket.on('data', (data: Buffer) => socket.write(`${data} END`));
    });
    const lines = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', (data: Buffer) => {
        if (/^[A-Z]+ \/\S* HTTP/.test(String(data))) server.emit('connection', socket);
        else socket.end(`line ${data} END`);
        if (server.listeners('connection').length > 0) socket.unshift(data);
      });
    });
    lines.listen(0, '127.0.0.1');
    await once(lines, 'listening');
    local = (lines.address() as net.AddressInfo).port;
    stack.defer(() => {
      lines.close();
      server.closeAllConnections();
    });
    internet.resolver.names.set('lured.test', ['127.0.0.1']);
    internet.resolver.silenced.add('.silent.test');
    home = stack.use(new Home({ within: runAs(person) }));
    internet.join(home);
    const sandbox = {
      network: [
        listed(open),
        range(open),
        '*.silent.test:7000',
        `localhost:${local}`,
        `lured.test:${local}`,
        `127.0.0.1:${local + 1}`,
      ],
    };
    home.profile('one', { server: outward, sandbox, policy });
    home.profile('two', { server: outward, sandbox, policy });
    handOver(home, person);
    inside = stack.use(await Inside.open(home.run('one'), []));
  });

  afterAll(() => stack.disposeAsync());

  const say = async (...tries: readonly (readonly [string, number, string])[]): Promise<string[]> =>
    JSON.parse(
      await inside.out(['/usr/bin/python3', '-c', SAY], { input: JSON.stringify(tries), seconds: 60 }),
    );

  test('W-EGR-13 names that nobody answers stop no other session, and a name is asked for once', async () => {
    await using other = await Inside.open(home.run('two'), []);
    const names = Array.from({ length: 64 }, (_, index) => `n${index % 32}.silent.test`);
    const flood = inside.run(['/usr/bin/python3', '-c', FLOOD], { input: names.join('\n'), seconds: 60 });
    await expect
      .poll(() => internet.resolver.queries.some((query) => query.endsWith('.silent.test')), {
        timeout: 15_000,
      })
      .toBe(true);
    expect(await other.fetch(`https://${listed(open)}/echo`)).toMatchObject({ status: 200 });
    await flood;
    const asked = internet.resolver.queries.filter((query) => query === 'A n0.silent.test');
    // One look-up has two tries.
    expect(asked.length).toBeLessThanOrEqual(2);
  });

  test('W-EGR-14 W-EGR-3 a program of this machine is reached by its name and its address, at the listed port', async () => {
    const get = (host: string): string => `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
    const [name, address, both, elsewhere, lured] = await say(
      ['localhost', local, get(`localhost:${local}`)],
      ['127.0.0.1', local, get(`127.0.0.1:${local}`)],
      ['127.0.0.1', local, get(`localhost:${local}`)],
      ['127.0.0.1', local, get('elsewhere.test')],
      ['lured.test', local, get(`lured.test:${local}`)],
    );
    expect(name).toContain(`localhost:${local} undefined END`);
    expect(address).toContain(`127.0.0.1:${local} undefined END`);
    expect(both).toContain('200 OK');
    expect(elsewhere).toContain('421');
    // A name that is listed with the same port, and leads here, does not.
    expect(lured).not.toContain('200 OK');
    await recorded(home, 'egress.connect', {
      host: 'lured.test',
      outcome: 'refused',
      reason: 'resolves to 127.0.0.1, a loopback address',
    });
  });

  test('W-EGR-14 other protocols, WebSocket and parts of a body pass in the clear', async () => {
    const host = `Host: localhost:${local}\r\n`;
    const [login, nick, part, socket] = await say(
      ['localhost', local, 'AUTH hunter2\r\n'],
      ['localhost', local, 'NICK harry\r\n'],
      ['localhost', local, `GET /a HTTP/1.1\r\n${host}Range: bytes=1-2\r\nConnection: close\r\n\r\n`],
      [
        'localhost',
        local,
        `GET /a HTTP/1.1\r\n${host}Upgrade: websocket\r\nConnection: Upgrade\r\n\r\nframe`,
      ],
    );
    expect(login).toBe('line AUTH hunter2\r\n END');
    expect(nick).toBe('line NICK harry\r\n END');
    expect(part).toContain('bytes=1-2 END');
    expect(socket).toMatch(/^HTTP\/1.1 101 .*frame END$/s);
  });

  test('W-EGR-1 a refused host is told once, in status, check and the log, and can be allowed', async () => {
    internet.resolver.names.set('new.test', [open.address]);
    const url = `https://new.test${open.port === 443 ? '' : `:${open.port}`}/`;
    const client = home.run('two');
    await using other = await Inside.open(client, []);
    for (let times = 0; times < 2; times++) expect((await other.fetch(url)).failed).toBeDefined();
    const command = 'warder allow two new.test';
    await expect.poll(() => client.stderr.split(command).length - 1).toBe(1);
    const status = await home.facts('status');
    const session = status.sessions.find(({ profile }: { profile: string }) => profile === 'two');
    expect(session.refused).toContainEqual({ host: 'new.test', port: 53, reason: 'not listed', count: 2 });
    expect(await home.done(['status'])).toContain(
      `was refused new.test, 2 times; allow it with "${command}"`,
    );
    expect(await home.done(['check', 'two'])).toContain('refused lately: new.test');
    expect(await home.done(['audit', 'list', '--profile', 'two'])).toContain('look-up new.test');
    expect(await home.facts('audit', 'list', '--decision', 'deny', '--profile', 'two')).toContainEqual(
      expect.objectContaining({ event: 'egress.connect', target: 'new.test', decision: 'deny' }),
    );
    const entry = open.port === 443 ? 'new.test' : `new.test:${open.port}`;
    await home.done(['allow', 'two', entry, '--yes']);
    await using next = await Inside.open(home.run('two'), []);
    // Its certificate is of another name: what counts is that it was reached.
    await next.fetch(url);
    await recorded(home, 'egress.connect', { host: 'new.test', outcome: 'open' });
    expect(await home.done(['check', 'two'])).not.toContain('refused lately: new.test');
    await home.done(['allow', 'two', entry, '--undo']);
    expect(await home.done(['check', 'two'])).toContain('refused lately: new.test');
  });
});
