import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Redactor } from '../../../src/credential/redact.ts';
import { loadConditions } from '../../../src/policy/condition.ts';
import { answer, call, join, SECRET, sent, settled } from '../../fixtures/ends.ts';
import { policyOf } from '../../fixtures/policy.ts';

const sha256 = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;
const policy = policyOf({
  default: 'deny',
  tools: { 'get_*': 'allow', echo: 'allow', 'create_*': 'ask', get_secret: 'deny' },
});

describe('what goes on', () => {
  test('W-RELAY-2 goes on byte for byte but for the id, both ways', () => {
    const { host, server } = join();
    const request =
      '{ "jsonrpc":"2.0", "id":0,\t"method":"tools/call","unknown":[1e400], "params":{"name":"echo","arguments":{"n":9007199254740993.10}}}\r';
    const result = '{"result":{"n":12345678901234567890,"content":[]},"x":null,"jsonrpc":"2.0","id":0}\r';
    host.raw(`${request}\n`);
    expect(server.text).toBe(`${request.replace('"id":0', '"id":1')}\n`);
    server.raw(`${result.replace('"id":0', '"id":1')}\n`);
    expect(host.text).toBe(`${result}\n`);
  });

  test('in one write for each piece that comes', () => {
    const { host, server } = join();
    host.say(call(1), call(2), { method: 'notifications/x' }, call(3));
    expect(server.writes).toHaveLength(1);
    server.say(answer(1), answer(2), { method: 'notifications/y' }, answer(3));
    expect(host.writes).toHaveLength(1);
    expect(host.lines).toHaveLength(4);
  });

  test('W-RELAY-2 without what is between, if that is not to go on', () => {
    const { host, server } = join({ policy: policyOf({ tools: { get_secret: 'ask' } }) });
    host.say(call(1), call(2, 'get_secret'), call(3), 'junk', call(4), call(5));
    expect(server.messages).toMatchObject([sent(1), sent(3), sent(4), sent(5)]);
    expect(server.writes).toHaveLength(1);
    host.writes.length = 0;
    server.say(answer(1), 'junk', answer(2), answer(7), answer(3, SECRET), answer(4));
    expect(host.messages.map(({ id }) => id)).toEqual([1, 3, 4, 5]);
    expect(host.writes).toHaveLength(1);
  });

  test('notifications and requests of the server, and the answers to them', () => {
    const { host, server } = join();
    const lines = [
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}',
      '{"jsonrpc":"2.0","id":0,"method":"sampling/createMessage","params":{"n":9007199254740993}}',
      '{"jsonrpc":"2.0","id":"","method":"roots/list"}',
    ];
    server.say(...lines);
    expect(host.lines).toEqual([
      lines[0],
      lines[1]?.replace('"id":0', '"id":1'),
      lines[2]?.replace('"id":""', '"id":2'),
    ]);
    const answers = [
      '{"jsonrpc":"2.0","id":2,"result":{"roots":[]}}',
      '{"error":{"code":-1},"jsonrpc":"2.0","id":1}',
    ];
    host.say(...answers);
    expect(server.lines).toEqual([
      answers[0]?.replace('"id":2', '"id":""'),
      answers[1]?.replace('"id":1', '"id":0'),
    ]);
  });

  test.each(['0', '""', '1', '"1"', '"漢"', '9007199254740993', '1.0', '"\\u00e9"'])(
    'W-RELAY-9 answers to id %s, in the spelling of the host',
    (text) => {
      const { host, server } = join();
      host.say(`{"jsonrpc":"2.0","id":${text},"method":"ping"}`);
      expect(server.lines).toEqual(['{"jsonrpc":"2.0","id":1,"method":"ping"}']);
      server.say('{"jsonrpc":"2.0","id":1,"result":{}}');
      expect(host.lines).toEqual([`{"jsonrpc":"2.0","id":${text},"result":{}}`]);
    },
  );

  test('answers to 1 and to "1", apart', () => {
    const { host, server, session } = join();
    host.say({ id: 1, method: 'ping' }, { id: '1', method: 'ping' });
    expect(session.snapshot().inflight).toBe(2);
    server.say({ id: 2, result: {} });
    expect(session.snapshot().inflight).toBe(1);
    server.say({ id: 2, result: {} }, { id: 1, result: {} });
    expect(host.messages.map(({ id }) => id)).toEqual(['1', 1]);
  });

  test('W-RELAY-9 an answer whose id a server spells otherwise, or gives as a string', () => {
    const { host, server } = join();
    host.say(call('a'), call('b'), call('c'));
    server.say(
      '{"jsonrpc":"2.0","id":1.0,"result":{}}',
      '{"jsonrpc":"2.0","id":"2","result":{}}',
      '{"jsonrpc":"2.0","id":"\\u0033","result":{}}',
    );
    expect(host.messages.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
  });

  test('W-RELAY-9 large messages too, whose bytes are not copied', () => {
    const { host, server, audit } = join();
    const text = 'x'.repeat(100_000);
    host.say(call('big', 'echo', { text }), call('small'));
    expect(server.messages).toMatchObject([{ id: 1, params: { arguments: { text } } }, { id: 2 }]);
    server.say(answer(2), answer(1, text));
    expect(host.messages).toMatchObject([{ id: 'small' }, { id: 'big', ...answer('big', text) }]);
    expect(audit.of('tool.result')[1]).toMatchObject({
      bytes: host.lines[1]?.length,
      result: sha256(host.lines[1] ?? ''),
    });
  });
});

describe('policy', () => {
  test('W-POL-2 a denied tool is refused, and its call does not reach the server', () => {
    const { host, server, audit } = join({ policy });
    host.say(call(5, 'get_secret', { a: 1 }), call(6, 'other'));
    expect(server.text).toBe('');
    expect(host.messages).toEqual([
      {
        jsonrpc: '2.0',
        id: 5,
        error: {
          code: -32010,
          message: 'refused: policy.tools.get_secret of profile "github" says deny for "get_secret"',
          data: { code: 'refused', hint: 'only the user can change what a profile allows' },
        },
      },
      expect.objectContaining({ id: 6, error: expect.objectContaining({ code: -32010 }) }),
    ]);
    expect(audit.records).toEqual([
      {
        event: 'tool.call',
        session: 's',
        call: 's-1',
        profile: 'github',
        tool: 'get_secret',
        id: '5',
        decision: 'deny',
        rule: 'policy.tools.get_secret',
        arguments: '{"a":1}',
      },
      expect.objectContaining({ call: 's-2', tool: 'other', decision: 'deny', rule: 'policy.default' }),
    ]);
  });

  test('W-CONS-5 where nobody can be asked, `ask` is a result that says so, of a tool, and else an error', async () => {
    const { host, server, audit } = join({ policy: policyOf({ ...policy, prompts: { review: 'ask' } }) });
    host.say(call(1, 'create_issue'), { id: 2, method: 'prompts/get', params: { name: 'review' } });
    await settled();
    expect(server.text).toBe('');
    expect(host.messages).toEqual([
      {
        jsonrpc: '2.0',
        id: 1,
        result: {
          content: [{ type: 'text', text: 'refused: nobody can be asked about create_issue' }],
          isError: true,
        },
      },
      {
        jsonrpc: '2.0',
        id: 2,
        error: {
          code: -32010,
          message: 'refused: nobody can be asked about review',
          data: { code: 'refused' },
        },
      },
    ]);
    expect(audit.records).toMatchObject([
      { event: 'tool.call', decision: 'deny', rule: 'consent.nobody' },
      { event: 'request', decision: 'deny', rule: 'consent.nobody' },
    ]);
  });

  test('W-POL-2 a tool spelled with escapes is the tool it means', () => {
    const { host, server } = join({ policy });
    host.say('{"jsonrpc":"2.0","id":1,"method":"tools\\/call","params":{"name":"get_\\u0073ecret"}}');
    expect(server.text).toBe('');
    expect(host.messages[0]).toMatchObject({ id: 1, error: { code: -32010 } });
  });

  test('W-RELAY-20 a call whose arguments hold a member twice, at any depth, is refused and recorded', () => {
    const { host, server, audit } = join({ policy });
    for (const args of ['{"a":1,"a":2}', '{"a":[{"b":1,"\\u0062":2}]}']) {
      host.say(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":${args}}}`);
    }
    expect(server.text).toBe('');
    expect(host.messages).toMatchObject([
      { id: 1, error: { code: -32602, message: 'a member of the arguments is there twice' } },
      { id: 1, error: { code: -32602 } },
    ]);
    expect(audit.records).toMatchObject([{ decision: 'deny', rule: 'protocol' }, { decision: 'deny' }]);
  });

  test('W-POL-2 denied tools are in no page of a list; those to ask for are', () => {
    const { host, server } = join({ policy });
    for (const [id, cursor] of [
      [1, {}],
      [2, { cursor: 'c' }],
    ] as const) {
      host.say({ id, method: 'tools/list', params: cursor });
      server.say({
        id,
        result: { tools: [{ name: 'get_secret' }, { name: 'echo' }, { name: 'create_x' }, { name: 'z' }] },
      });
    }
    const tools = [{ name: 'echo' }, { name: 'create_x' }];
    expect(host.messages.map(({ result }) => result)).toEqual([{ tools }, { tools }]);
  });

  test('W-POL-2 a list that cannot be understood is withheld', () => {
    const { host, server } = join({ policy });
    host.say({ id: 1, method: 'tools/list' }, { id: 2, method: 'tools/list' });
    server.say('{"jsonrpc":"2.0","id":1,"result":{"tools":[],"tools":[{"name":"get_secret"}]}}');
    server.raw(
      Buffer.from('{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"get_\xffsecret"}]}}\n', 'latin1'),
    );
    expect(host.messages).toMatchObject([
      { id: 1, error: { code: -32013, data: { code: 'withheld' } } },
      { id: 2, error: { code: -32013 } },
    ]);
  });

  test('W-POL-1 a rule with a condition decides each call by its arguments, and says why not', async () => {
    const conditional = policyOf({
      default: 'deny',
      tools: { echo: { allow: { properties: { n: { const: 1 } }, required: ['n'] }, else: 'deny' } },
    });
    await loadConditions(conditional);
    const { host, server, audit } = join({ policy: conditional });
    const withN = (id: number, n: number) => ({
      id,
      method: 'tools/call',
      params: { name: 'echo', arguments: { n } },
    });
    host.say({ id: 'list', method: 'tools/list' });
    server.say({ id: 1, result: { tools: [{ name: 'echo' }] } });
    host.say(withN(1, 1), withN(2, 2), withN(3, 1), call(4));
    expect(server.messages.filter(({ method }) => method === 'tools/call')).toHaveLength(2);
    expect(host.messages.slice(1)).toMatchObject([
      {
        id: 2,
        error: {
          message:
            'refused: policy.tools.echo.else of profile "github" says deny for "echo", since "n" must be equal to constant 1',
        },
      },
      { id: 4, error: { code: -32010 } },
    ]);
    expect(audit.records.map(({ decision, rule }) => [decision, rule])).toEqual([
      ['allow', 'policy.tools.echo.allow'],
      ['deny', 'policy.tools.echo.else'],
      ['allow', 'policy.tools.echo.allow'],
      ['deny', 'policy.tools.echo.else'],
    ]);
  });

  test('W-POL-9 a changed policy holds from the next call on, and the host is told to list again', () => {
    const { host, server, session } = join();
    host.say({ id: 0, method: 'initialize' }, { method: 'notifications/initialized' }, call(1));
    session.policy = policyOf({ tools: { echo: 'deny' } });
    expect(host.messages).toMatchObject([{ method: 'notifications/tools/list_changed' }]);
    server.say(answer(server.idOf(1)));
    host.say(call(2));
    expect(host.messages.slice(1)).toMatchObject([
      { id: 1, result: {} },
      { id: 2, error: { code: -32010 } },
    ]);
    session.policy = policyOf({});
    host.say(call(3));
    expect(server.messages.at(-1)).toMatchObject(sent(3));
  });

  test('a list goes on as it came where nothing is denied', () => {
    const { host, server } = join();
    host.say({ id: 1, method: 'tools/list' });
    const line = '{"jsonrpc":"2.0","id":1,"result":{"tools":[ {"name":"a"} ,{"name":"b" }]}}';
    server.say(line);
    expect(host.lines).toEqual([line]);
  });

  test('W-POL-2 a list that two readers could read differently does not go on, whatever is denied', () => {
    const { host, server } = join();
    host.say({ id: 1, method: 'tools/list' });
    server.say('{"jsonrpc":"2.0","id":1,"result":{"tools":[],"tools":[]}}');
    expect(host.messages).toMatchObject([{ id: 1, error: { code: -32013 } }]);
  });
});

describe('the audit log', () => {
  test('W-RELAY-4 has a call before the server does, and a result before the host does', () => {
    const { host, server, audit } = join();
    const seen: string[] = [];
    audit.before = (event) => seen.push(`${event}: server ${server.lines.length}, host ${host.lines.length}`);
    host.say(call(1), call(2));
    server.say(answer(2), answer(1));
    expect(seen).toEqual([
      'tool.call: server 0, host 0',
      'tool.call: server 0, host 0',
      'tool.result: server 2, host 0',
      'tool.result: server 2, host 0',
    ]);
  });

  test('tells how each call ended, with the digest of what the host got', () => {
    let now = 0;
    const { host, server, audit } = join({ clock: { now: () => 0, monotonic: () => now } });
    const lines = [
      JSON.stringify({ jsonrpc: '2.0', ...answer(1, `token ${SECRET}`) }),
      JSON.stringify({ jsonrpc: '2.0', id: 2, result: { content: [], isError: true } }),
      JSON.stringify({ jsonrpc: '2.0', id: 3, error: { code: 1, message: 'm' } }),
    ];
    host.say(call(1), call(2), call(3), call(4));
    now = 12.6;
    server.say(...lines);
    host.say({ method: 'notifications/cancelled', params: { requestId: 4 } });
    const got = host.lines;
    expect(got[0]).toContain('token [redacted:TOKEN]');
    expect(audit.of('tool.result')).toEqual(
      [
        ['s-1', 'ok', got[0]],
        ['s-2', 'tool-error', got[1]],
        ['s-3', 'error', got[2]],
        ['s-4', 'cancelled', ''],
      ].map(([name, outcome, line]) => ({
        event: 'tool.result',
        session: 's',
        call: name,
        profile: 'github',
        tool: 'echo',
        outcome,
        bytes: line?.length,
        result: sha256(line ?? ''),
        ms: 13,
      })),
    );
  });

  test('W-RELAY-4 that cannot be written stops calls, and says so', () => {
    const { host, server, audit, logged } = join();
    audit.fails.add('tool.call');
    host.say(call(1), { id: 2, method: 'ping' });
    expect(server.messages).toMatchObject([{ method: 'ping' }]);
    expect(host.messages).toMatchObject([
      { id: 1, error: { code: -32011, data: { code: 'audit-unwritable' } } },
    ]);
    expect(logged.join()).toContain('the audit log cannot be written');
    audit.fails.clear();
    host.say(call(1));
    expect(server.messages).toHaveLength(2);
  });

  test('W-RELAY-4 that cannot be written withholds results', () => {
    const { host, server, audit } = join();
    host.say(call(1));
    audit.fails.add('tool.result');
    server.say(answer(1, 'the result'), answer(1, 'again'));
    expect(host.messages).toMatchObject([{ id: 1, error: { code: -32011 } }]);
    expect(host.text).not.toContain('the result');
  });

  test('keeps arguments as text without credentials, exact to the digit', () => {
    const { host, audit } = join();
    host.say(
      '{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"echo","arguments":{ "n":12345678901234567890,"é":1}}}',
      call(2, 'echo', { token: SECRET }),
      '{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"echo"}}',
      '{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"echo","arguments":null}}',
    );
    expect(audit.records.map(({ id, arguments: text }) => [id, text])).toEqual([
      ['"a"', '{ "n":12345678901234567890,"é":1}'],
      ['2', '{"token":"[redacted:TOKEN]"}'],
      ['3', ''],
      ['4', 'null'],
    ]);
  });

  test('keeps a digest of long arguments, or of all where the profile says so', () => {
    const long = { text: 'x'.repeat(17_000) };
    const first = join();
    first.host.say(call(1, 'echo', long), call(2, 'echo', {}));
    expect(first.audit.records).toMatchObject([
      { arguments: sha256(JSON.stringify(long)), arguments_bytes: 17_011 },
      { arguments: '{}' },
    ]);
    const second = join({ auditSettings: { arguments: 'digest', results: 'digest', durability: 'fsync' } });
    second.host.say(call(1, 'echo', { token: SECRET }));
    expect(second.audit.records[0]).toMatchObject({ arguments: sha256('{"token":"[redacted:TOKEN]"}') });
    expect(second.audit.records[0]).not.toHaveProperty('arguments_bytes');
  });

  test('hears of a credential in the name of a tool without its value', () => {
    const { host, audit } = join();
    host.say(call(1, `x${SECRET}`));
    expect(audit.records[0]).toMatchObject({ tool: 'x[redacted:TOKEN]' });
  });
});

describe('W-RELAY-5 credentials do not reach the host', () => {
  test('in results, notifications and questions; all else stays as it was', () => {
    const { host, server } = join();
    host.say(call(1), { id: 2, method: 'resources/read', params: { uri: 'file:///a' } });
    const lines = [
      `{"jsonrpc":"2.0","id":1,"result":{"n":9007199254740993,"text":"${SECRET}"}}`,
      `{"jsonrpc":"2.0","id":2,"result":{"text":"${Buffer.from(`Basic ${SECRET}`).toString('base64')}"}}`,
      `{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"${SECRET}"}}`,
      `{"jsonrpc":"2.0","id":7,"method":"sampling/createMessage","params":{"text":"${SECRET}"}}`,
      '{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"nothing"}}',
    ];
    server.say(...lines);
    expect(host.text).not.toContain(SECRET);
    expect(host.lines).toHaveLength(5);
    expect(host.lines[0]).toBe(
      '{"jsonrpc":"2.0","id":1,"result":{"n":9007199254740993,"text":"[redacted:TOKEN]"}}',
    );
    expect(host.lines[4]).toBe(lines[4]);
  });

  test('in a line from which it cannot be taken out, which is withheld', () => {
    const redactor = new Redactor([{ name: 'PIN', value: '"error":{' }]);
    const { host, server, audit } = join({
      redactor: {
        ...plain(redactor),
        redact: (line) => spoil(line),
        message: (line) => ({ line: spoil(line), stayed: [] }),
      },
    });
    host.say(call(1));
    server.say({ id: 1, error: { code: 1, message: 'spoil' } });
    expect(host.messages).toMatchObject([{ id: 1, error: { code: -32013, data: { code: 'withheld' } } }]);
    expect(audit.of('tool.result')).toMatchObject([
      { outcome: 'error', result: sha256(host.lines[0] ?? '') },
    ]);
  });

  test.each([
    ['the name of a tool', { tools: [{ name: `query_${SECRET}` }] }],
    ["a member's name", { structuredContent: { [SECRET]: 1 } }],
    ['the URI of a resource', { resources: [{ uri: `db://${SECRET}/x` }] }],
  ])('in %s, which must not change: the answer is withheld, and says why', (place, result) => {
    const { host, server, audit } = join();
    host.say(call(1));
    server.say({ jsonrpc: '2.0', id: 1, result });
    expect(host.text).not.toContain(SECRET);
    expect(host.messages).toMatchObject([
      {
        id: 1,
        error: {
          code: -32013,
          message: expect.stringContaining(`${place} contains the value of TOKEN`),
          data: { code: 'withheld', hint: expect.any(String) },
        },
      },
    ]);
    expect(audit.of('tool.result')).toMatchObject([{ outcome: 'error' }]);
  });

  test('in the name of a member of its request or notification, which is withheld too', () => {
    const { host, server } = join();
    server.say(
      `{"jsonrpc":"2.0","id":7,"method":"sampling/createMessage","params":{"${SECRET}":1}}`,
      `{"jsonrpc":"2.0","method":"notifications/message","params":{"${SECRET}":1}}`,
    );
    expect(host.text).toBe('');
    expect(server.text).toContain('"id":7,"error"');
    expect(server.text).not.toContain(SECRET);
  });

  test('a common word that names a tool breaks neither the list nor a call, and a number stays a number', () => {
    const redactor = new Redactor([
      { name: 'PASSWORD', value: 'postgres' },
      { name: 'PIN', value: '12345678' },
    ]);
    const { host, server, logged } = join({ redactor });
    host.say(call(1), call(2));
    const list = '{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"query_postgres","inputSchema":{}}]}}';
    server.say(list, '{"jsonrpc":"2.0","id":2,"result":{"n":3123456789,"text":"postgres 12345678"}}');
    expect(host.lines).toEqual([
      list,
      '{"jsonrpc":"2.0","id":2,"result":{"n":3123456789,"text":"[redacted:PASSWORD] [redacted:PIN]"}}',
    ]);
    server.say(list);
    expect(logged.filter((line) => line.includes('too simple'))).toEqual([
      expect.stringMatching(/"credential":"PASSWORD","place":"the name of a tool"/),
      expect.stringMatching(/"credential":"PIN","place":"a number"/),
    ]);
  });

  test('on standard error, wherever its pieces are cut', () => {
    const { host, server } = join();
    server.complain(`token ${SECRET.slice(0, 9)}`);
    server.complain(`${SECRET.slice(9)} is it\n`);
    server.exit(1);
    expect(host.stderr).toBe('token [redacted:TOKEN] is it\n');
  });
});

function plain(redactor: Redactor) {
  return {
    text: (text: string) => redactor.text(text),
    stream: () => redactor.stream(),
    redactInSlices: (line: Buffer) => redactor.redactInSlices(line),
    messageInSlices: (line: Buffer) => redactor.messageInSlices(line),
    messageAsItComes: () => redactor.messageAsItComes(),
  };
}

/** Takes out more than the content of a string. */
function spoil(line: Buffer): Buffer {
  return line.includes('spoil') ? Buffer.from(line.toString().replace('"error"', '[redacted:PIN]')) : line;
}
