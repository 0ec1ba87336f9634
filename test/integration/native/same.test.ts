// The two launchers do the same, whatever comes from the daemon and the host: the same bytes to both, the same exit code.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compile, findCompiler } from '../../../scripts/native/compile.js';
import { Frame } from '../../../src/wire/frame.ts';
import { FakeDaemon } from '../../fixtures/fake-daemon.ts';
import { hasNative } from '../../fixtures/launchers.ts';
import { compileTraced, VALGRIND } from '../../fixtures/valgrind.ts';

const RUNS = process.env.SLOW === undefined ? 24 : 3000;
/** Memory and arithmetic are checked while it runs; what is wrong ends it, and is said on standard error. */
const SANITIZED = ['-O1', '-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
let count = 0;
/** How many cases run at once. */
const AT_ONCE = 6;

/** One session: what the host sends, and what the daemon answers once it has all of it. */
interface Case {
  readonly input: Buffer;
  readonly closes: boolean;
  /** Bytes of the daemon, in pieces. */
  readonly answer: readonly Buffer[];
  readonly cwd: string;
  readonly bus: string | undefined;
}

function frame(type: number, payload: Uint8Array | string): Buffer {
  const bytes = Buffer.from(payload as string);
  const head = Buffer.alloc(5);
  head[0] = type;
  head.writeUInt32LE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** Strings with all that JSON escapes, and half pairs. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom('\u0000\u001f"\\/\b\f\n\r\t', '\ud83d', '\ude00x', 'é😀\u2028', ''),
);
/** The spelling of a JSON string: also with escapes that `JSON.stringify` does not use. */
const spelled = fc
  .tuple(text, fc.boolean())
  .map(([value, escaped]) =>
    escaped
      ? `"${Array.from({ length: value.length }, (_, at) => `\\u${value.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')}"`
      : JSON.stringify(value),
  );
const id = fc.oneof(
  spelled,
  fc.constantFrom(
    '9007199254740993',
    '-0',
    '1e999',
    '1.0',
    '0',
    'null',
    'true',
    '{}',
    '[1]',
    '"\\/"',
    '01',
    '1.',
    '-',
  ),
);
const member = fc.oneof(
  id.map((value) => `"id":${value}`),
  fc.constantFrom(
    '"method":"x"',
    '"method":1',
    '"meth\\u006fd":"x"',
    '"\\u0069d" : 7',
    '"params":{"id":1,"a":[{}]}',
    '"x":',
  ),
);
const message = fc
  .array(member, { maxLength: 5 })
  .map((members) => `{${[...members, '"jsonrpc":"2.0"'].join(' , ')}}`);
const request = id.map((value) => `{"jsonrpc":"2.0","method":"initialize","id":${value}}`);
const line = fc.oneof(
  { weight: 4, arbitrary: request },
  { weight: 3, arbitrary: message },
  {
    weight: 2,
    arbitrary: fc.array(fc.oneof(message, request), { maxLength: 4 }).map((all) => `[${all.join(',')}]`),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '',
      '[]',
      '[',
      '[[1]]',
      'null',
      '"a',
      `${'['.repeat(5000)}${']'.repeat(5000)}`,
      '\ufeff{}',
    ),
  },
);
const input = fc
  .tuple(fc.array(line, { maxLength: 6 }), fc.boolean(), fc.uint8Array({ maxLength: 6 }))
  .map(([lines, ends, junk]) =>
    Buffer.concat([
      Buffer.from(lines.join('\n')),
      Buffer.from(ends ? '\n' : ''),
      ...(ends ? [Buffer.from(junk)] : []),
    ]),
  );

const refusal = fc
  .record(
    {
      code: fc.oneof(fc.constantFrom('"profile-missing"', '"refused"', '"of-a-later-version"', '1'), spelled),
      message: spelled,
      hint: spelled,
      exit: fc.constantFrom('0', '65', '255', '77'),
    },
    { requiredKeys: ['message'] },
  )
  .map(
    (members) =>
      `{${Object.entries(members)
        .map(([name, value]) => `"${name}":${value}`)
        .join()}}`,
  );
const piece = fc.oneof(
  { weight: 3, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => frame(Frame.DATA, bytes)) },
  { weight: 2, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => frame(Frame.STDERR, bytes)) },
  {
    weight: 1,
    arbitrary: fc.nat({ max: 300_000 }).map((size) => frame(Frame.DATA, Buffer.alloc(size, 'x'))),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('{}', '{"pid":2147483646,"started":1}', '{"marker":"WARDER_NONE=1"}')
      .map((json) => frame(Frame.OPEN, json)),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(frame(Frame.EOF, ''), frame(Frame.RESPONSE, '{}'), frame(Frame.HELLO, 'x')),
  },
);
const last = fc.oneof(
  fc
    .constantFrom('{"exit":0}', '{"exit":7}', '{"exit":127,"more":[]}')
    .map((json) => frame(Frame.EXIT, json)),
  refusal.map((json) => frame(Frame.REFUSE, json)),
  fc.constantFrom(
    Buffer.alloc(0),
    Buffer.from([200, 0, 0, 0, 0]),
    Buffer.from([2, 0, 0, 0, 9]),
    Buffer.from([2, 5]),
  ),
);
const answer = fc
  .tuple(
    fc.oneof(fc.constant([]), fc.array(piece, { maxLength: 6 })),
    last,
    fc.array(fc.nat({ max: 2000 }), { maxLength: 4 }),
  )
  .map(([pieces, end, cuts]) => {
    const bytes = Buffer.concat([...pieces, end]);
    const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
    return at.slice(1).map((to, index) => bytes.subarray(at[index], to));
  });
const session: fc.Arbitrary<Case> = fc.record({
  input,
  closes: fc.boolean(),
  answer,
  cwd: fc.constantFrom('/', '/tmp'),
  bus: fc.option(fc.constantFrom('unix:path=/run/"x"', 'é\\', ''), { nil: undefined }),
});

/** A launcher as it is started here: `argv` for a profile. */
type Started = (daemon: FakeDaemon, profile: string) => string[];

const node: Started = (daemon, profile) => daemon.command('node', profile);
const native: Started = (daemon, profile) => daemon.command('native', profile);

/** Runs a case with a launcher: all that can be seen of it from outside. */
async function observe(daemon: FakeDaemon, started: Started, wanted: Case): Promise<string> {
  const name = `c${count++}`;
  let answered = false;
  let sent: unknown;
  daemon.serve(name, (connection) => {
    const whole = connection.data.length === wanted.input.length && connection.ended === wanted.closes;
    if (!whole || answered) return;
    answered = true;
    sent = connection.frames.map(({ type, payload }) =>
      type === Frame.HELLO
        ? payload.toString().replace(/"pid":\d+/, '')
        : `${type} ${payload.toString('latin1')}`,
    );
    void (async () => {
      for (const bytes of wanted.answer) {
        connection.socket.write(bytes);
        await new Promise((resolve) => setImmediate(resolve));
      }
      connection.socket.end();
    })();
  });
  const [command = '', ...args] = started(daemon, name);
  const env = { ...daemon.env, ...(wanted.bus !== undefined && { DBUS_SESSION_BUS_ADDRESS: wanted.bus }) };
  const child = spawn(command, args, { env, cwd: wanted.cwd, stdio: 'pipe' });
  const output: Buffer[] = [];
  const errors: Buffer[] = [];
  child.stdout.on('data', (bytes) => output.push(bytes));
  child.stderr.on('data', (bytes) => errors.push(bytes));
  child.stdin.on('error', () => {});
  child.stdin.write(wanted.input);
  if (wanted.closes) child.stdin.end();
  const [code, signal] = await new Promise<unknown[]>((resolve) =>
    child.on('close', (...how) => resolve(how)),
  );
  return JSON.stringify({
    code,
    signal,
    sent: JSON.stringify(sent ?? null).replaceAll(name, 'NAME'),
    output: Buffer.concat(output).toString('latin1'),
    errors: Buffer.concat(errors).toString('latin1'),
  });
}

/** All launchers do the same, in each of these cases. */
async function expectSame(daemon: FakeDaemon, launchers: readonly Started[], cases: readonly Case[]) {
  const seen = await Promise.all(
    cases.map(async (wanted) => Promise.all(launchers.map((started) => observe(daemon, started, wanted)))),
  );
  for (const [first, ...others] of seen) for (const other of others) expect(other).toBe(first);
}

test.skipIf(!hasNative)(
  'W-NAT-6 whatever daemon and host send, the native launcher does what the one in Node does, and so does one that checks itself',
  { timeout: 600_000 },
  async () => {
    await using daemon = await new FakeDaemon().started();
    const sanitized = join(daemon.dir, 'sanitized');
    compile(sanitized, { compiler: findCompiler(), flags: SANITIZED });
    // The environment is overwritten, and nothing traces it: what is not given back at the end is not looked for.
    daemon.env.ASAN_OPTIONS = 'detect_leaks=0';
    const checked: Started = (home, profile) => home.command('native', profile, sanitized);
    await fc.assert(
      fc.asyncProperty(fc.array(session, { minLength: AT_ONCE, maxLength: AT_ONCE }), async (cases) => {
        await expectSame(daemon, [node, native, checked], cases);
      }),
      { numRuns: Math.ceil(RUNS / AT_ONCE), ...(process.env.SLOW === undefined && { seed: 1 }) },
    );
  },
);

/** Sessions that go through all of the program: much both ways and in pieces, a refusal that is answered, a daemon that dies. */
const WHOLE: Case[] = [
  {
    input: Buffer.concat([
      Buffer.from('{"jsonrpc":"2.0","id":1,"method":"x"}\n'),
      Buffer.alloc(700_000, 'i'),
    ]),
    closes: true,
    answer: [
      ...cut(
        Buffer.concat([
          frame(Frame.OPEN, '{}'),
          frame(Frame.DATA, 'answer\n'),
          frame(Frame.STDERR, 'note\n'),
        ]),
      ),
      frame(Frame.DATA, Buffer.alloc(700_000, 'o')),
      frame(Frame.EXIT, '{"exit":9}'),
    ],
    cwd: '/',
    bus: 'unix:path=/run/"x"',
  },
  {
    input: Buffer.from(
      '[{"jsonrpc":"2.0","id":"\\ud83d\\ude00é","method":"x"},{"method":"y"}]\n{"id":2,"method":"z"}',
    ),
    closes: true,
    answer: cut(
      frame(Frame.REFUSE, '{"code":"profile-missing","message":"no \\u0022x\\ud800","hint":"ü","exit":65}'),
    ),
    cwd: '/tmp',
    bus: undefined,
  },
  {
    input: Buffer.from('{"jsonrpc":"2.0","id":1,"method":"x"}\n'),
    closes: true,
    answer: [frame(Frame.OPEN, '{"pid":2147483646,"started":1,"marker":"WARDER_NONE=1"}')],
    cwd: '/',
    bus: undefined,
  },
];

/** In pieces of seven bytes. */
function cut(bytes: Buffer): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / 7) }, (_, at) => bytes.subarray(at * 7, at * 7 + 7));
}

test.skipIf(!hasNative)(
  'W-NAT-6 valgrind finds nothing in the program while it passes frames on',
  { timeout: 300_000 },
  async () => {
    await using daemon = await new FakeDaemon().started();
    daemon.env.PATH = '/usr/bin:/bin';
    const traced = compileTraced(daemon.dir);
    const valgrind: Started = (home, profile) => [...VALGRIND, ...home.command('native', profile, traced)];
    await expectSame(daemon, [node, valgrind], [...WHOLE, ...fc.sample(session, { numRuns: 3, seed: 3 })]);
  },
);
