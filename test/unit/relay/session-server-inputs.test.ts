// What a server asks of the host as a part of its answers (2026-07-28): policy, consent and labels, as for its requests.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Asking, asking, meta, pass } from '../../fixtures/asking.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const SAMPLE = 'sampling/createMessage';
const sample = { method: SAMPLE, params: { n: 1 } };
const form = { method: 'elicitation/create', params: { message: 'Warder asks: call the tool "x"?' } };

/** A call that the server has, and answers by asking for input. */
function asked(
  inputs: unknown,
  methods: Record<string, 'allow' | 'ask' | 'deny'> = {},
  more: object = {},
): Asking {
  const session = asking({ policy: { default: 'allow' } });
  void session.service.wait([], 1_000_000);
  session.host.say({ id: 'c', method: 'tools/call', params: { _meta: meta(), name: 'echo', arguments: {} } });
  session.session.policy = { default: 'allow', tools: {}, resources: {}, prompts: {}, methods };
  const result = { resultType: 'input_required', inputRequests: inputs, requestState: 's', ...more };
  session.server.say({ id: 1, result });
  return session;
}

/** Somebody who watches answers. */
async function answer({ service }: Asking, decision: 'allow' | 'deny'): Promise<void> {
  const [question] = service.questions;
  const once = { decision, scope: 'once', extent: 'arguments', pin: undefined } as const;
  await service.answer({ id: question?.id ?? '', ...once }, 'terminal');
  await pass();
}

test('W-CONS-12 forms say whose they are, and all else is as it came', () => {
  const session = asked({ a: form, b: sample, c: { method: 'roots/list' } });
  expect(session.host.messages).toEqual([
    {
      jsonrpc: '2.0',
      id: 'c',
      result: {
        resultType: 'input_required',
        inputRequests: {
          a: { ...form, params: { message: 'The server "github" asks: Warder asks: call the tool "x"?' } },
          b: sample,
          c: { method: 'roots/list' },
        },
        requestState: 's',
      },
    },
  ]);
  expect(session.audit.records).toMatchObject([
    { event: 'tool.call' },
    { event: 'question', method: 'elicitation/create', id: '"a"', decision: 'allow' },
    { event: 'question', method: SAMPLE, id: '"b"', params: '{"n":1}' },
    { event: 'question', method: 'roots/list', id: '"c"' },
    { event: 'tool.result', outcome: 'input-required', state: expect.stringMatching(/^sha256:/) },
  ]);
});

test('one that only waits, without asking for anything, passes as it came', () => {
  const session = asked(undefined);
  expect(session.host.messages).toMatchObject([{ id: 'c', result: { requestState: 's' } }]);
});

describe('W-CONS-13 what the policy', () => {
  test('denies is not asked, nor is what stands beside it', async () => {
    const session = asked({ a: form, b: sample }, { [SAMPLE]: 'deny', 'elicitation/create': 'ask' });
    await pass();
    expect(session.service.questions).toEqual([]);
    expect(session.host.messages).toMatchObject([
      {
        id: 'c',
        result: {
          resultType: 'complete',
          isError: true,
          content: [{ text: expect.stringContaining('policy.methods.sampling/createMessage') }],
        },
      },
    ]);
    expect(session.audit.of('question')).toMatchObject([{ method: SAMPLE, decision: 'deny' }]);
  });

  test('says ask of is asked of a person, and then goes on', async () => {
    const session = asked({ a: form, b: sample }, { [SAMPLE]: 'ask' });
    await pass();
    expect(session.host.messages).toEqual([]);
    expect(session.service.questions).toMatchObject([{ kind: 'server', name: SAMPLE, arguments: '{"n":1}' }]);
    await answer(session, 'allow');
    expect(session.host.messages).toMatchObject([
      {
        id: 'c',
        result: {
          inputRequests: {
            a: { params: { message: expect.stringMatching(/^The server "github" asks: /) } },
            b: sample,
          },
          requestState: 's',
        },
      },
    ]);
    expect(session.audit.of('question')).toMatchObject([
      { method: 'elicitation/create', decision: 'allow' },
      { method: SAMPLE, decision: 'allow', rule: expect.stringMatching(/^consent\.\d+$/) },
    ]);
    expect(session.audit.of('tool.result')).toMatchObject([{ outcome: 'input-required' }]);
  });

  test('says ask of, and a person denies, is not asked', async () => {
    const session = asked({ b: sample }, { [SAMPLE]: 'ask' });
    await pass();
    await answer(session, 'deny');
    expect(session.host.messages).toMatchObject([{ id: 'c', result: { isError: true } }]);
    expect(session.audit.of('question')).toMatchObject([{ decision: 'deny' }]);
  });

  test('comes to deny meanwhile is not asked', async () => {
    const session = asked({ b: sample }, { [SAMPLE]: 'ask' });
    await pass();
    session.session.policy = {
      default: 'allow',
      tools: {},
      resources: {},
      prompts: {},
      methods: { [SAMPLE]: 'deny' },
    };
    await answer(session, 'allow');
    expect(session.host.messages).toMatchObject([{ id: 'c', result: { isError: true } }]);
  });
});

test('a call that the host takes back withdraws the question', async () => {
  const session = asked({ b: sample }, { [SAMPLE]: 'ask' });
  await pass();
  session.host.say({ method: 'notifications/cancelled', params: { requestId: 'c' } });
  await pass();
  expect(session.service.questions).toEqual([]);
  expect(session.host.messages).toEqual([]);
});

describe('W-CONS-12 an answer does not go on', () => {
  const withheld = (session: Asking): void => {
    expect(session.host.messages).toMatchObject([{ id: 'c', result: { isError: true } }]);
    expect(session.host.text).not.toContain('inputRequests');
  };
  test.each([
    ['that asks for no request', { a: 'x' }],
    ['that asks by no method', { a: { params: {} } }],
    ['that asks for a list', [form]],
    ['whose form has no message', { a: { method: 'elicitation/create' } }],
    [
      'whose form hides a value',
      { a: { method: 'elicitation/create', params: { message: 'm', x: '\u202e' } } },
    ],
    ['that asks for much', Object.fromEntries(Array.from({ length: 40 }, (_, n) => [n, sample]))],
  ])('%s', (_, inputs) => {
    withheld(asked(inputs));
  });

  test.each([
    ['one name twice', `{"a":${JSON.stringify(sample)},"a":${JSON.stringify(form)}}`],
    [
      'one method twice',
      '{"a":{"method":"roots/list","method":"elicitation/create","params":{"message":"Warder asks"}}}',
    ],
    [
      'a method in another case',
      '{"a":{"method":"roots/list","Method":"elicitation/create","params":{"message":"x"}}}',
    ],
  ])('with %s', (_, inputs) => {
    const session = asking({ policy: { default: 'allow' } });
    session.host.say({
      id: 'c',
      method: 'tools/call',
      params: { _meta: meta(), name: 'echo', arguments: {} },
    });
    session.server.say(
      `{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":${inputs}}}`,
    );
    withheld(session);
  });

  test('with the inputs themselves twice, or in another case', () => {
    for (const other of ['inputRequests', 'InputRequests']) {
      const session = asking({ policy: { default: 'allow' } });
      session.host.say({
        id: 'c',
        method: 'tools/call',
        params: { _meta: meta(), name: 'echo', arguments: {} },
      });
      const inputs = `"inputRequests":{},"${other}":{"a":${JSON.stringify(form)}}`;
      session.server.say(`{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required",${inputs}}}`);
      expect(session.host.messages).toMatchObject([{ id: 'c', result: { isError: true } }]);
    }
  });

  test('when there were too many in a minute', () => {
    const session = asking({ policy: { default: 'allow' } });
    for (let id = 1; id <= 25; id++) {
      session.host.say({ id, method: 'tools/call', params: { _meta: meta(), name: 'echo', arguments: {} } });
      session.server.say({ id, result: { resultType: 'input_required', inputRequests: { [id]: form } } });
    }
    const shown = session.host.messages.filter(
      ({ result }) => (result as { inputRequests?: object }).inputRequests,
    );
    expect(shown).toHaveLength(20);
  });

  test('without its record', () => {
    const session = asking({ policy: { default: 'allow' } });
    session.audit.fails.add('question');
    session.host.say({
      id: 'c',
      method: 'tools/call',
      params: { _meta: meta(), name: 'echo', arguments: {} },
    });
    session.server.say({ id: 1, result: { resultType: 'input_required', inputRequests: { a: form } } });
    withheld(session);
  });
});

describe('a task that asks', () => {
  const task = { taskId: 't', status: 'input_required' };
  const get = (id: number) => ({ id, method: 'tasks/get', params: { _meta: meta(), taskId: 't' } });

  /** A session with a task. */
  function withTask(methods: Record<string, 'allow' | 'ask' | 'deny'>): Asking {
    const session = asking({ policy: { default: 'allow', methods } });
    void session.service.wait([], 1_000_000);
    session.host.say({
      id: 'c',
      method: 'tools/call',
      params: { _meta: meta(), name: 'echo', arguments: {} },
    });
    session.server.say({ id: 1, result: { resultType: 'task', taskId: 't', status: 'working' } });
    return session;
  }

  test('W-CONS-13 is asked about once, however often the host gets it', async () => {
    const session = withTask({ [SAMPLE]: 'ask' });
    const inputRequests = { a: form, b: sample };
    session.host.say(get(2));
    session.server.say({ id: 2, result: { resultType: 'complete', ...task, inputRequests } });
    await pass();
    expect(session.host.messages).toHaveLength(1);
    await answer(session, 'allow');
    for (let id = 3; id < 40; id++) {
      session.host.say(get(id));
      session.server.say({ id, result: { resultType: 'complete', ...task, inputRequests } });
    }
    await pass();
    expect(session.service.questions).toEqual([]);
    expect(session.host.messages.at(-1)).toMatchObject({
      id: 39,
      result: {
        inputRequests: { a: { params: { message: expect.stringContaining('The server') } }, b: sample },
      },
    });
    expect(session.audit.of('question')).toHaveLength(2);
    session.host.say(get(41));
    const other = { b: { method: SAMPLE, params: { n: 2 } } };
    session.server.say({ id: 40, result: { resultType: 'complete', ...task, inputRequests: other } });
    await pass();
    expect(session.service.questions).toHaveLength(1);
  });

  test('W-CONS-12 by a notification has its forms labelled, and asks for nothing else that is not let through', () => {
    const session = withTask({ [SAMPLE]: 'ask' });
    const notify = (inputRequests: object): void =>
      session.server.say({ method: 'notifications/tasks', params: { ...task, inputRequests } });
    notify({ a: form });
    expect(session.host.messages.at(-1)).toMatchObject({
      method: 'notifications/tasks',
      params: {
        taskId: 't',
        inputRequests: { a: { params: { message: expect.stringContaining('The server') } } },
      },
    });
    notify({ a: form, b: sample });
    expect(session.host.messages).toHaveLength(2);
    session.server.say({ method: 'notifications/tasks', params: { taskId: 't', status: 'working' } });
    expect(session.host.messages).toHaveLength(3);
  });
});

describe('W-CONS-12 an error that asks for forms first (2025-11-25)', () => {
  const url = { mode: 'url', message: 'Warder asks: sign in', url: 'https://a.example/', elicitationId: '1' };

  /** A call that the server answers with an error. */
  function failed(error: string, methods: Record<string, 'allow' | 'deny'> = {}): Asking {
    const session = asking({ policy: { default: 'allow' } });
    session.host.say({ id: 'c', method: 'prompts/get', params: { name: 'p' } });
    session.session.policy = { default: 'allow', tools: {}, resources: {}, prompts: {}, methods };
    session.server.say(`{"jsonrpc":"2.0","error":${error},"id":1}`);
    return session;
  }

  test('says whose they are', () => {
    const data = { elicitations: [url, { ...url, elicitationId: '2' }] };
    const error = { code: -32042, message: 'sign in first', data };
    const { host } = failed(JSON.stringify(error));
    const message = 'The server "github" asks: Warder asks: sign in';
    const elicitations = data.elicitations.map((each) => ({ ...each, message }));
    expect(host.messages).toEqual([{ jsonrpc: '2.0', error: { ...error, data: { elicitations } }, id: 'c' }]);
  });

  test('passes as it came if it asks for none', () => {
    const { host } = failed('{"code":-32602,"message":"no",  "data":{"elicitations":[]}}');
    expect(host.text).toBe(
      '{"jsonrpc":"2.0","error":{"code":-32602,"message":"no",  "data":{"elicitations":[]}},"id":"c"}\n',
    );
    expect(failed('{"code":-1,"message":"no"}').host.messages).toMatchObject([
      { id: 'c', error: { code: -1 } },
    ]);
  });

  test.each([
    [
      'the policy denies them',
      JSON.stringify({ code: -32042, data: { elicitations: [url] } }),
      { 'elicitation/create': 'deny' },
    ],
    ['one has no message', '{"code":-32042,"data":{"elicitations":[{}]}}', {}],
    [
      'they are there twice',
      `{"code":-32042,"data":{"elicitations":[],"elicitations":[${JSON.stringify(url)}]}}`,
      {},
    ],
    [
      'they are there in another case too',
      `{"code":-32042,"data":{"elicitations":[],"Elicitations":[]}}`,
      {},
    ],
  ] as const)('does not go on where %s', (_, error, methods) => {
    const { host } = failed(error, methods);
    expect(host.messages).toMatchObject([
      { id: 'c', error: { data: { code: expect.stringMatching(/withheld|refused/) } } },
    ]);
    expect(host.text).not.toContain('Warder asks');
  });
});

test('a long answer is checked likewise', async () => {
  const session = asked(
    { a: { ...form, params: { message: 'm' } } },
    {},
    { _meta: { x: 'x'.repeat(100_000) } },
  );
  await expect.poll(() => session.host.messages).not.toEqual([]);
  expect(session.host.messages).toMatchObject([
    { id: 'c', result: { inputRequests: { a: { params: { message: 'The server "github" asks: m' } } } } },
  ]);
});
