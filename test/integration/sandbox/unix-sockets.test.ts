// Unix sockets in real sandboxes: a server's own work, and those of programs outside do not.
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Order } from '../../fixtures/hostile/driver.ts';
import { people, World } from '../../fixtures/hostile/world.ts';

const OWN = {
  listener: `
import socket, os
path = os.environ['TMPDIR'] + '/own.sock'
server = socket.socket(socket.AF_UNIX); server.bind(path); server.listen()
client = socket.socket(socket.AF_UNIX); client.connect(path)
peer, _ = server.accept(); peer.sendall(b'works'); print(client.recv(9).decode())`,
  'datagram pair': `
import socket
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
a.send(b'works'); print(b.recv(9).decode())`,
  'abstract name': `
import socket
server = socket.socket(socket.AF_UNIX); server.bind('\\0own'); server.listen()
socket.socket(socket.AF_UNIX).connect('\\0own'); print('works')`,
  'multiprocessing.Manager': `
import multiprocessing
if __name__ == '__main__':
    with multiprocessing.Manager() as manager:
        values = manager.list(['works']); print(values[0])`,
};

const REACH = `
import socket, sys, os
said = []
for path in sys.argv[1:]:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        for way in (path, None):
            try:
                if way is None:
                    os.chdir(os.path.dirname(path)); way = os.path.basename(path)
                one = socket.socket(socket.AF_UNIX, kind); one.connect(way); said.append('reached ' + path)
            except OSError as error:
                said.append(error.strerror)
for path in sys.argv[1:]:
    try:
        a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM); a.sendto(b'x', path); said.append('reached ' + path)
    except OSError as error:
        said.append(error.strerror)
print(sorted(set(said)))`;

describe.each(people)('as $name', (person) => {
  let world: World;
  const python = (code: string, args: readonly string[] = [], more: Partial<Order> = {}): Partial<Order> => {
    const file = join(world.servers, `case-${Math.random().toString(36).slice(2)}.py`);
    writeFileSync(file, code);
    return { file: '/usr/bin/python3', args: [file, ...args], ...more };
  };

  beforeAll(async () => {
    world = await new World(person).listen();
  });
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
  });

  test('a server without listed folders has sockets of its own: listener, datagram pair, abstract name, Manager', async () => {
    const outcomes = await world.run(Object.values(OWN).map((code) => python(code)));
    expect(outcomes.map(({ stdout, stderr }) => stdout || stderr)).toEqual(
      Object.keys(OWN).map(() => 'works\n'),
    );
  });

  test('W-BOX-8 with sockets of its own it reaches none outside, by whatever path, name or kind', async () => {
    const paths = [
      ...world.sockets,
      '/run/dbus/system_bus_socket',
      '/var/run/docker.sock',
      '/run/docker.sock',
    ];
    const abstract = `
import socket
one = socket.socket(socket.AF_UNIX)
try: one.connect('\\0${world.abstract}'); print('reached')
except OSError as error: print(error.strerror)`;
    const [byPath, byName] = await world.run([python(REACH, paths), python(abstract)]);
    expect(byPath?.stdout).toMatch(/^\['No such file or directory'\]/);
    expect(byName?.stdout).toBe('Connection refused\n');
  });

  test('W-BOX-8 beside a listed folder it has no Unix sockets, so that a socket of the user there stays out of reach', async () => {
    const own = OWN.listener;
    const listed = [
      { read: [world.folder] },
      { write: [world.folder] },
      { read: [world.folder], unixSockets: false },
    ];
    const outcomes = await world.run([
      ...listed.map((sandbox) => python(REACH, world.sockets.slice(0, 2), { sandbox })),
      python(own, [], { sandbox: { read: [world.folder] } }),
    ]);
    for (const { stdout } of outcomes.slice(0, 3)) {
      expect(stdout).toBe("['Address family not supported by protocol', 'Operation not permitted']\n");
    }
    expect(outcomes[3]?.stderr).toContain('Address family not supported');
  });

  test('a profile that allows them beside a listed folder lets it reach what listens there, and nothing else', async () => {
    const [outcome] = await world.run([
      python(REACH, world.sockets, { sandbox: { read: [world.folder], unixSockets: true } }),
    ]);
    expect(outcome?.stdout).toContain(`reached ${world.sockets[0]}`);
    expect(outcome?.stdout).not.toContain(`reached ${world.sockets[2]}`);
  });

  test('W-BOX-8 a socket in the package that its command needs is out of reach, wherever it is there', async () => {
    const package_ = join(world.base, `package-${person.uid}`);
    const socket = join(package_, 'tmp/sockets/web.sock');
    mkdirSync(dirname(socket), { recursive: true });
    writeFileSync(join(package_, 'package.json'), '{}');
    writeFileSync(join(package_, 'own.py'), OWN.listener);
    writeFileSync(join(package_, 'reach.py'), REACH);
    const order = (name: string, ...args: string[]) => ({
      file: '/usr/bin/python3',
      args: [join(package_, name), ...args],
    });
    const [before] = await world.run([order('own.py')]);
    expect(before?.stdout).toBe('works\n');
    const server = createServer((one) => one.end());
    await new Promise<void>((resolve) =>
      server.listen({ path: socket, readableAll: true, writableAll: true }, resolve),
    );
    try {
      const [reach, own] = await world.run([order('reach.py', socket), order('own.py')]);
      expect(reach?.stdout).not.toContain('reached');
      expect(own?.stderr).toContain('Address family not supported');
    } finally {
      server.close();
    }
  });

  test('a program that listens for its child at a private path works, as tsx does', async () => {
    const listens = `
      import { spawn } from 'node:child_process';
      import { createServer } from 'node:net';
      import { mkdirSync } from 'node:fs';
      import { tmpdir } from 'node:os';
      const path = tmpdir() + '/own-' + process.pid + '/pipe';
      mkdirSync(path.replace('/pipe', ''));
      const server = createServer((child) => child.on('data', (data) => { console.log(String(data)); server.close(); }));
      server.listen(path, () => spawn(process.execPath,
        ['-e', 'require("node:net").connect(process.argv[1]).end("works")', path], { stdio: 'inherit' }));`;
    const file = join(world.servers, 'listens.mjs');
    writeFileSync(file, listens);
    const [outcome] = await world.run([{ file: process.execPath, args: [file] }]);
    expect(outcome?.stdout || outcome?.stderr).toBe('works\n');
  });
});
