// What the user has not accepted of a server reaches no host, and nothing acts on it.
import { describe, expect, test } from 'vitest';
import { Redactor } from '../../../src/credential/redact.ts';
import { answer, call, FakeServer, type Joined, join, sent, settled } from '../../fixtures/ends.ts';
import { policyOf } from '../../fixtures/policy.ts';
import { FakeTrust } from '../../fixtures/trust.ts';

type Era = 'session' | 'stateless';
const META = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' };
const INITIALIZED = { protocolVersion: '1', capabilities: { tools: {}, prompts: {}, resources: {} } };
const CHANGED = (what: string) => ({ method: `notifications/${what}/list_changed` });

const echo = { name: 'echo', description: 'Says it again' };
const other = { name: 'other', description: 'Something else' };

interface Trusting extends Joined {
  readonly trust: FakeTrust;
}

/** A session whose host has opened it. The ids of the server's requests begin with 2. */
function opened(trust: FakeTrust, era: Era = 'session', options: Parameters<typeof join>[0] = {}): Trusting {
  const joined = join({ trust, ...options });
  const { host, server } = joined;
  if (era === 'session') {
    host.say({ id: 0, method: 'initialize' });
    server.say({ id: 1, result: INITIALIZED });
    host.say({ method: 'notifications/initialized' });
  } else {
    host.say({ id: 0, method: 'server/discover', params: { _meta: META } });
    server.say({
      id: 1,
      result: { supportedVersions: ['2026-07-28'], capabilities: INITIALIZED.capabilities },
    });
  }
  host.writes.length = 0;
  server.writes.length = 0;
  return { ...joined, trust };
}

/** The host asks for a page, and the server gives it. Returns the result, or the error, that the host gets. */
function page(
  { host, server }: Joined,
  method: string,
  result: object | string,
  params: object = {},
): Record<string, unknown> {
  host.say({ id: method, method, params });
  const { id } = server.messages.findLast((message) => message.method === method) ?? {};
  const text = typeof result === 'string' ? result : JSON.stringify(result);
  server.say(`{"jsonrpc":"2.0","id":${String(id)},"result":${text}}`);
  const last = host.messages.at(-1) ?? {};
  return (last.result ?? last.error) as Record<string, unknown>;
}

const tools = (...entries: object[]) => ({ tools: entries });
const isHeld = (shown: string) => ({
  content: [
    { text: expect.stringMatching(new RegExp(`"${shown}" is held back: .*warder trust diff github`)) },
  ],
  isError: true,
});

describe.each<Era>(['session', 'stateless'])('W-TRUST-1 of a list of the %s era', (era) => {
  test.each([
    ['tools/list', 'tools', { name: 'a', x: 1 }, { name: 'a', x: 2 }, { name: 'b' }],
    ['prompts/list', 'prompts', { name: 'a', x: 1 }, { name: 'a', x: 2 }, { name: 'b' }],
    [
      'resources/templates/list',
      'resourceTemplates',
      { uriTemplate: 'a:{x}' },
      { uriTemplate: 'a:{x}', n: 1 },
      { uriTemplate: 'b:{x}' },
    ],
    ['resources/list', 'resources', { uri: 'ui://a' }, { uri: 'ui://a', n: 1 }, { uri: 'UI://b' }],
  ])('%s: only what was accepted is there', (method, member, accepted, changed, added) => {
    const kind = member === 'resourceTemplates' ? 'templates' : (member as 'tools');
    const joined = opened(new FakeTrust({ [kind]: [accepted] }), era);
    const result = (...entries: object[]) => page(joined, method, { [member]: entries, x: 1 })[member];
    expect(result(accepted, added)).toEqual([accepted]);
    expect(result(changed)).toEqual([]);
    joined.trust.accept(kind, changed);
    joined.trust.accept(kind, added);
    expect(result(added, changed)).toEqual([added, changed]);
  });

  test('each page is judged, and what the relay lists by itself too', async () => {
    const policy = policyOf({ tools: { x: 'deny' } });
    const joined = opened(new FakeTrust({ tools: [echo] }), era, { policy });
    const { host, server, trust } = joined;
    expect(page(joined, 'tools/list', { tools: [echo], nextCursor: 'c' }).tools).toEqual([echo]);
    const second = page(joined, 'tools/list', { tools: [other], nextCursor: 'd' }, { cursor: 'c' });
    expect([second.tools, second.nextCursor]).toEqual([[], 'd']);
    expect(trust.pages).toMatchObject([
      { isFirst: true, isLast: false },
      { isFirst: false, isLast: false },
    ]);
    // Under this policy the relay has to know a tool.
    host.say(call(1, 'late'));
    const own = server.messages.at(-1);
    expect(own).toMatchObject({ method: 'tools/list' });
    server.say({ id: own?.id, result: tools({ name: 'late' }) });
    await settled();
    expect(trust.pages.at(-1)).toEqual({ kind: 'tools', names: ['late'], isFirst: true, isLast: true });
    expect(host.messages.at(-1)).toMatchObject({ id: 1, result: isHeld('late') });
    expect(server.messages.filter(({ method }) => method === 'tools/call')).toEqual([]);
  });

  test('a list that is empty, and one after the server has said that it changes, are judged', () => {
    const joined = opened(new FakeTrust({ tools: [echo] }), era);
    page(joined, 'tools/list', tools());
    expect(joined.trust.pages).toEqual([{ kind: 'tools', names: [], isFirst: true, isLast: true }]);
    joined.server.say(CHANGED('tools'));
    expect(page(joined, 'tools/list', tools({ ...echo, description: 'Says it again!' })).tools).toEqual([]);
  });
});

describe('W-TRUST-1 a list', () => {
  test('in which nothing is held back goes on as it came', () => {
    const joined = opened(new FakeTrust({ tools: [echo] }));
    joined.host.say({ id: 1, method: 'tools/list' });
    const line = `{ "jsonrpc":"2.0" ,"id":1,"result":{"tools":[ ${JSON.stringify(echo)} ]}}`;
    joined.server.say(line.replace('"id":1', '"id":2'));
    expect(joined.host.lines).toEqual([line]);
  });

  test.each<Era>(['session', 'stateless'])('that is long is judged as a short one is: %s', async (era) => {
    const nested = (depth: number): unknown => (depth <= 0 ? 'x'.repeat(60) : { a: [nested(depth - 2)] });
    const many = Array.from({ length: 3000 }, (_, i) => ({ name: `t${i}`, inputSchema: nested(i % 200) }));
    const joined = opened(new FakeTrust({ prompts: many }), era);
    const changed = many.map((entry, i) => (i % 500 === 499 ? { ...entry, title: 'T' } : entry));
    joined.host.say({ id: 1, method: 'prompts/list' });
    joined.server.say({
      id: joined.server.nth(1),
      result: { cacheScope: 'public', prompts: changed, ttlMs: 9999 },
    });
    await expect.poll(() => joined.host.lines.length).toBe(1);
    const [reply = {}] = joined.host.messages;
    const { prompts, ...rest } = reply.result as { prompts: object[] };
    expect(prompts).toEqual(many.filter((_, i) => i % 500 !== 499));
    expect(rest).toEqual(
      era === 'stateless' ? { cacheScope: 'private', ttlMs: 5000 } : { cacheScope: 'public', ttlMs: 9999 },
    );
  });

  test('of data is not held back: resources come and go', () => {
    const joined = opened(new FakeTrust());
    const resources = [{ uri: 'file:///a' }, { uri: 'ui://b' }, { uri: ' u\ti://c' }, { uri: 'uix://d' }];
    expect(page(joined, 'resources/list', { resources }).resources).toEqual([resources[0], resources[3]]);
    expect(joined.trust.pages[0]?.names).toEqual(['ui://b', ' u\ti://c']);
  });

  test.each(['__proto__', 'constructor', 'Echo', 'ｅｃｈｏ', 'echo\u200b', 'e\u0000cho', 'еcho'])(
    'a name that only looks like one that was accepted is another: %j',
    (name) => {
      const joined = opened(new FakeTrust({ tools: [echo] }));
      expect(page(joined, 'tools/list', tools(echo, { ...echo, name })).tools).toEqual([echo]);
      joined.host.say(call(1, name));
      expect(joined.host.messages.at(-1)).toMatchObject({ id: 1, result: { isError: true } });
      joined.host.say(call(2));
      expect(joined.server.messages.at(-1)).toMatchObject(sent(2));
    },
  );

  test('after a rotation is judged, and the host is told where it is another', async () => {
    const joined = opened(new FakeTrust({ tools: [echo], prompts: [other] }));
    page(joined, 'tools/list', tools(echo));
    page(joined, 'prompts/list', { prompts: [other] });
    const next = new FakeServer(4712);
    const done = joined.session.rotate(() => Promise.resolve({ server: next, redactor: new Redactor([]) }));
    await settled();
    next.say({ id: next.nth(1), result: INITIALIZED });
    expect((await done).outcome).toBe('moved');
    joined.host.writes.length = 0;
    const asked = next.messages.filter(({ method }) => String(method).endsWith('/list'));
    expect(asked.map(({ method }) => method)).toEqual(['tools/list', 'prompts/list']);
    next.say({ id: asked[0]?.id, result: tools({ ...echo, title: 'Echo' }) });
    next.say({ id: asked[1]?.id, result: { prompts: [other] } });
    await settled();
    expect(joined.host.messages).toMatchObject([CHANGED('tools')]);
    joined.host.say(call(1));
    expect(joined.host.messages.at(-1)).toMatchObject({ id: 1, result: isHeld('echo') });
  });

  test('that a change of the record brings back: the host is told of each list that is another', () => {
    const joined = opened(new FakeTrust({ tools: [] }));
    page(joined, 'tools/list', tools(echo));
    page(joined, 'resources/list', { resources: [{ uri: 'ui://a' }] });
    joined.host.writes.length = 0;
    page(joined, 'prompts/list', { prompts: [echo] });
    joined.host.writes.length = 0;
    joined.trust.changed();
    expect(joined.host.messages).toEqual([]);
    joined.trust.accept('tools', echo);
    joined.trust.accept('resources', { uri: 'ui://a' });
    joined.trust.changed();
    expect(joined.host.messages).toMatchObject([CHANGED('tools'), CHANGED('resources')]);
    expect(page(joined, 'tools/list', tools(echo)).tools).toEqual([echo]);
  });

  test('that a change of the record brings back: a subscription of 2026-07-28 hears of what it wants', () => {
    const joined = opened(new FakeTrust(), 'stateless');
    const { host, server, trust } = joined;
    page(joined, 'tools/list', tools(echo));
    page(joined, 'prompts/list', { prompts: [echo] });
    page(joined, 'resources/list', { resources: [{ uri: 'ui://a' }] });
    const notifications = { promptsListChanged: true, resourcesListChanged: false };
    host.say({ id: 'sub', method: 'subscriptions/listen', params: { _meta: META, notifications } });
    const { id } = server.messages.at(-1) ?? {};
    const _meta = { 'io.modelcontextprotocol/subscriptionId': id };
    server.say({ method: 'notifications/subscriptions/acknowledged', params: { _meta, notifications } });
    host.writes.length = 0;
    trust.blocked = 'it is another program';
    trust.changed();
    expect(host.messages).toEqual([]);
    trust.blocked = undefined;
    for (const kind of ['tools', 'prompts'] as const) trust.accept(kind, echo);
    trust.changed();
    expect(host.messages).toEqual([
      {
        jsonrpc: '2.0',
        ...CHANGED('prompts'),
        params: { _meta: { 'io.modelcontextprotocol/subscriptionId': 'sub' } },
      },
    ]);
  });
});

describe('W-TRUST-2 what is held back', () => {
  const RESULT = 'result';
  const ERROR = 'error';
  const template = { uriTemplate: 'a:{x}' };
  const poisoned = {
    tools: [{ ...echo, x: 1 }],
    prompts: [{ ...echo, x: 1 }],
    resources: [{ uri: 'ui://a', x: 1 }],
    resourceTemplates: [{ ...template, x: 1 }],
  };

  /** A session in which one of each kind was accepted, and has changed. */
  function held(era: Era = 'session'): Trusting {
    const joined = opened(
      new FakeTrust({
        tools: [echo],
        prompts: [echo],
        resources: [{ uri: 'ui://a' }],
        templates: [template],
      }),
      era,
    );
    for (const [member, entries] of Object.entries(poisoned)) {
      const method = member === 'resourceTemplates' ? 'resources/templates/list' : `${member}/list`;
      page(joined, method, { [member]: entries });
    }
    joined.host.writes.length = 0;
    joined.server.writes.length = 0;
    return joined;
  }

  test.each([
    ['tools/call', { name: 'echo' }, RESULT],
    ['tools/call', { name: 'echo', arguments: {}, requestState: 's', inputResponses: {} }, RESULT],
    ['tools/call', { name: 'never_listed' }, RESULT],
    ['prompts/get', { name: 'echo' }, ERROR],
    ['prompts/get', { name: 'never_listed' }, ERROR],
    ['resources/read', { uri: 'ui://a' }, ERROR],
    ['resources/read', { uri: 'UI://never-listed' }, ERROR],
    ['resources/subscribe', { uri: 'ui://a' }, ERROR],
    ['completion/complete', { ref: { type: 'ref/prompt', name: 'echo' } }, ERROR],
    ['completion/complete', { ref: { type: 'ref/resource', uri: 'a:{x}' } }, ERROR],
    ['completion/complete', { ref: { type: 'ref/resource', uri: 'never:{listed}' } }, ERROR],
    ['completion/complete', { ref: { type: 'ref/resource', uri: 'ui://never/{listed}' } }, ERROR],
    ['subscriptions/listen', { notifications: { resourceSubscriptions: ['a:b', 'ui://a'] } }, ERROR],
  ])('is not for %s with %j', (method, params, form) => {
    for (const era of ['session', 'stateless'] as const) {
      const { host, server, audit } = held(era);
      host.say({ id: 1, method, params });
      expect(server.messages).toEqual([]);
      const [reply] = host.messages;
      const text = JSON.stringify(reply?.[form]);
      expect(text).toMatch(/is held back: .*warder trust diff github.*warder trust accept github/);
      if (form === ERROR) expect(reply?.error).toMatchObject({ code: -32010, data: { code: 'refused' } });
      else expect(text.includes('"resultType":"complete"')).toBe(era === 'stateless');
      const event = method === 'tools/call' ? 'tool.call' : 'request';
      expect(audit.of(event)).toMatchObject([{ decision: 'deny', rule: 'trust.held' }]);
    }
  });

  test('does not stand in the way of the rest', () => {
    const { host, server, trust } = held();
    trust.accept('tools', other);
    const requests = [
      { method: 'tools/call', params: { name: 'other' } },
      { method: 'resources/read', params: { uri: 'file:///a' } },
      { method: 'resources/read', params: { uri: 'file:///{a}' } },
      { method: 'resources/unsubscribe', params: { uri: 'ui://a' } },
      { method: 'completion/complete', params: { ref: { type: 'ref/resource', uri: 'file:///a' } } },
      { method: 'logging/setLevel', params: { level: 'info' } },
    ];
    requests.forEach((request, id) => void host.say({ id, ...request }));
    expect(server.messages).toMatchObject(requests);
    expect(host.messages).toEqual([]);
  });

  test('has no task either: what has made it is held back since', () => {
    const joined = opened(new FakeTrust({ tools: [echo, other] }), 'stateless');
    const { host, server } = joined;
    host.say(call(1), call(2, 'other'));
    server.say({ id: 2, result: { resultType: 'task', taskId: 'mine' } });
    server.say({ id: 3, result: { resultType: 'task', taskId: 'theirs' } });
    // One task may lead to another.
    host.say({ id: 9, method: 'tasks/get', params: { taskId: 'mine' } });
    server.say({ id: 4, result: { resultType: 'task', taskId: 'next' } });
    page(joined, 'tools/list', tools({ ...echo, x: 1 }, other));
    host.writes.length = 0;
    server.writes.length = 0;
    host.say({ id: 3, method: 'tasks/get', params: { taskId: 'mine' } });
    host.say({ id: 4, method: 'tasks/update', params: { taskId: 'next' } });
    expect(host.messages).toMatchObject([
      { id: 3, error: { code: -32010, message: expect.stringContaining('is held back: it has changed') } },
      { id: 4, error: { code: -32010 } },
    ]);
    expect(host.text).not.toContain('mine');
    host.say({ id: 5, method: 'tasks/get', params: { taskId: 'theirs' } });
    host.say({ id: 6, method: 'tasks/cancel', params: { taskId: 'mine' } });
    expect(server.messages).toMatchObject([{ method: 'tasks/get' }, { method: 'tasks/cancel' }]);
  });

  test('of a call that has waited for a person is judged when it goes on', async () => {
    const answered = Promise.withResolvers<{ decision: 'allow'; rule: string; reason: undefined }>();
    const consent = {
      known: () => undefined,
      ask: () => ({ outcome: answered.promise, notice: '', withdraw: () => {} }),
    };
    const joined = opened(new FakeTrust({ tools: [echo] }), 'session', {
      policy: policyOf({ default: 'ask' }),
      consent,
    });
    joined.host.say(call(1));
    page(joined, 'tools/list', tools({ ...echo, x: 1 }));
    answered.resolve({ decision: 'allow', rule: 'grant.1', reason: undefined });
    await settled();
    expect(joined.host.messages.at(-1)).toMatchObject({ id: 1, result: isHeld('echo') });
    expect(joined.server.messages).toHaveLength(1);
  });

  test('is refused by the policy first', () => {
    const { host, audit } = opened(new FakeTrust(), 'session', {
      policy: policyOf({ tools: { echo: 'deny' } }),
    });
    host.say(call(1));
    expect(host.messages).toMatchObject([{ id: 1, error: { code: -32010 } }]);
    expect(audit.of('tool.call')).toMatchObject([{ rule: 'policy.tools.echo' }]);
  });

  test('is not what was accepted and never listed in this session', () => {
    const { host, server } = opened(new FakeTrust({ tools: [echo] }));
    host.say(call(1));
    expect(server.messages).toMatchObject([sent(1)]);
  });
});

describe('W-TRUST-3 what a server says of itself', () => {
  const said = {
    instructions: 'Do this first',
    serverInfo: { name: 's', title: 'S', description: 'D', version: '1' },
  };

  test.each([
    ['as it was accepted', { ...said }, said],
    [
      'other instructions',
      { ...said, instructions: 'Do that first' },
      { serverInfo: { name: 's', version: '1' } },
    ],
    [
      'another title',
      { serverInfo: { version: '1', name: 's', title: 'T' } },
      { serverInfo: { version: '1', name: 's' } },
    ],
    [
      'nothing but text',
      { instructions: 7, serverInfo: { title: 'T', description: 'E' } },
      { serverInfo: {} },
    ],
    [
      'in the words of 2026-07-28',
      { instructions: 'x', _meta: { 'io.modelcontextprotocol/serverInfo': { title: 'T', name: 's' }, y: 1 } },
      { _meta: { 'io.modelcontextprotocol/serverInfo': { name: 's' }, y: 1 } },
    ],
    [
      'another title beside the accepted one',
      { ...said, _meta: { 'io.modelcontextprotocol/serverInfo': { title: 'T', name: 's' } } },
      {
        serverInfo: { name: 's', version: '1' },
        _meta: { 'io.modelcontextprotocol/serverInfo': { name: 's' } },
      },
    ],
    [
      'the same in both places',
      { ...said, _meta: { 'io.modelcontextprotocol/serverInfo': said.serverInfo } },
      { ...said, _meta: { 'io.modelcontextprotocol/serverInfo': said.serverInfo } },
    ],
  ])('%s', (_name, result, seen) => {
    for (const method of ['initialize', 'server/discover']) {
      const trust = new FakeTrust();
      trust.acceptedIntroduction = { instructions: 'Do this first', title: 'S', description: 'D' };
      const { host, server } = join({ trust });
      host.say({ id: 'i', method });
      server.say({ id: 1, result });
      const [reply = {}] = host.messages;
      const { ttlMs, cacheScope, ...rest } = reply.result as Record<string, unknown>;
      expect(rest).toEqual(seen);
      expect([ttlMs, cacheScope]).toEqual(
        method === 'initialize' ? [undefined, undefined] : [5000, 'private'],
      );
    }
  });

  test.each([
    '{"instructions":"a","instructions":"b"}',
    '{"instructions":"a","Instructions":"b"}',
    '{"instructions":"a","instr\\u0075ctions":"b"}',
    '{"serverInfo":{"title":"a"},"serverInfo":{"title":"b"}}',
    '{"serverInfo":{"title":"a","TITLE":"b"}}',
    '{"Instructions":"b"}',
    '{"serverInfo":{"Title":"b"}}',
    '{"serverinfo":{"title":"b"}}',
  ])('is withheld where two readers could read two: %s', (result) => {
    const { host, server } = join({ trust: new FakeTrust() });
    host.say({ id: 1, method: 'initialize' });
    server.say(`{"jsonrpc":"2.0","id":1,"result":${result}}`);
    expect(host.messages).toMatchObject([{ id: 1, error: { code: -32013 } }]);
  });
});

describe('W-TRUST-4 the contents of an interface', () => {
  const html = (text: string) => ({ contents: [{ uri: 'ui://a', mimeType: 'text/html', text }] });

  test.each([1, 100_000])('other than accepted do not go on: %i characters', async (size) => {
    const trust = new FakeTrust({ resources: [{ uri: 'ui://a' }] });
    const { host, server, audit } = opened(trust);
    const read = async (text: string, id: number) => {
      host.say({ id, method: 'resources/read', params: { uri: 'ui://a' } });
      server.say({ id: server.nth(id), result: html(text) });
      for (let i = 0; i < 20; i++) await settled();
      return host.messages.at(-1);
    };
    expect(await read('x'.repeat(size), 1)).toMatchObject({ id: 1, result: html('x'.repeat(size)) });
    expect(await read('x'.repeat(size), 2)).toMatchObject({ id: 2, result: html('x'.repeat(size)) });
    const changed = await read(`y${'x'.repeat(size - 1)}`, 3);
    expect(changed).toMatchObject({
      id: 3,
      error: { code: -32010, message: expect.stringContaining('"ui://a" are held back') },
    });
    expect(audit.of('answer').map(({ outcome }) => outcome)).toEqual(['ok', 'ok', 'error']);
  });

  test.each(['{"resultType":"task","taskId":"t"}', '{"task":{"taskId":"t","status":"working"}}'])(
    'that come as a task do not go on: %s',
    (result) => {
      const { host, server } = opened(new FakeTrust({ resources: [{ uri: 'ui://a' }] }));
      host.say({ id: 1, method: 'resources/read', params: { uri: 'ui://a' } });
      server.say(`{"jsonrpc":"2.0","id":2,"result":${result}}`);
      expect(host.messages).toMatchObject([{ id: 1, error: { code: -32013 } }]);
      // Of others a server may make what it likes, and ask for input.
      host.say({ id: 2, method: 'resources/read', params: { uri: 'ui://a' } });
      server.say('{"jsonrpc":"2.0","id":3,"result":{"resultType":"input_required","inputRequests":{}}}');
      host.say({ id: 3, method: 'resources/read', params: { uri: 'file:///a' } });
      server.say(`{"jsonrpc":"2.0","id":4,"result":${result}}`);
      expect(host.messages.slice(1)).toMatchObject([
        { id: 2, result: { resultType: 'input_required' } },
        { id: 3, result: JSON.parse(result) },
      ]);
    },
  );

  test('that two readers could read differently do not go on', () => {
    const { host, server } = opened(new FakeTrust({ resources: [{ uri: 'ui://a' }] }));
    host.say({ id: 1, method: 'resources/read', params: { uri: 'ui://a' } });
    server.say('{"jsonrpc":"2.0","id":2,"result":{"contents":[],"Contents":[1]}}');
    expect(host.messages).toMatchObject([{ id: 1, error: { code: -32013 } }]);
  });
});

describe('W-TRUST-5 before the first use is agreed to', () => {
  const PROGRESS = { _meta: { progressToken: 't' } };

  function first(era: Era = 'session', options: Parameters<typeof join>[0] = {}): Trusting {
    const trust = new FakeTrust();
    trust.firstUse = 'baseline';
    return opened(trust, era, options);
  }

  /** Answers what the relay asks by itself. */
  async function listAll({ server }: Joined, lists: Record<string, object> = { 'tools/list': tools(echo) }) {
    const answered = new Set<unknown>();
    for (let i = 0; i < 10; i++) {
      await settled();
      for (const { id, method } of server.messages) {
        if (answered.has(id) || !/list|read/.test(String(method))) continue;
        answered.add(id);
        const result = lists[String(method)];
        server.say(result === undefined ? { id, error: { code: -32601, message: 'none' } } : { id, result });
      }
    }
  }

  test.each<Era>(['session', 'stateless'])('all is listed, and a person asked once: %s', async (era) => {
    const joined = first(era);
    const { host, server, trust, audit } = joined;
    expect(page(joined, 'prompts/list', { prompts: [other] }).prompts).toEqual([other]);
    server.writes.length = 0;
    host.say(call(1), call(2, 'echo'), { id: 3, method: 'prompts/get', params: { name: 'other' } });
    const asked = server.messages.map(({ method }) => method);
    expect(asked).toEqual(['tools/list', 'resources/list', 'resources/templates/list']);
    if (era === 'stateless') expect(server.messages[0]).toMatchObject({ params: { _meta: META } });
    await listAll(joined);
    expect(trust.asked).toEqual(['s-1', 's-2', 's-3'].slice(0, trust.asked.length));
    expect(trust.asked).toHaveLength(3);
    expect(host.messages.filter(({ id }) => typeof id === 'number')).toEqual([]);
    // Lists, and what opens a session, do not wait.
    host.say({ id: 9, method: 'ping' });
    expect(server.messages.at(-1)).toMatchObject({ method: 'ping' });
    trust.answer('allow');
    await settled();
    const acted = server.messages.slice(4);
    expect(acted).toMatchObject([
      { method: 'tools/call' },
      { method: 'tools/call' },
      { method: 'prompts/get' },
    ]);
    expect(audit.of('tool.call')).toMatchObject([{ decision: 'allow' }, { decision: 'allow' }]);
    host.say(call(4));
    expect(server.messages.at(-1)).toMatchObject(sent(4));
  });

  test('a no refuses what waits, and another call asks again', async () => {
    const joined = first();
    joined.host.say(call(1), { id: 2, method: 'resources/read', params: { uri: 'file:///a' } });
    await listAll(joined);
    joined.trust.answer('deny');
    await settled();
    expect(joined.host.messages).toMatchObject([
      { id: 1, result: { isError: true, content: [{ text: 'refused: the user has said no' }] } },
      { id: 2, error: { code: -32010 } },
    ]);
    expect(joined.audit.of('tool.call')).toMatchObject([{ decision: 'deny', rule: 'consent.1' }]);
    joined.host.say(call(3));
    await settled();
    expect(joined.trust.asked).toHaveLength(3);
    expect(joined.server.messages.filter(({ method }) => method === 'tools/call')).toEqual([]);
  });

  test('the question about the host follows upon that about the server; not the same again', async () => {
    const joined = first();
    joined.host.say(call(1));
    await listAll(joined);
    joined.trust.answer('allow', 'host');
    await settled();
    expect(joined.trust.asked).toEqual(['s-1', 's-1']);
    joined.trust.answer('allow', 'host');
    await settled();
    expect(joined.host.messages).toMatchObject([{ id: 1, result: { isError: true } }]);
    expect(joined.trust.asked).toHaveLength(2);
  });

  test('the host may ask in a dialog of its own, in the words of 2026-07-28', async () => {
    const trust = new FakeTrust({ tools: [echo] });
    trust.firstUse = 'host';
    const joined = join({ trust, policy: policyOf({ default: 'ask' }) });
    const { host, server } = joined;
    const capabilities = { 'io.modelcontextprotocol/clientCapabilities': { elicitation: {} } };
    const params = { name: 'echo', arguments: { of: 1 }, _meta: { ...META, ...capabilities } };
    host.say({ id: 1, method: 'tools/call', params });
    await settled();
    const [dialog] = trust.dialogs;
    const shown = dialog?.show(
      { id: '1', message: 'Use it?', choices: ['Deny', 'Allow'] },
      new AbortController().signal,
    );
    await settled();
    const [first] = host.messages;
    const { requestState } = (first as { result: { requestState: string } }).result;
    const inputResponses = { warder: { action: 'accept', content: { answer: 'Allow' } } };
    host.say({ id: 2, method: 'tools/call', params: { ...params, requestState, inputResponses } });
    expect(await shown).toMatchObject({ action: 'accept', choice: 'Allow' });
    trust.answer('allow');
    await settled();
    // That was no answer about the call itself, of which the policy says ask.
    expect(host.messages.at(-1)).toMatchObject({
      id: 2,
      result: { isError: true, content: [{ text: expect.stringContaining('nobody can be asked') }] },
    });
    expect(server.messages).toEqual([]);
  });

  test('interfaces are read, and count', async () => {
    const joined = first();
    joined.trust.unread = ['ui://a', 'ui://"b'];
    joined.host.say(call(1));
    await listAll(joined, { 'tools/list': tools(echo), 'resources/read': { contents: [{ text: 'x' }] } });
    const read = joined.server.messages.filter(({ method }) => method === 'resources/read');
    expect(read.map(({ params }) => params)).toEqual([{ uri: 'ui://a' }, { uri: 'ui://"b' }]);
    expect([...joined.trust.contents.keys()]).toEqual(['ui://a', 'ui://"b']);
    expect(joined.trust.asked).toEqual(['s-1']);
  });

  test('what a server has not said that it has is not asked for, and tools are needed', async () => {
    const trust = new FakeTrust();
    trust.firstUse = 'baseline';
    const { host, server } = join({ trust, budgets: { greet: 30 } });
    host.say({ id: 0, method: 'initialize' });
    server.say({ id: 1, result: { protocolVersion: '1', capabilities: { tools: {} } } });
    host.say(call(1));
    expect(server.messages.slice(1)).toMatchObject([{ method: 'tools/list' }]);
    await expect.poll(() => host.messages.at(-1)).toMatchObject({ id: 1, result: { isError: true } });
    expect(host.text).toContain('the server did not answer in time');
    expect(trust.asked).toEqual([]);
  });

  test('a host may send all at once, and end its input', async () => {
    const trust = new FakeTrust();
    trust.firstUse = 'baseline';
    const { host, server, session } = join({ trust });
    host.say({ id: 0, method: 'initialize' }, { method: 'notifications/initialized' }, call(1));
    host.end();
    await settled();
    server.say({ id: 1, result: { protocolVersion: '1', capabilities: { tools: {} } } });
    await settled();
    expect(server.messages.at(-1)).toMatchObject({ method: 'tools/list' });
    server.say({ id: server.messages.at(-1)?.id, result: tools(echo) });
    await settled();
    trust.answer('allow');
    await settled();
    server.say(answer(server.idOf(1)));
    expect((await session.done).reason).toBe('host');
    expect(host.messages.at(-1)).toMatchObject({ id: 1, result: { content: [{ text: 'done' }] } });
  });

  test('a host that has opened nothing is refused, and one of 2026-07-28 need not', async () => {
    const trust = new FakeTrust();
    trust.firstUse = 'baseline';
    const joined = join({ trust });
    joined.host.say(call(1));
    const LISTS = ['tools', 'prompts', 'resources', 'resources/templates'].map((of) => ({
      method: `${of}/list`,
    }));
    expect(joined.server.messages).toMatchObject(LISTS);
    for (const { id } of joined.server.messages)
      joined.server.say({ id, error: { code: -32002, message: 'no' } });
    await settled();
    expect(joined.host.text).toContain('before the host opens the session');
    joined.server.writes.length = 0;
    joined.host.say({ id: 2, method: 'tools/call', params: { name: 'echo', _meta: META } });
    // It may go by what it knows of the server: what that says of itself is accepted with the rest all the same.
    expect(joined.server.messages).toMatchObject([{ method: 'server/discover', params: { _meta: META } }]);
    const [discover] = joined.server.messages;
    const said = { supportedVersions: ['2026-07-28'], capabilities: { tools: {} }, instructions: 'Use it.' };
    joined.server.say({ id: discover?.id, result: said });
    await settled();
    expect(trust.said).toMatchObject([{ instructions: 'Use it.' }]);
    expect(joined.server.messages.slice(1)).toMatchObject([
      { method: 'tools/list', params: { _meta: META } },
    ]);
    await listAll(joined);
    expect(trust.asked).toHaveLength(1);
  });

  test('a server that has said that it has tools lists them, or nothing acts', async () => {
    const joined = first();
    joined.host.say(call(1));
    await listAll(joined, {});
    expect(joined.host.text).toContain('the server answered with an error');
    joined.server.writes.length = 0;
    joined.host.say(call(2));
    expect(joined.server.messages).toMatchObject([{ method: 'tools/list' }]);
    expect(joined.trust.asked).toEqual([]);
  });

  test('a subscription to lists does not ask, one to a resource does', async () => {
    const { host, server, trust } = first('stateless');
    const listen = (id: number, notifications: object) =>
      host.say({ id, method: 'subscriptions/listen', params: { _meta: META, notifications } });
    listen(1, { toolsListChanged: true });
    expect(server.messages).toMatchObject([{ method: 'subscriptions/listen' }]);
    trust.firstUse = 'host';
    listen(2, { resourceSubscriptions: ['a:b'] });
    await settled();
    expect(trust.asked).toHaveLength(1);
  });

  test('what the policy denies asks nothing', () => {
    const { host, trust } = first('session', { policy: policyOf({ default: 'deny' }) });
    host.say(call(1));
    expect(host.messages).toMatchObject([{ id: 1, error: { code: -32010 } }]);
    expect(trust.pages).toEqual([]);
  });

  test('a host that waits is told so, and may take its request back', async () => {
    const joined = first();
    const { host, trust } = joined;
    host.say({ id: 1, method: 'tools/call', params: { name: 'echo', ...PROGRESS } });
    expect(host.messages).toMatchObject([
      { method: 'notifications/progress', params: { progressToken: 't' } },
    ]);
    host.say({ method: 'notifications/cancelled', params: { requestId: 1 } });
    await listAll(joined);
    expect(trust.asked).toEqual([]);
    host.say(call(2));
    await listAll(joined);
    expect(trust.asked).toEqual(['s-2']);
    host.say({ method: 'notifications/cancelled', params: { requestId: 2 } });
    await settled();
    expect([trust.withdrawn, host.messages.length]).toEqual([1, 1]);
  });

  test('a session that ends answers what waits', async () => {
    const joined = first();
    joined.host.say(call(1));
    await listAll(joined);
    joined.server.exit(0);
    await expect.poll(() => joined.host.messages).toMatchObject([{ id: 1, error: { code: -32012 } }]);
    expect(joined.audit.of('tool.call')).toMatchObject([{ call: 's-1', decision: 'deny' }]);
    expect((await joined.session.done).reason).toBe('server');
  });
});

describe('W-TRUST-6 nothing is whitewashed', () => {
  test('by removal and re-adding, by order, or by a flood of notices', async () => {
    const joined = opened(new FakeTrust({ tools: [echo, other] }));
    const listed = (...entries: object[]) => page(joined, 'tools/list', tools(...entries)).tools;
    expect(listed(other, { ...echo, description: 'Says it again.' })).toEqual([other]);
    expect(listed(other)).toEqual([other]);
    expect(listed(echo, other)).toEqual([other]);
    joined.server.say(...Array.from({ length: 5000 }, () => CHANGED('tools')));
    await expect.poll(() => joined.host.lines.length).toBeGreaterThan(5000);
    await expect.poll(() => joined.server.paused).toBe(false);
    expect(listed(echo)).toEqual([]);
    joined.host.say(call(1));
    expect(joined.host.messages.at(-1)).toMatchObject({ result: isHeld('echo') });
    joined.trust.accept('tools', echo);
    expect(listed(other, echo)).toEqual([other, echo]);
  });

  test('by two definitions of one name, on one page or on two', () => {
    const joined = opened(new FakeTrust({ tools: [echo] }));
    const poisoned = { ...echo, description: 'x' };
    expect(page(joined, 'tools/list', tools(echo, poisoned))).toMatchObject({ code: -32013 });
    expect(page(joined, 'tools/list', { tools: [echo], nextCursor: 'c' }).tools).toEqual([]);
    expect(page(joined, 'tools/list', tools(poisoned), { cursor: 'c' })).toMatchObject({ code: -32013 });
  });

  test('by a list that changes while it is listed for the first use', async () => {
    const trust = new FakeTrust();
    trust.firstUse = 'baseline';
    const joined = opened(trust);
    joined.host.say(call(1));
    for (let i = 0; i < 4; i++)
      joined.server.say(CHANGED('tools'), {
        id: joined.server.nth(i + 1),
        result: i === 0 ? tools(echo) : {},
      });
    await settled();
    expect(trust.asked).toEqual(['s-1']);
  });
});

describe('W-TRUST-7 what two readers could read differently, or what has no name', () => {
  test.each([
    ['a member twice', '{"name":"echo","description":"a","description":"b"}'],
    ['a member twice, deep', '{"name":"echo","inputSchema":{"a":[{"b":1,"\\u0062":2}]}}'],
    ['no name', '{"title":"Read me"}'],
    ['an empty name', '{"name":"","title":"Read me"}'],
    ['half a character', '{"name":"a\\ud800"}'],
    ['no object', '"Read me"'],
  ])('is in no list that a host gets, and is nothing that can be called: %s', (_name, entry) => {
    const joined = opened(new FakeTrust());
    joined.trust.firstUse = 'baseline';
    expect(page(joined, 'tools/list', `{"tools":[${entry}]}`).tools).toEqual([]);
    expect(joined.trust.pages).toEqual([{ kind: 'tools', names: [], isFirst: true, isLast: true }]);
  });

  test('a list of them is none', () => {
    const joined = opened(new FakeTrust());
    expect(page(joined, 'prompts/list', '{"prompts":[],"Prompts":[]}')).toMatchObject({ code: -32013 });
    expect(page(joined, 'prompts/list', '{"prompts":[{"name":"a","NAME":"b"}]}')).toMatchObject({
      code: -32013,
    });
    expect(page(joined, 'prompts/list', '{"prompts":{}}')).toMatchObject({ code: -32013 });
  });
});

describe('W-TRUST-8 a list of 2026-07-28', () => {
  const result = (text: string) => page(opened(new FakeTrust(), 'stateless'), 'tools/list', text);

  test.each([
    ['{"tools":[]}', 5000],
    ['{"ttlMs":3600000,"cacheScope":"public","tools":[]}', 5000],
    ['{"tools":[],"cacheScope":"shared","ttlMs":-1}', 5000],
    ['{"tools":[],"ttlMs":1e9}', 5000],
    ['{"tools":[],"ttlMs":100 }', 100],
    ['{"tools":[],"ttlMs":0 ,"cacheScope":null}', 0],
    ['{ "tools":[ {"name":"new"} ] ,"ttlMs":"x"}', 5000],
  ])('is for this host, and for a short time: %s', (text, ttlMs) => {
    expect(result(text)).toEqual({ tools: [], ttlMs, cacheScope: 'private' });
  });

  test('is withheld where it says so twice', () => {
    expect(result('{"tools":[],"ttlMs":1,"ttlMs":2}')).toMatchObject({ code: -32013 });
    expect(result('{"tools":[],"cacheScope":"private","CacheScope":"public"}')).toMatchObject({
      code: -32013,
    });
  });
});

describe.each<Era>(['session', 'stateless'])('W-TRUST-9 a server that is held back whole: %s', (era) => {
  test('lists nothing, says nothing of itself, and nothing acts', () => {
    const trust = new FakeTrust({ tools: [echo] });
    trust.blocked = 'its program is another';
    const joined = opened(trust, era);
    const { host, server } = joined;
    expect(page(joined, 'tools/list', tools(echo)).tools).toEqual([]);
    host.say({ id: 'd', method: 'server/discover' });
    server.say({ id: server.nth(2), result: { instructions: 'x', serverInfo: { title: 'y' } } });
    expect(host.messages.at(-1)?.result).toMatchObject({ serverInfo: {} });
    expect(host.text).not.toMatch(/instructions|title/);
    host.writes.length = 0;
    const sentSoFar = server.messages.length;
    host.say(
      call(1),
      { id: 2, method: 'resources/read', params: { uri: 'file:///a' } },
      { id: 3, method: 'x/unknown' },
    );
    expect(host.messages).toMatchObject([
      { id: 1, result: { isError: true } },
      {
        id: 2,
        error: { code: -32010, message: 'refused: all of the server is held back: its program is another' },
      },
      { id: 3, error: { code: -32010 } },
    ]);
    expect(server.messages).toHaveLength(sentSoFar);
    expect(joined.audit.of('tool.call')).toMatchObject([{ rule: 'trust.blocked' }]);
    trust.blocked = undefined;
    host.say(call(4));
    server.say(answer(server.idOf(4)));
    expect(host.messages.at(-1)).toMatchObject({ id: 4, result: {} });
  });
});
