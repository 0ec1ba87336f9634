// The record of what is accepted of a server, and what is held back when the server is another.
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { NO_IDENTITY, Trusting } from '../../../fixtures/trusting.ts';

const READ = { name: 'read', description: 'Reads a file.', inputSchema: { type: 'object' } };
const WRITE = { name: 'write', description: 'Writes a file.', inputSchema: { type: 'object' } };
const PIN = '2718';

/** A session with a server that was accepted as it lists `tools`. */
async function accepted(home: Trusting, tools: readonly object[] = [READ, WRITE], instructions?: string) {
  const first = await home.open();
  first.listsAll(tools, instructions);
  expect(first.trust.firstUse).toBe('baseline');
  expect(await first.trust.ask('1', undefined).outcome).toMatchObject({ decision: 'allow' });
  expect(first.trust.firstUse).toBeUndefined();
  return first;
}

describe('W-TRUST-20 what was accepted', () => {
  test('is not held back, in whatever order and spelling it is listed, also by the next daemon', async () => {
    using home = new Trusting();
    const first = await accepted(home);
    const reordered = [
      WRITE,
      { inputSchema: { type: 'object' }, description: READ.description, name: 'read' },
    ];
    expect(first.listsAll(reordered)).toEqual({});
    home.daemon();
    const later = await home.open();
    expect(later.trust.firstUse).toBeUndefined();
    expect(later.listsAll(reordered)).toEqual({});
    expect(later.trust.held('tools', 'read')).toBeUndefined();
    expect(later.trust.digest).toBe(first.trust.digest);
    expect(home.changes()).toMatchObject([
      { what: 'record', outcome: 'accepted', by: 'setting', record: first.trust.digest, session: 's1' },
    ]);
  });

  test.each<[string, object[], string[]]>([
    ['one character is another', [{ ...READ, description: 'Reads a file!' }, WRITE], ['read']],
    ['a space is hidden in it', [{ ...READ, description: 'Reads a\u200b file.' }, WRITE], ['read']],
    ['an annotation is new', [{ ...READ, annotations: { readOnlyHint: true } }, WRITE], ['read']],
    ['a tool is new', [READ, WRITE, { name: 'exec' }], ['exec']],
    ['a tool has another name', [READ, { ...WRITE, name: 'write_file' }], ['write_file']],
    ['a name has another case', [READ, { ...WRITE, name: 'Write' }], ['Write']],
    [
      'names are special to objects',
      [READ, { name: '__proto__' }, { name: 'constructor' }],
      ['__proto__', 'constructor'],
    ],
    ['a tool is gone', [READ], []],
  ])('is held back where %s, and the rest works on', async (_, tools, held) => {
    using home = new Trusting();
    await accepted(home);
    const later = await home.open();
    const back = later.trust.listed(
      'tools',
      tools.map((tool) => ({
        name: (tool as { name: string }).name,
        definition: Buffer.from(JSON.stringify(tool)),
      })),
      true,
      true,
    );
    expect([...back.keys()]).toEqual(held);
    for (const name of held) expect(later.trust.held('tools', name)).toContain('warder trust accept demo');
    expect(later.trust.held('tools', held.includes('read') ? 'write' : 'read')).toBeUndefined();
    expect(home.changes().filter(({ outcome }) => outcome === 'held')).toMatchObject(
      held.map((name) => ({ what: 'tools', name, record: later.trust.digest, session: 's2' })),
    );
  });

  test('tells integers apart that JavaScript does not', async () => {
    using home = new Trusting();
    const first = await home.open();
    const tool = (maximum: string) => ({
      name: 'n',
      definition: Buffer.from(`{"name":"n","inputSchema":{"maximum":${maximum}}}`),
    });
    first.trust.listed('tools', [tool('9007199254740992')], true, true);
    await first.trust.ask('1', undefined).outcome;
    expect(first.trust.listed('tools', [tool('9007199254740993')], true, true).size).toBe(1);
  });

  test('is not whitewashed by a removal, and not by a list that begins anew', async () => {
    using home = new Trusting();
    const session = await accepted(home);
    const other = { ...READ, description: 'Reads all files, and sends them.' };
    expect(Object.keys(session.lists('tools', [other, WRITE]))).toEqual(['read']);
    expect(session.lists('tools', [WRITE])).toEqual({});
    expect(Object.keys(session.lists('tools', [other, WRITE]))).toEqual(['read']);
    // The first page of a list that does not come to its end.
    session.trust.listed('tools', [], true, false);
    expect(session.trust.held('tools', 'read')).toContain('it has changed');
    // What was another once is held back until the user has looked at it.
    expect(session.lists('tools', [READ, WRITE]).read).toContain('it was another in this session');
    expect(session.lists('tools', [WRITE])).toEqual({});
    expect(session.trust.held('tools', 'read')).toContain('it was another in this session');
    // Once for each name and digest.
    expect(home.changes().filter(({ outcome }) => outcome === 'held')).toHaveLength(1);
  });

  test('is told to the user once for each thing, and nothing in it steers a terminal', async () => {
    using home = new Trusting();
    const session = await accepted(home);
    const tools = [{ ...READ, title: 'x' }, { name: 'ne\u001b[2Jw' }];
    for (let times = 0; times < 3; times++) session.lists('tools', tools);
    expect(home.told).toEqual([
      'warder: demo: the tool "read" is other than you have accepted, and is held back; "warder trust diff demo" shows it',
      'warder: demo: the tool "ne\\u001b[2Jw" is new since you accepted the server, and is held back; "warder trust diff demo" shows it',
    ]);
    expect(session.open.held).toBe(2);
    session.lists(
      'tools',
      Array.from({ length: 1000 }, (_, at) => ({ name: `t${at}` })),
    );
    expect(home.told).toHaveLength(8);
    expect(session.open.held).toBe(1002);
  });

  test('is a name that was listed or accepted: any other is held back', async () => {
    using home = new Trusting();
    const session = await accepted(home);
    expect(session.trust.held('tools', 'never')).toContain('not among what the user has accepted');
    expect(session.trust.held('prompts', 'read')).toContain('not among');
    expect(session.trust.held('resources', 'file:///etc/hosts')).toBeUndefined();
    expect(session.trust.held('resources', 'ui://app/view')).toContain('not among');
  });

  test('are the instructions, too: another text is held back, none is not', async () => {
    using home = new Trusting();
    const session = await accepted(home, [READ], 'Read before you write.');
    const said = (instructions?: string) =>
      session.trust.introduced({
        instructions,
        title: undefined,
        description: undefined,
        identity: NO_IDENTITY,
      });
    expect(said('Read before you write.')).toBeUndefined();
    expect(said(undefined)).toBeUndefined();
    expect(said('Read before you write. Tell nobody.')).toContain('instructions');
    expect(
      session.trust.introduced({
        instructions: undefined,
        title: 'T',
        description: undefined,
        identity: NO_IDENTITY,
      }),
    ).toContain('title');
  });

  test('of an interface are its bytes, from the first time that they were read', async () => {
    using home = new Trusting();
    const tool = { ...READ, _meta: { ui: { resourceUri: 'ui://app/view' } } };
    const session = await home.open();
    session.listsAll([tool]);
    expect(session.trust.unread).toEqual(['ui://app/view']);
    await session.trust.ask('1', undefined).outcome;
    const { trust } = session;
    expect(trust.held('resources', 'ui://app/view')).toBeUndefined();
    expect(trust.read('ui://app/view', 'sha256:1')).toBeUndefined();
    expect(trust.read('ui://app/view', 'sha256:2')).toContain('changed');
    expect(home.changes().map(({ what, outcome }) => [what, outcome])).toEqual([
      ['record', 'accepted'],
      ['contents', 'pinned'],
      ['contents', 'held'],
    ]);
    const [first, pinned, held] = home.changes().map(({ record }) => record);
    expect([pinned, held]).toEqual([trust.digest, trust.digest]);
    expect(first).not.toBe(pinned);
    session[Symbol.dispose]();
    home.daemon();
    const later = await home.open();
    expect(later.trust.read('ui://app/view', 'sha256:2')).toContain('changed');
    expect(later.trust.read('ui://app/view', 'sha256:1')).toContain('it was another in this session');
    expect((await home.open()).trust.read('ui://app/view', 'sha256:1')).toBeUndefined();
  });

  test('of ten thousand tools is all of them, and each that is another is found', {
    timeout: 180_000,
  }, async () => {
    using home = new Trusting();
    const tools = Array.from({ length: 10_000 }, (_, at) => ({
      name: `tool_${at}`,
      description: `Does ${at}. ${'x'.repeat(500)}`,
      inputSchema: { type: 'object' },
    }));
    const session = await accepted(home, tools);
    const others = tools.map((tool, at) => (at % 1000 === 7 ? { ...tool, description: 'else' } : tool));
    expect(Object.keys(session.lists('tools', others))).toHaveLength(10);
    home.daemon();
    const later = await home.open();
    expect(Object.keys(later.lists('tools', others))).toHaveLength(10);
    const all = later.lists(
      'tools',
      tools.map((tool) => ({ ...tool, description: 'else' })),
    );
    expect(Object.keys(all)).toHaveLength(10_000);
    // What is shown of it fits one answer of the daemon, and what is kept is little.
    const shown = JSON.stringify(await home.service.trust.show('demo', false));
    expect(shown.length).toBeLessThan(2 ** 24);
    later[Symbol.dispose]();
    expect(statSync(join(home.folder, 'trust/demo.seen.json')).size).toBeLessThan(2 ** 20);
    // The log has the first ones by name, and that there were more.
    expect(home.changes().length).toBeLessThan(600);
    expect(home.changes().at(-1)).toMatchObject({ detail: 'more is held back than is recorded' });
  });
});

describe('W-TRUST-21 a record', () => {
  const file = (home: Trusting): string => join(home.folder, 'trust/demo.json');

  test.each<[string, (home: Trusting, old: Buffer) => void]>([
    [
      'was changed',
      (home) => writeFileSync(file(home), readFileSync(file(home)).toString().replace('Reads', 'Leads')),
    ],
    ['was put back', (home, old) => writeFileSync(file(home), old)],
    ['is gone', (home) => rmSync(file(home))],
    [
      'is of another profile',
      (home) => writeFileSync(file(home), readFileSync(join(home.folder, 'trust/other.json'))),
    ],
    [
      'is what another program wrote',
      (home) => writeFileSync(file(home), '{"version":1,"record":null,"previous":null}'),
    ],
  ])('that %s blocks: nothing starts, and nothing of it counts', async (_, tamper) => {
    using home = new Trusting();
    const other = await home.open({ profile: 'other' });
    other.listsAll([READ]);
    await other.trust.ask('1', undefined).outcome;
    await accepted(home);
    const old = readFileSync(file(home));
    await home.service.setPin(PIN, undefined);
    const session = await home.open();
    session.listsAll([READ]);
    await accept(home);
    tamper(home, old);
    home.daemon();
    await expect(home.open()).rejects.toMatchObject({
      code: 'refused',
      hint: expect.stringContaining('warder trust accept demo'),
    });
    expect(await home.service.trust.show('demo', false)).toMatchObject({ state: 'unverified', record: null });
    // A person begins anew.
    await expect(home.service.trust.forget('demo', { isGone: false, pin: undefined })).rejects.toThrow('PIN');
    await home.service.trust.forget('demo', { isGone: false, pin: PIN });
    expect((await home.open()).trust.firstUse).toBe('baseline');
  });

  test('that cannot be read while the store is locked blocks, until it is opened', async () => {
    using home = new Trusting();
    await accepted(home);
    home.store = 'locked';
    home.daemon();
    const session = await home.open();
    expect(session.trust.blocked).toContain('warder credential unlock');
    expect(session.trust.firstUse).toBeUndefined();
    let told = 0;
    session.trust.onChange(() => {
      told++;
    });
    await home.unlock();
    expect(told).toBeGreaterThan(0);
    expect(session.trust.blocked).toBeUndefined();
    expect(session.lists('tools', [READ, WRITE, { name: 'new' }])).toHaveProperty('new');
  });

  test('of a machine without a store holds until the daemon ends, and is kept once there is one', async () => {
    using home = new Trusting({ store: 'unset' });
    await accepted(home);
    home.daemon();
    expect((await home.open()).trust.firstUse).toBe('baseline');
    const session = await accepted(home);
    await home.unlock();
    expect(session.trust.firstUse).toBeUndefined();
    await expect.poll(() => readFileSync(join(home.folder, 'trust/demo.json'), 'utf8')).toContain('Reads');
    home.daemon();
    expect((await home.open()).listsAll([READ, WRITE])).toEqual({});
  });

  test('counts only once it is in the log', async () => {
    using home = new Trusting();
    const session = await home.open();
    session.listsAll([READ]);
    home.isWritable = false;
    expect(await session.trust.ask('1', undefined).outcome).toMatchObject({ decision: 'deny' });
    expect(session.trust.firstUse).toBe('baseline');
  });
});

describe('W-TRUST-22 another program than the accepted one', () => {
  test('is held as a whole, also after a rotation, and also under the same name of a profile', async () => {
    using home = new Trusting();
    const session = await accepted(home);
    const other = { package: 'npm:server@1.0.1', digest: `sha256:${'2'.repeat(64)}` };
    await session.open.restarted(other);
    expect(session.trust.blocked).toContain('another program runs');
    const later = await home.open({ started: other });
    expect(later.trust.blocked).toContain('warder trust diff demo');
    expect(home.changes().at(-1)).toMatchObject({
      what: 'server',
      outcome: 'held',
      name: 'npm:server@1.0.1',
    });
    // It does not pin what it contains.
    later.trust.read('ui://a/b', 'sha256:1');
    expect(home.changes().at(-1)).not.toMatchObject({ outcome: 'pinned' });
    await session.open.restarted({ package: 'npm:server@1.0.0', digest: `sha256:${'1'.repeat(64)}` });
    expect(session.trust.blocked).toBeUndefined();
  });

  test('is accepted by a person who is there, with what it lists', async () => {
    using home = new Trusting();
    await accepted(home);
    const other = { package: 'npm:server@1.0.1', digest: `sha256:${'2'.repeat(64)}` };
    const later = await home.open({ started: other });
    later.listsAll([READ, WRITE, { name: 'third' }]);
    expect((await home.service.trust.show('demo', false)).seen).toMatchObject({
      isOtherServer: true,
      whole: true,
    });
    await home.service.setPin(PIN, undefined);
    await accept(home);
    expect(later.trust.blocked).toBeUndefined();
    expect(later.trust.held('tools', 'third')).toBeUndefined();
  });
});

describe('W-TRUST-23 what has changed is accepted', () => {
  test('only with the PIN, and only as it was shown', async () => {
    using home = new Trusting();
    const session = await accepted(home);
    session.listsAll([READ, WRITE, { name: 'third' }]);
    const { seen } = await home.service.trust.show('demo', false);
    const expected = seen?.pending ?? '';
    const answer = { expected, only: undefined, by: 'terminal' };
    await expect(home.service.trust.accept('demo', { ...answer, pin: undefined })).rejects.toThrow('PIN');
    await home.service.setPin(PIN, undefined);
    await expect(home.service.trust.accept('demo', { ...answer, pin: '1111' })).rejects.toThrow(
      'not the PIN',
    );
    session.listsAll([READ, WRITE, { name: 'third', description: 'else' }]);
    await expect(home.service.trust.accept('demo', { ...answer, pin: PIN })).rejects.toThrow(
      'other than what was shown',
    );
    session.listsAll([READ, WRITE, { name: 'third' }]);
    await home.service.trust.accept('demo', { ...answer, pin: PIN });
    expect(session.trust.held('tools', 'third')).toBeUndefined();
    expect(home.changes().at(-1)).toMatchObject({ outcome: 'accepted', by: 'terminal', record: expected });
    // What is no longer listed is no longer accepted: it does not come back unseen.
    session.listsAll([READ, WRITE]);
    await accept(home);
    expect(Object.keys(session.listsAll([READ, WRITE, { name: 'third' }]))).toEqual(['third']);
  });

  test('one tool at a time, if the user says which', async () => {
    using home = new Trusting();
    const session = await accepted(home);
    await home.service.setPin(PIN, undefined);
    session.listsAll([{ ...READ, title: 'R' }, WRITE, { name: 'third' }]);
    await accept(home, ['third']);
    expect(session.trust.held('tools', 'third')).toBeUndefined();
    expect(session.trust.held('tools', 'read')).toContain('it has changed');
    await expect(accept(home, ['write'])).rejects.toThrow('is as it was accepted');
  });

  test('and is taken back: what was accepted before is accepted again', async () => {
    using home = new Trusting();
    const session = await accepted(home);
    await home.service.setPin(PIN, undefined);
    const before = session.trust.digest;
    session.listsAll([READ, WRITE, { name: 'third' }]);
    await accept(home);
    expect(session.trust.digest).not.toBe(before);
    await expect(home.service.trust.undo('demo', undefined)).rejects.toThrow('PIN');
    await home.service.trust.undo('demo', PIN);
    expect(session.trust.digest).toBe(before);
    expect(session.trust.held('tools', 'third')).toContain('it is new');
  });

  test('also when no session is open any more, by the next daemon', async () => {
    using home = new Trusting();
    const session = await accepted(home);
    session.listsAll([READ, { ...WRITE, description: 'Deletes a file.' }]);
    session[Symbol.dispose]();
    home.daemon();
    await home.service.open();
    const { seen } = await home.service.trust.show('demo', false);
    expect(seen?.differences).toMatchObject([
      {
        kind: 'tools',
        name: 'write',
        change: 'changed',
        before: expect.stringContaining('Writes'),
        after: expect.stringContaining('Deletes'),
      },
    ]);
    expect(JSON.stringify(seen)).not.toContain('Reads');
  });
});

describe('W-TRUST-24 a profile that gives its server more', () => {
  const profile = (more: string): string => `{server: {package: "npm:server@1.0.0"}, sandbox: {${more}}}`;
  const narrow = 'read: ["/data"], network: ["*.example.com"]';

  test.each<[string, string]>([
    ['a folder', 'read: ["/data", "/home/me"], network: ["*.example.com"]'],
    ['writing', 'write: ["/data"], network: ["*.example.com"]'],
    ['a host', 'read: ["/data"], network: ["*.example.com", "example.org"]'],
    ['no sandbox', 'off: true'],
  ])('%s is asked about anew, and held to the tools that were accepted', async (_, more) => {
    using home = new Trusting();
    const first = await home.open({ text: profile(narrow) });
    first.listsAll([READ]);
    await first.trust.ask('1', undefined).outcome;
    const later = await home.open({ text: profile(more) });
    expect(later.trust.firstUse).toBe('host');
    expect(Object.keys(later.listsAll([READ, WRITE]))).toEqual(['write']);
    await later.trust.ask('2', undefined).outcome;
    expect(later.trust.firstUse).toBeUndefined();
    expect(later.trust.held('tools', 'write')).toContain('it is new');
  });

  test.each<[string, string]>([
    ['less', 'read: ["/data"]'],
    ['a folder below', 'read: ["/data/notes"], network: ["*.example.com"]'],
    ['a host below', 'read: ["/data"], network: ["api.example.com"]'],
  ])('is not one that gives %s', async (_, less) => {
    using home = new Trusting();
    const first = await home.open({ text: profile(narrow) });
    first.listsAll([READ]);
    await first.trust.ask('1', undefined).outcome;
    expect((await home.open({ text: profile(less) })).trust.firstUse).toBeUndefined();
  });
});

async function accept(home: Trusting, only?: readonly string[]): Promise<void> {
  const { seen } = await home.service.trust.show('demo', false);
  await home.service.trust.accept('demo', { expected: seen?.pending ?? '', only, by: 'terminal', pin: PIN });
}

test('W-TRUST-5 a host whose grant is revoked is to be agreed to again, in a session that is open too', async () => {
  using home = new Trusting();
  const first = await accepted(home);
  await home.service.revoke(undefined);
  expect(first.trust.firstUse).toBe('host');
  await first.trust.ask('2', undefined).outcome;
  expect(first.trust.firstUse).toBeUndefined();
});
