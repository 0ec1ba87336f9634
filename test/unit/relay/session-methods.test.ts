// Requests that are no tool calls, and those of the server: how each is decided on, and what is on record of it.
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { answer, call, join, SECRET } from '../../fixtures/ends.ts';
import { policyOf } from '../../fixtures/policy.ts';

const sha256 = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;
const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' };

const requests = [
  ['resources/read', { uri: 'file:///etc/passwd' }],
  ['resources/subscribe', { uri: 'file:///etc/passwd' }],
  ['prompts/get', { name: 'p' }],
  ['completion/complete', { ref: { type: 'ref/prompt', name: 'p' } }],
  ['completion/complete', { ref: { type: 'ref/resource', uri: 'a:b' } }],
  ['subscriptions/listen', { notifications: { resourceSubscriptions: ['a:b'] } }],
  ['tasks/list', {}],
  ['vendor/anything', { x: 1 }],
] as const;

describe('W-POL-2 requests of every kind are governed', () => {
  test.each(requests)(
    '%s %j is refused where nothing allows it, on record, and unseen by the server',
    (method, params) => {
      const { host, server, audit } = join({ policy: policyOf({ default: 'deny' }) });
      host.say({ id: 1, method, params });
      expect(server.text).toBe('');
      expect(host.messages).toMatchObject([{ id: 1, error: { code: -32010, data: { code: 'refused' } } }]);
      expect(audit.records).toMatchObject([
        { event: 'request', call: 's-1', method, id: '1', decision: 'deny', rule: 'policy.default' },
      ]);
    },
  );

  test.each(requests)('%s %j passes where it is allowed, and how it ended is on record', (method, params) => {
    const { host, server, audit } = join();
    host.say({ id: 'r', method, params });
    server.say({ id: 1, result: { x: 1 } });
    expect(host.messages).toEqual([{ jsonrpc: '2.0', id: 'r', result: { x: 1 } }]);
    expect(audit.records).toMatchObject([
      { event: 'request', method, id: '"r"', decision: 'allow', params: JSON.stringify(params) },
      {
        event: 'answer',
        call: 's-1',
        method,
        outcome: 'ok',
        bytes: host.lines[0]?.length,
        result: sha256(host.lines[0] ?? ''),
      },
    ]);
  });

  test('each by its own key, in every spelling', () => {
    const { host, server } = join({
      policy: policyOf({
        default: 'deny',
        resources: { 'file:///public/*': 'allow' },
        prompts: { p: 'allow' },
        methods: { 'vendor/*': 'allow', 'vendor/no': 'deny' },
      }),
    });
    host.say(
      { id: 1, method: 'resources/read', params: { uri: 'file:///public/a' } },
      { id: 2, method: 'resources/read', params: { uri: 'file:///public/../etc/passwd' } },
      { id: 3, method: 'prompts/get', params: { name: 'p' } },
      { id: 4, method: 'prompts/get', params: { name: 'q' } },
      { id: 5, method: 'vendor/yes' },
      { id: 6, method: 'vendor/NO' },
      { id: 7, method: 'prompts/get', params: { name: 'p', nAme: 'q', name2: 1 } },
    );
    expect(server.messages.map(({ method }) => method)).toEqual([
      'resources/read',
      'prompts/get',
      'vendor/yes',
    ]);
    expect(host.messages.map(({ id }) => id)).toEqual([2, 4, 6, 7]);
  });

  test('what the protocol needs passes, and leaves no record', () => {
    const { host, server, audit } = join({ policy: policyOf({ default: 'deny' }) });
    const methods = [
      'initialize',
      'ping',
      'tools/list',
      'resources/list',
      'prompts/list',
      'logging/setLevel',
    ];
    host.say(...methods.map((method, id) => ({ id, method })), { method: 'notifications/initialized' });
    expect(server.messages).toHaveLength(7);
    expect(audit.records).toEqual([]);
  });

  test('a notification that no version of the protocol has', () => {
    const { host, server, audit } = join({
      policy: policyOf({ default: 'deny', methods: { 'vendor/yes': 'allow' } }),
    });
    host.say({ method: 'vendor/yes' }, { method: 'vendor/no', params: { token: SECRET } });
    expect(server.messages).toMatchObject([{ method: 'vendor/yes' }]);
    expect(host.text).toBe('');
    expect(audit.records).toMatchObject([
      { event: 'request', method: 'vendor/yes', decision: 'allow' },
      { event: 'request', method: 'vendor/no', decision: 'deny', params: '{"token":"[redacted:TOKEN]"}' },
    ]);
    expect(audit.records[0]).not.toHaveProperty('id');
  });
});

describe('W-RELAY-4 what the server asks of the host', () => {
  test('is on record before the host has it, and the answer before the server has it', () => {
    const { host, server, audit } = join();
    server.say({ id: 'q', method: 'sampling/createMessage', params: { n: 1 } });
    host.say({ id: 1, result: { role: 'assistant' } });
    expect(server.messages).toEqual([{ jsonrpc: '2.0', id: 'q', result: { role: 'assistant' } }]);
    expect(audit.records).toMatchObject([
      {
        event: 'question',
        call: 's-1',
        method: 'sampling/createMessage',
        id: '"q"',
        decision: 'allow',
        params: '{"n":1}',
      },
      { event: 'reply', call: 's-1', method: 'sampling/createMessage', outcome: 'ok' },
    ]);
  });

  test.each([
    ['a rule', { methods: { 'sampling/*': 'deny' } } as const, 'sampling/createMessage'],
    ['the default, where the method is unknown', { default: 'deny' } as const, 'vendor/ask'],
  ])('is refused by %s', (_name, rules, method) => {
    const { host, server, audit } = join({ policy: policyOf(rules) });
    server.say({ id: 7, method });
    expect(host.text).toBe('');
    expect(server.messages).toMatchObject([{ id: 7, error: { code: -32010 } }]);
    expect(audit.records).toMatchObject([{ event: 'question', method, decision: 'deny' }]);
  });

  test('does not go on where that cannot be recorded, nor does the answer', () => {
    const { host, server, audit } = join();
    audit.fails.add('question');
    server.say({ id: 1, method: 'roots/list' });
    expect(host.text).toBe('');
    expect(server.messages).toMatchObject([{ id: 1, error: { code: -32011 } }]);
    audit.fails.clear();
    server.say({ id: 2, method: 'roots/list' });
    audit.fails.add('reply');
    host.say({ id: host.messages[0]?.id, result: { roots: ['a secret place'] } });
    expect(server.messages[1]).toMatchObject({ id: 2, error: { code: -32011 } });
  });

  test('and is left open has an end as well', async () => {
    const { host, server, session, audit } = join();
    server.say({ id: 1, method: 'roots/list' }, { id: 2, method: 'roots/list' });
    server.say({ method: 'notifications/cancelled', params: { requestId: 1 } });
    server.exit(0);
    await session.done;
    expect(host.messages).toHaveLength(3);
    expect(audit.of('reply').map(({ outcome }) => outcome)).toEqual(['cancelled', 'lost']);
  });
});

describe('results that come later', () => {
  test('W-RELAY-4 a late answer to what was cancelled is on record, and goes nowhere', () => {
    const { host, server, audit } = join();
    host.say(call(1), { method: 'notifications/cancelled', params: { requestId: 1 } });
    server.say(answer(1, 'too late'), answer(1, 'again'));
    expect(host.text).toBe('');
    expect(audit.records.slice(1)).toMatchObject([
      { event: 'tool.result', call: 's-1', outcome: 'cancelled' },
      { event: 'answer', call: 's-1', method: 'tools/call', outcome: 'late' },
    ]);
  });

  test.each([
    ['up to 2025-11-25', { task: { taskId: 'ticket', status: 'working' } }],
    ['with the extension', { resultType: 'task', taskId: 'ticket', status: 'working' }],
  ])('W-RELAY-12 a ticket for a task %s joins the call and what is asked of the task', (_name, result) => {
    const { host, server, audit } = join();
    host.say(
      { id: 1, method: 'tasks/result', params: { taskId: 'ticket' } },
      { ...call(2), params: { name: 'echo', task: {} } },
    );
    expect(host.messages).toMatchObject([{ id: 1, error: { code: -32602 } }]);
    server.say({ id: 1, result });
    host.say({ id: 3, method: 'tasks/result', params: { taskId: 'ticket' } });
    server.say({ id: 2, result: { content: [] } });
    expect(host.messages.slice(1)).toMatchObject([
      { id: 2, result },
      { id: 3, result: { content: [] } },
    ]);
    const task = sha256('ticket');
    expect(audit.records).toMatchObject([
      { event: 'request', method: 'tasks/result', decision: 'deny', task },
      { event: 'tool.call', call: 's-2' },
      { event: 'tool.result', call: 's-2', outcome: 'task', task },
      { event: 'request', method: 'tasks/result', decision: 'allow', task },
      { event: 'answer', outcome: 'ok' },
    ]);
    expect(JSON.stringify(audit.records)).not.toContain('ticket');
  });

  test('W-RELAY-12 a subscription to a task reaches the server only for a task of the session, and its id is not recorded', () => {
    const { host, server, audit } = join();
    const listen = (id: number, ...taskIds: string[]) => ({
      id,
      method: 'subscriptions/listen',
      params: { notifications: { taskIds } },
    });
    host.say(call(1));
    server.say({ id: 1, result: { resultType: 'task', taskId: 'ticket' } });
    host.writes.length = 0;
    host.say(listen(2, 'ticket', 'of another'), listen(3, 'ticket'));
    expect(host.messages).toMatchObject([{ id: 2, error: { code: -32602 } }]);
    expect(server.messages.slice(1)).toMatchObject([listen(2, 'ticket')].map(({ params }) => ({ params })));
    expect(audit.of('request')).toMatchObject([{ decision: 'deny' }, { decision: 'allow' }]);
    expect(JSON.stringify(audit.records)).not.toMatch(/ticket|of another/);
  });

  test('what a server asks for first joins the call that is made again with it', () => {
    const { host, server, audit } = join();
    const again = { requestState: 'the state', inputResponses: { a: { action: 'accept' } } };
    host.say({ id: 1, method: 'tools/call', params: { name: 'echo', _meta } });
    server.say({
      id: 1,
      result: { resultType: 'input_required', requestState: 'the state', inputRequests: {} },
    });
    host.say({ id: 2, method: 'tools/call', params: { name: 'echo', ...again, _meta } });
    const state = sha256('"the state"');
    expect(audit.records).toMatchObject([
      { event: 'tool.call' },
      { event: 'tool.result', outcome: 'input-required', state },
      { event: 'tool.call', state, responses: sha256(JSON.stringify(again.inputResponses)) },
    ]);
    expect(host.messages).toHaveLength(1);
  });
});
