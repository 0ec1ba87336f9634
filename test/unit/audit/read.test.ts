// The verbs of `warder audit`, run as the command line runs them, on a log that was really written.
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import yargs from 'yargs';
import { AuditLog, type AuditOptions } from '../../../src/audit/log.ts';
import { auditCommand } from '../../../src/commands/audit.ts';
import type { Context } from '../../../src/commands/command.ts';
import { openTerminal } from '../../../src/commands/terminal.ts';
import { places as placesOf } from '../../../src/wire/places.ts';

const scratch = mkdtempSync(join(tmpdir(), 'warder-audit-'));
const places = newPlaces();
let now = Date.parse('2026-01-02T03:00:00Z');
afterAll(() => rmSync(scratch, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

const SETTINGS = {
  segment: 1500,
  keep: { count: undefined, age: undefined },
  checkpoint: { records: 1000, every: 2 ** 30 },
};

const HOSTILE = 'x\u001b[2Jy\u009b31m\u202ez';

function newPlaces() {
  const home = mkdtempSync(join(scratch, 'home-'));
  return placesOf({ platform: 'linux', env: { WARDER_HOME: home }, home, uid: 1 });
}

function open(more: Partial<AuditOptions> = {}): Promise<AuditLog> {
  return AuditLog.open({
    places,
    settings: SETTINGS,
    version: '0.1.0',
    pid: 4242,
    clock: { now: () => now, monotonic: () => 0 },
    log: { debug() {}, info() {}, warn() {}, error() {} },
    ...more,
  });
}

function session(log: AuditLog, id: string, profile: string): void {
  log.append('session.open', {
    session: id,
    profile,
    digest: 'd'.repeat(64),
    host: { chain: [{ pid: 77, exe: '/usr/bin/some-host' }, { pid: 1 }], cwd: '/home/me/src' },
    command: ['node', 'server.js', '--name', 'two words'],
    credentials: [{ variable: 'TOKEN', name: `${profile}/TOKEN`, version: 'v7', deliver: 'env' }],
    sandbox: { off: true, layers: ['environment'], network: [], limits: null },
  });
  log.append('credential.use', {
    session: id,
    profile,
    credential: `${profile}/TOKEN`,
    version: 'v7',
    action: 'deliver',
    outcome: 'ok',
  });
}

function called(
  log: AuditLog,
  id: string,
  n: number,
  tool: string,
  decision: 'allow' | 'deny' = 'allow',
): void {
  const ids = { session: id, call: `${id}-${n}`, profile: id === 'aa11' ? 'github' : 'files', tool };
  const denied = decision === 'deny' ? { reason: 'the policy says so' } : {};
  log.append('tool.call', {
    ...ids,
    id: String(n),
    decision,
    rule: 'default',
    ...denied,
    arguments: `{"n":${n}}`,
  });
}

function ended(log: AuditLog, id: string, n: number, tool: string, outcome: 'ok' | 'tool-error'): void {
  const ids = { session: id, call: `${id}-${n}`, profile: id === 'aa11' ? 'github' : 'files', tool };
  log.append('tool.result', { ...ids, outcome, bytes: 100 + n, ms: n, result: `sha256:${'e'.repeat(64)}` });
}

beforeAll(async () => {
  await using log = await open();
  session(log, 'aa11', 'github');
  called(log, 'aa11', 1, 'get_issue');
  called(log, 'aa11', 2, 'delete_issue', 'deny');
  ended(log, 'aa11', 1, 'get_issue', 'ok');
  now += 3_600_000;
  session(log, 'bb22', 'files');
  called(log, 'bb22', 1, '=HYPERLINK("http://x")');
  ended(log, 'bb22', 1, '=HYPERLINK("http://x")', 'tool-error');
  called(log, 'bb22', 12, HOSTILE);
  log.append('session.close', {
    session: 'aa11',
    profile: 'github',
    code: 0,
    signal: null,
    reason: 'the host ended it',
    calls: 2,
  });
});

/** What the command that runs has printed on stdout so far. */
let printed = '';

/** Runs `warder audit …`: what it prints on stdout, and how it ends. */
async function run(...argv: string[]) {
  return runOn(places, ...argv);
}

async function runOn(at: typeof places, ...argv: string[]) {
  const stdout = new PassThrough();
  const stderr = new PassThrough().resume();
  printed = '';
  stdout.on('data', (data) => {
    printed += data;
  });
  const streams = { stdin: new PassThrough(), stdout, stderr, env: {} };
  const terminal = openTerminal(streams as unknown as Parameters<typeof openTerminal>[0]);
  let code = 0;
  const context: Context = {
    places: at,
    terminal,
    json: argv.includes('--json'),
    version: '0.1.0',
    program: '/opt/warder/bin/warder.js',
    control: () => Promise.reject(new Error('no daemon is needed')),
    browse: async () => false,
    exit: (given) => {
      code = given;
    },
  };
  vi.spyOn(process.stdout, 'write').mockImplementation((data) => stdout.write(data));
  const program = yargs(['audit', ...argv])
    .option('json', { type: 'boolean' })
    .exitProcess(false)
    .strict();
  program.fail((message, error) => {
    throw error ?? new Error(message);
  });
  const error = await program
    .command(auditCommand(context))
    .parseAsync()
    .then(
      () => undefined,
      (error) => error,
    );
  return { out: printed, code, error };
}

describe('list', () => {
  test('draws a call on a line, joined with its result', async () => {
    const { out } = await run('list');
    const [head, ...rows] = out
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/));
    expect(head).toEqual(['SEQ', 'TIME', 'PROFILE', 'CALL', 'DECISION', 'OUTCOME', 'MS', 'BYTES', 'RULE']);
    expect(rows.slice(0, 3)).toEqual([
      ['4', '2026-01-02T03:00:00.000Z', 'github', 'get_issue', 'allow', 'ok', '1', '101', 'default'],
      [
        '5',
        '2026-01-02T03:00:00.000Z',
        'github',
        'delete_issue',
        'deny',
        '-',
        '-',
        '-',
        'default: the policy says so',
      ],
      [
        '9',
        '2026-01-02T04:00:00.000Z',
        'files',
        '=HYPERLINK("http://x")',
        'allow',
        'tool-error',
        '1',
        '101',
        'default',
      ],
    ]);
  });

  test.each([
    [
      ['--profile', 'github'],
      ['aa11-1', 'aa11-2'],
    ],
    [
      ['--tool', '*_issue'],
      ['aa11-1', 'aa11-2'],
    ],
    [['--decision', 'deny'], ['aa11-2']],
    [['--outcome', 'tool-error'], ['bb22-1']],
    [
      ['--session', 'b'],
      ['bb22-1', 'bb22-12'],
    ],
    [
      ['--since', '2026-01-02T04:00:00Z'],
      ['bb22-1', 'bb22-12'],
    ],
    [
      ['--until', '2026-01-02T05:30:00+02:00'],
      ['aa11-1', 'aa11-2'],
    ],
    [['--since', '1d'], []],
    [['-n', '1'], ['bb22-12']],
    [
      ['-n', '2', '--decision', 'allow'],
      ['bb22-1', 'bb22-12'],
    ],
    [
      ['-n', '0'],
      ['aa11-1', 'aa11-2', 'bb22-1', 'bb22-12'],
    ],
  ])('%j', async (filter, calls) => {
    const { out } = await run('list', '--json', ...filter);
    expect(JSON.parse(out).map(({ call }: { call: string }) => call)).toEqual(calls);
  });

  test('lists records of an event, or all', async () => {
    const { out } = await run('list', '--event', 'session.*', '--json');
    expect(JSON.parse(out).map(({ event }: { event: string }) => event)).toEqual([
      'session.open',
      'session.open',
      'session.close',
    ]);
    expect((await run('list', '--events', '-n', '2')).out).toMatch(/session\.close .*code=0.*daemon\.stop/s);
  });

  test.each([
    ['--since', 'yesterday'],
    ['--until', '2026-01-02T03:04'],
    ['--since', '2026-13-01'],
    ['-n', '-1'],
    ['-n', 'x'],
  ])('%s %s is no such option', async (...words) => {
    expect((await run('list', ...words)).error).toMatchObject({ code: 'usage' });
  });

  test('a line that is not a record is skipped', async () => {
    const path = join(places.audit, '9999999999999999.jsonl');
    writeFileSync(path, 'nonsense\n{"seq":1}\n\xff\n{"torn');
    expect(JSON.parse((await run('list', '--json')).out)).toHaveLength(4);
    rmSync(path);
  });
});

describe('show', () => {
  test('joins who made the call, its arguments, what allowed it, and how it ended', async () => {
    const { out } = await run('show', '4');
    for (const fact of [
      /^record +4 /,
      /^asked by +\/usr\/bin\/some-host +pid 77$/m,
      /^in +\/home\/me\/src$/m,
      /^server +node server.js --name "two words"$/m,
      /^credential +github\/TOKEN +as TOKEN +version v7 +by env$/m,
      /^decision +allow +by default$/m,
      /^arguments +\{"n":1\}$/m,
      /^credential\.use .*action=deliver/m,
      /^ended +ok +after 1 ms +101 bytes/m,
      /^session end .*the host ended it/m,
    ]) {
      expect(out).toMatch(fact);
    }
  });

  test('takes a number, a call, its beginning, or the number of its result', async () => {
    for (const which of ['6', '4', 'aa11-1']) {
      const { record, result } = JSON.parse((await run('show', which, '--json')).out);
      expect([record.call, result.seq]).toEqual(['aa11-1', 6]);
    }
    // Exactly this one, though another begins so.
    expect(JSON.parse((await run('show', 'bb22-1', '--json')).out).record.seq).toBe(9);
    expect((await run('show', 'bb22-12')).out).toContain('no result so far');
    expect((await run('show', '2')).out).toMatch(/^record +2 .*session\.open/);
  });

  test('reports when nothing, or more than one call, matches', async () => {
    expect((await run('show', 'zz')).error).toMatchObject({
      code: 'usage',
      message: 'there is no record or call "zz"',
    });
    expect((await run('show', 'aa')).error).toMatchObject({
      code: 'usage',
      hint: expect.stringContaining('aa11-2, aa11-1'),
    });
    expect((await run('show', '999')).error).toMatchObject({ code: 'usage' });
  });
});

describe('export', () => {
  test('as JSON Lines prints the original bytes, which verify', async () => {
    const { out } = await run('export');
    const { out: listed } = await run('list', '--events', '-n', '0', '--json');
    expect(
      out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(JSON.parse(listed));
    const copy = join(scratch, 'copy.jsonl');
    writeFileSync(copy, out);
    expect((await run('verify', copy)).out).toContain('records verify');
    appendFileSync(copy, out.split('\n')[3] ?? '');
    expect((await run('verify', copy)).error).toMatchObject({ code: 'audit-broken' });
  });

  test('W-AUDIT-10 as CSV follows RFC 4180, and no cell is a formula', async () => {
    const { out } = await run('export', '--format', 'csv', '--event', 'tool.*');
    const lines = out.split('\r\n');
    expect(lines[0]).toMatch(/^seq,time,event,profile,/);
    expect(lines).toHaveLength(8);
    expect(lines[1]).toMatch(
      /^4,2026-01-02T03:00:00\.000Z,tool\.call,github,aa11,aa11-1,get_issue,,,allow,default,,,,,,,,"\{""arguments"":""\{\\""n\\"":1\}"",""id"":""1""\}",[0-9a-f]{64}$/,
    );
    expect(lines[4]).toContain(',"\'=HYPERLINK(""http://x"")",');
  });
});

describe('verify', () => {
  test('W-AUDIT-10 nothing of a record moves, hides or colours what a terminal shows', async () => {
    for (const words of [['list'], ['list', '--events', '-n', '0'], ['show', 'bb22-12']]) {
      const { out } = await run(...words);
      expect(out).toContain('x\\u001b[2Jy\\u009b31m\\u202ez');
      expect(out).not.toMatch(/[^\P{Cc}\n]|\u202e/u);
    }
  });

  test('reports what verifies, and what that does not prove', async () => {
    const { out, code } = await run('verify');
    expect(out).toMatch(/^\d+ records verify, 1 to \d+\nno record is signed/);
    expect(code).toBe(0);
    const { out: json } = await run('verify', '--json');
    expect(JSON.parse(json)).toMatchObject({
      ok: true,
      first: 1,
      signed_through: null,
      keys: 'none',
      problems: [],
    });
  });

  test('names the first bad record', async () => {
    const path = join(places.audit, '0000000000000001.jsonl');
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.replace('some-host', 'same-host'));
    const { error } = await run('verify');
    expect(error).toMatchObject({
      code: 'audit-broken',
      message: expect.stringContaining('0000000000000001.jsonl:2, record 2: edited: '),
    });
    const { out, code, error: none } = await run('verify', '--json');
    expect({ code, none }).toEqual({ code: 1, none: undefined });
    expect(JSON.parse(out).problems).toMatchObject([{ kind: 'edited', line: 2, seq: 2 }]);
    writeFileSync(path, text);
  });

  test('an invalid key is refused', async () => {
    writeFileSync(join(scratch, 'empty'), 'no key\n');
    expect((await run('verify', '--key', join(scratch, 'empty'))).error).toMatchObject({ code: 'usage' });
    expect((await run('verify', '--key', join(scratch, 'nothing'))).error).toMatchObject({ code: 'usage' });
    const key = Buffer.alloc(32, 7).toString('base64');
    expect((await run('verify', '--key', key)).error?.message).toContain('unsigned');
  });

  test('what cannot be read does not verify', async () => {
    expect((await run('verify', join(scratch, 'nothing'))).error).toMatchObject({ code: 'audit-broken' });
  });
});

describe('tail', () => {
  test('starts with the newest, and follows through segments until it is interrupted', async () => {
    const listeners = process.listenerCount('SIGINT');
    const running = run('tail', '--json', '-n', '1', '--event', 'tool.call');
    await expect.poll(() => process.listenerCount('SIGINT')).toBeGreaterThan(listeners);
    {
      await using log = await open();
      for (let n = 20; n < 30; n += 1) called(log, 'bb22', n, 'read');
    }
    await expect.poll(() => printed.split('\n').length).toBeGreaterThan(11);
    process.emit('SIGINT');
    const { out } = await running;
    const calls = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).call);
    expect(calls).toEqual(['bb22-12', ...Array.from({ length: 10 }, (_, i) => `bb22-${20 + i}`)]);
  });
});

describe('requests that are no tool calls, and questions of a server', () => {
  const elsewhere = newPlaces();
  const digest = (letter: string): string => `sha256:${letter.repeat(64)}`;
  const of = (n: number) => ({ session: 'cc33', call: `cc33-${n}`, profile: 'notes' });
  const allowed = { decision: 'allow', rule: 'policy.default' } as const;
  const end = { bytes: 20, result: digest('f'), ms: 5 };

  beforeAll(async () => {
    now = Date.parse('2026-01-03T00:00:00Z');
    await using log = await open({ places: elsewhere, settings: { ...SETTINGS, segment: 100_000 } });
    session(log, 'cc33', 'notes');
    const read = { ...of(1), method: 'resources/read', target: 'file:///a\u202eb' };
    log.append('request', { ...read, ...allowed, id: '1', params: '{"uri":"file:///a"}' });
    log.append('answer', { ...read, outcome: 'ok', ...end });
    const deny = { decision: 'deny', rule: 'policy.methods.x/*' } as const;
    log.append('request', { ...of(2), method: 'x/y', ...deny, id: '2', params: digest('a') });
    const ask = { ...of(3), method: 'sampling/createMessage' };
    log.append('question', { ...ask, decision: 'allow', rule: 'protocol', id: '"q"', params: '{}' });
    log.append('reply', { ...ask, outcome: 'error', ...end });
    const slow = { ...of(4), tool: 'slow' };
    log.append('tool.call', { ...slow, ...allowed, id: '4', arguments: '{}' });
    log.append('tool.result', { ...slow, outcome: 'task', task: digest('t'), ...end });
    const fetch = { ...of(5), method: 'tasks/result', task: digest('t') };
    log.append('request', { ...fetch, ...allowed, id: '5', params: '{}' });
    log.append('answer', { ...fetch, outcome: 'ok', ...end });
    const book = (n: number) => ({ ...of(n), tool: 'book' });
    log.append('tool.call', { ...book(6), ...allowed, id: '6', arguments: '{}' });
    log.append('tool.result', { ...book(6), outcome: 'input-required', state: digest('s'), ...end });
    const again = { state: digest('s'), responses: digest('r') };
    log.append('tool.call', { ...book(7), ...allowed, id: '7', arguments: '{}', ...again });
    log.append('tool.result', { ...book(7), outcome: 'ok', ...end });
    log.append('tool.call', { ...book(8), ...allowed, id: '8', arguments: '{}' });
    log.append('tool.result', { ...book(8), outcome: 'cancelled', ...end });
    log.append('answer', { ...of(8), method: 'tools/call', outcome: 'late', ...end });
  });

  const show = async (which: string) => {
    const { out } = await runOn(elsewhere, 'show', which, '--json');
    const { record, events, result } = JSON.parse(out);
    const short = (entry: { event: string; call?: string }) => `${entry.event} ${entry.call}`;
    return {
      record: short(record),
      events: events.map(short),
      result: result === null ? null : short(result),
    };
  };

  test('are listed among the calls, with what they act on', async () => {
    const { out } = await runOn(elsewhere, 'list');
    const rows = out
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/));
    expect(rows.map(([, , , name, decision, outcome]) => [name, decision, outcome])).toEqual([
      ['CALL', 'DECISION', 'OUTCOME'],
      ['resources/read file:///a\\u202eb', 'allow', 'ok'],
      ['x/y', 'deny', '-'],
      ['server: sampling/createMessage', 'allow', 'error'],
      ['slow', 'allow', 'task'],
      ['tasks/result', 'allow', 'ok'],
      ['book', 'allow', 'input-required'],
      ['book', 'allow', 'ok'],
      ['book', 'allow', 'cancelled'],
    ]);
  });

  test.each([
    [['--method', 'resources/*'], ['cc33-1']],
    [
      ['--method', 'tools/call'],
      ['cc33-4', 'cc33-6', 'cc33-7', 'cc33-8'],
    ],
    [['--tool', 'slow'], ['cc33-4']],
    [['--outcome', 'error'], ['cc33-3']],
    [['--outcome', 'cancelled'], ['cc33-8']],
    [['--decision', 'deny'], ['cc33-2']],
  ])('are selected by %j', async (words, calls) => {
    const list: { call: string }[] = JSON.parse((await runOn(elsewhere, 'list', '--json', ...words)).out);
    expect(list.map(({ call }) => call)).toEqual(calls);
  });

  test('are facts for programs', async () => {
    const [first, , third, fourth] = JSON.parse((await runOn(elsewhere, 'list', '--json')).out);
    expect(first).toMatchObject({
      event: 'request',
      tool: null,
      method: 'resources/read',
      target: 'file:///a\u202eb',
    });
    expect(third).toMatchObject({
      event: 'question',
      tool: null,
      method: 'sampling/createMessage',
      target: null,
    });
    expect(fourth).toMatchObject({ event: 'tool.call', tool: 'slow', method: 'tools/call', target: null });
  });

  test('are shown whole, by the id of the call or the number of either record', async () => {
    const { out } = await runOn(elsewhere, 'show', 'cc33-1');
    expect(out).toMatch(/method +resources\/read {2}request 1\n/);
    expect(out).toMatch(/target +file:\/\/\/a\\u202eb\n/);
    expect(out).toMatch(/params +\{"uri":"file:\/\/\/a"\}\n/);
    expect(out).toMatch(/ended +ok {2}after 5 ms/);
    expect((await runOn(elsewhere, 'show', 'cc33-3')).out).toMatch(/server asks +sampling\/createMessage/);
    expect(await show('5')).toEqual(await show('cc33-1'));
  });

  test('a task is shown with what fetched its result', async () => {
    expect(await show('cc33-4')).toEqual({
      record: 'tool.call cc33-4',
      result: 'tool.result cc33-4',
      events: ['credential.use undefined', 'request cc33-5', 'answer cc33-5'],
    });
  });

  test('a call that is made again with what the server asked for is shown with the first one', async () => {
    expect(await show('cc33-6')).toMatchObject({
      result: 'tool.result cc33-6',
      events: ['credential.use undefined', 'tool.call cc33-7', 'tool.result cc33-7'],
    });
  });

  test('an answer that came too late is shown beside the result', async () => {
    expect(await show('cc33-8')).toMatchObject({
      result: 'tool.result cc33-8',
      events: ['credential.use undefined', 'answer cc33-8'],
    });
  });

  test('are columns of the CSV', async () => {
    const { out } = await runOn(elsewhere, 'export', '--format', 'csv', '--event', 'request');
    const [head = '', first = ''] = out.split('\r\n');
    const [columns, cells] = [head.split(','), first.split(',')];
    expect(cells[columns.indexOf('method')]).toBe('resources/read');
    expect(cells[columns.indexOf('target')]).toBe('file:///a\u202eb');
  });
});
