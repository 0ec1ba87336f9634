// What the daemon takes of descriptors that are sent to it, by launchers and by programs that only look like one. Each is sent by
// a process of its own, in Python.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DescriptorInbox } from '../../../src/os/descriptor-inbox.ts';
import { HostStreams } from '../../../src/os/host-streams.ts';
import { until } from '../../fixtures/echo-home.ts';
import { descriptorCalls } from '../../fixtures/session-server.ts';

const uid = process.getuid?.() ?? -1;
const { O_NONBLOCK } = constants;
const NUMBER = '0123456789abcdef0123456789abcdef';
let dir: string;
let inbox: DescriptorInbox;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'warder-inbox-'));
  inbox = DescriptorInbox.open(descriptorCalls, join(dir, 'daemon.sock'), uid) ?? expect.fail('no inbox');
});

afterEach(() => {
  inbox[Symbol.dispose]();
  expect(readdirSync(dir).filter((name) => name.startsWith('fds-'))).toEqual([]);
  rmSync(dir, { recursive: true });
});

/** The beginning of each sender: \`send(number, descriptors)\`, and some that others may have. */
const PRELUDE = `
import array, fcntl, os, pty, socket, sys, time
where = sys.argv[1]
def send(number, descriptors):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as s:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', descriptors))] if descriptors else []
        s.sendmsg([number.encode()], rights, 0, where)
def pair(): return socket.socketpair()
n = '${NUMBER}'
a, b = pair()
c, d = pair()
r, w = os.pipe()
r2, w2 = os.pipe()
os.mkfifo(os.path.dirname(where) + '/named') if not os.path.exists(os.path.dirname(where) + '/named') else None
`;

/** A sender that has sent, and waits for the end of its input. */
class Sender implements AsyncDisposable {
  readonly #child;
  readonly #lines;
  /** How many descriptors the daemon, which is this process, had when it was started. */
  readonly before: number;

  constructor(script: string, through: readonly string[] = []) {
    const program = join(dir, 'sender.py');
    writeFileSync(program, `${PRELUDE}${script}\nprint('sent', flush=True)\nsys.stdin.readline()\n`, {
      mode: 0o755,
    });
    const [command = '', ...args] = [...through, '/usr/bin/python3', program, path()];
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.before = open();
    this.#lines = createInterface(this.#child.stdout);
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  async sent(): Promise<this> {
    const [line] = await once(this.#lines, 'line');
    expect(line).toBe('sent');
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
  }
}

function path(): string {
  return join(dir, `fds-${process.pid}`);
}

function open(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Nothing stays open that was not when a sender was started; what else this process does may open something for a moment. */
async function expectNothingOpen({ before }: Sender): Promise<void> {
  expect(inbox.waiting).toBe(0);
  await expect.poll(open).toBeLessThanOrEqual(before);
}

/** What the daemon's user may not do: a launcher in a sandbox. */
const CONFINED = ['/usr/bin/setpriv', '--no-new-privs'];

describe.skipIf(process.platform !== 'linux')('descriptors that are sent to the daemon', () => {
  test.each([
    ['sockets', 'send(n, [b.fileno(), d.fileno()])'],
    ['pipes', 'send(n, [r, w])'],
    ['a socket and a pipe', 'send(n, [b.fileno(), w])'],
    ['one socket', 'send(n, [b.fileno(), b.fileno()])'],
  ])('W-NAT-8 are taken: %s', async (_what, script) => {
    await using sender = await new Sender(script).sent();
    const taken = inbox.take(NUMBER, sender.pid);
    expect(taken).toBeDefined();
    const streams = (taken && HostStreams.open(taken)) ?? expect.fail('no streams');
    // Once only.
    expect(inbox.take(NUMBER, sender.pid)).toBeUndefined();
    streams.destroy();
    await new Promise((resolve) => setImmediate(resolve));
    await expectNothingOpen(sender);
  });

  test.each([
    ['nothing', 'send(n, [])', []],
    ['one', 'send(n, [r])', []],
    ['more than two', 'send(n, [r, w, r, w, r])', []],
    ['as many as can be', 'send(n, [r] * 253)', []],
    ['with a text that is too long', "send('0' * 5000, [r, w])", []],
    ['under another number', "send('f' * 32, [r, w])", []],
    ['the wrong way round', 'send(n, [w, r])', []],
    ['a file', "send(n, [os.open('/etc/hostname', os.O_RDONLY), w])", []],
    ['a device', "send(n, [os.open('/dev/zero', os.O_RDONLY), w])", []],
    ['a terminal', 'send(n, [pty.openpty()[1], w])', []],
    ['a folder', "send(n, [os.open('/', os.O_RDONLY), w])", []],
    ['an event', 'send(n, [r, os.eventfd(0)])', []],
    ['a pipe that is only a path', "os.O_PATH; send(n, [os.open('/proc/self/fd/%d' % r, os.O_PATH), w])", []],
    [
      'a pipe with a name',
      "send(n, [os.open(os.path.dirname(where) + '/named', os.O_RDONLY | os.O_NONBLOCK), w])",
      [],
    ],
    ['a pipe that is read and written', "send(n, [os.open('/proc/self/fd/%d' % r, os.O_RDWR), w])", []],
    ['datagrams', 'x, y = socket.socketpair(type=socket.SOCK_DGRAM); send(n, [x.fileno(), w])', []],
    [
      'a socket that listens',
      'x = socket.socket(socket.AF_UNIX); x.bind("\\0warder-%d" % os.getpid()); x.listen(); send(n, [x.fileno(), w])',
      [],
    ],
    ['a socket that nobody has connected', 'x = socket.socket(socket.AF_UNIX); send(n, [r, x.fileno()])', []],
    [
      'a connection to a program that listens, which may be the daemon',
      'l = socket.socket(socket.AF_UNIX); l.bind("\\0warder-%d" % os.getpid()); l.listen(); x = socket.socket(socket.AF_UNIX); x.connect(l.getsockname()); send(n, [x.fileno(), x.fileno()])',
      [],
    ],
    ['a socket of the network', 'x = socket.socket(); send(n, [x.fileno(), w])', []],
    ['pipes of a process that is confined', 'send(n, [r, w])', CONFINED],
    ['sockets of a process that is confined', 'send(n, [b.fileno(), d.fileno()])', CONFINED],
    [
      'sockets of a process in a namespace of its own',
      'send(n, [b.fileno(), d.fileno()])',
      ['/usr/bin/unshare', ...(uid === 0 ? [] : ['--map-current-user']), '--user'],
    ],
    [
      'the inbox itself',
      's = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect(where); send(n, [s.fileno(), w])',
      [],
    ],
  ])('W-NAT-9 are closed: %s', async (_what, script, through) => {
    await using sender = await new Sender(script, through).sent();
    expect(inbox.take(NUMBER, sender.pid)).toBeUndefined();
    inbox.release(sender.pid);
    inbox.release(undefined);
    await expectNothingOpen(sender);
  });

  test('W-NAT-9 are given to the process that has sent them only', async () => {
    await using sender = await new Sender('send(n, [r, w])').sent();
    expect(inbox.take(NUMBER, process.pid)).toBeUndefined();
    expect(inbox.take(NUMBER, undefined)).toBeUndefined();
    inbox.release(process.pid);
    expect(inbox.waiting).toBe(1);
    inbox.release(sender.pid);
    await expectNothingOpen(sender);
  });

  test.skipIf(uid !== 0)('W-NAT-9 are not taken of another user', async () => {
    execFileSync('chmod', ['-R', 'a+rwx', dir]);
    await using sender = await new Sender('send(n, [r, w])', ['/usr/bin/setpriv', '--reuid', '65534']).sent();
    expect(inbox.take(NUMBER, sender.pid)).toBeUndefined();
    await expectNothingOpen(sender);
  });

  test('W-NAT-9 are bounded: a flood leaves the last, and what nobody asks for is closed', async () => {
    const flood = `
for index in range(500):
    try: send('%032x' % index, [r, w])
    except BlockingIOError: time.sleep(0.001)
`;
    await using sender = new Sender(flood);
    let isOver = false;
    void sender.sent().then(() => {
      isOver = true;
    });
    await until(() => {
      inbox.take(NUMBER, process.pid);
      expect(inbox.waiting).toBeLessThanOrEqual(32);
      expect(open()).toBeLessThan(sender.before + 80);
      return isOver;
    }, 'the end of the flood');
    await using last = await new Sender('send(n, [r, w])').sent();
    const taken = inbox.take(NUMBER, last.pid) ?? expect.fail('nothing');
    HostStreams.open(taken)?.destroy();
    await until(() => inbox.waiting === 0, 'the end of what waits');
    // Beside the pipes of the last one.
    expect(open()).toBeLessThanOrEqual(sender.before + 2);
  });

  test('W-NAT-9 who takes O_NONBLOCK from a socket holds up nothing', async () => {
    const script = `
send(n, [b.fileno(), d.fileno()])
import threading
def flip():
    while True:
        for s in (b, d): fcntl.fcntl(s, fcntl.F_SETFL, fcntl.fcntl(s, fcntl.F_GETFL) & ~os.O_NONBLOCK)
threading.Thread(target=flip, daemon=True).start()
`;
    await using sender = await new Sender(script).sent();
    const taken = inbox.take(NUMBER, sender.pid) ?? expect.fail('nothing');
    const streams = HostStreams.open(taken) ?? expect.fail('no streams');
    streams.listen({ data() {}, end() {}, drain() {}, broken() {} });
    const flags = () => descriptorCalls?.flags(taken.output) ?? -1;
    await until(() => (flags() & O_NONBLOCK) === 0, 'the loss of the flag');
    // Nobody reads it: a write that waited would wait for ever.
    expect(streams.write([Buffer.alloc(2 ** 20)])).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(streams.isFull).toBe(true);
    streams.destroy();
  });

  test('W-NAT-9 of a queue as long as the kernel allows none is left, and where the folder is gone nothing is taken', async () => {
    const calls = descriptorCalls ?? expect.fail('no calls');
    let flood = 512;
    const junk = { text: 'x', pid: 1, uid, descriptors: [], isWhole: true };
    const flooded = { ...calls, receive: (from: number) => (flood-- > 0 ? junk : calls.receive(from)) };
    const other = mkdtempSync(join(tmpdir(), 'warder-inbox-'));
    const gone = join(other, 'gone', 'daemon.sock');
    expect(DescriptorInbox.open(calls, gone, uid)).toBeUndefined();
    rmSync(other, { recursive: true });
    inbox[Symbol.dispose]();
    inbox = DescriptorInbox.open(flooded, join(dir, 'daemon.sock'), uid) ?? expect.fail('no inbox');
    await using late = await new Sender('send(n, [r, w])').sent();
    const taken = inbox.take(NUMBER, late.pid) ?? expect.fail('nothing');
    HostStreams.open(taken)?.destroy();
    await new Promise((resolve) => setImmediate(resolve));
    await expectNothingOpen(late);
  });

  test('W-NAT-9 a daemon removes what killed ones have left', () => {
    writeFileSync(join(dir, 'fds-4194304'), '');
    writeFileSync(join(dir, `fds-${process.ppid}`), '');
    mkdirSync(join(dir, 'fds-4194303', 'more'), { recursive: true });
    using _other = DescriptorInbox.open(descriptorCalls, join(dir, 'daemon.sock'), uid);
    expect(readdirSync(dir)).not.toContain('fds-4194304');
    expect(readdirSync(dir)).not.toContain('fds-4194303');
    expect(readdirSync(dir)).toContain(`fds-${process.ppid}`);
    rmSync(join(dir, `fds-${process.ppid}`));
  });
});
