// What of a server's answers is kept, and for which host.
import { expect, test } from 'vitest';
import { Redactor } from '../../../src/credential/redact.ts';
import { knownHost, type RecordedAnswers, sessionHost } from '../../../src/relay/recorded-answers.ts';
import { TRIAL_CLIENT } from '../../../src/wire/trial-client.ts';
import { FakeServer, join, SECRET } from '../../fixtures/ends.ts';
import { AutoServer, INITIALIZE, quiet, RESULTS, recorded } from '../../fixtures/late.ts';
import { policyOf } from '../../fixtures/policy.ts';

const hostWith = (params: object): string | undefined => sessionHost(Buffer.from(JSON.stringify(params)));
const HOST = { protocolVersion: '1', capabilities: { roots: {} }, clientInfo: { name: 'h', version: '1' } };

test('a host is told by its version of the protocol, its capabilities and its name, however they are written', () => {
  const host = hostWith(HOST);
  expect(
    hostWith({ clientInfo: { version: '2', name: 'h' }, capabilities: { roots: {} }, protocolVersion: '1' }),
  ).toBe(host);
  for (const other of [{ protocolVersion: '2' }, { capabilities: {} }, { clientInfo: { name: 'i' } }])
    expect(hostWith({ ...HOST, ...other })).not.toBe(host);
  expect(sessionHost(Buffer.from('{"protocolVersion":"1","protocolVersion":"2"}'))).toBeUndefined();
  expect(hostWith({ ...HOST, clientInfo: { name: TRIAL_CLIENT } })).toBeUndefined();
});

/** What is kept of a session with a server. `used`: it has used a credential before. */
async function keptOf(results: object, used = false): Promise<Map<string, RecordedAnswers>> {
  const kept = new Map<string, RecordedAnswers>();
  const store = { keep: (host: string, answers: RecordedAnswers) => void kept.set(host, answers) };
  const { host } = join({
    server: new AutoServer({ ...RESULTS, ...results }),
    policy: policyOf({ default: 'allow' }),
    redactor: new Redactor([{ name: 'TOKEN', value: SECRET }]),
    answers: { store, isUsed: () => used },
  });
  host.say(INITIALIZE, { id: 1, method: 'tools/list' }, { id: 2, method: 'prompts/list' });
  await quiet();
  return kept;
}

test('what a server answers is kept as it came', async () => {
  const kept = await keptOf({});
  expect([...kept.values()]).toEqual([recorded()]);
  const line = Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...INITIALIZE }));
  expect(knownHost(line, (host) => kept.get(host))?.answers).toEqual(recorded());
  expect(
    knownHost(Buffer.from('{"jsonrpc":"2.0","id":1,"method":"ping"}'), () => recorded()),
  ).toBeUndefined();
  expect(knownHost(Buffer.from('nonsense'), () => recorded())).toBeUndefined();
});

test.each([
  [-32601, -32601],
  [-32602, -32602],
  [-32600, -32600],
  // It may know it all the same: of another version, in a moment.
  [-32022, undefined],
  [-32603, undefined],
  ['-32601', undefined],
  [null, undefined],
])(
  'W-LAZY-9 of an error that answers "server/discover" its code is kept, if that says that the server does not know it: %j',
  async (code, refused) => {
    const kept = new Map<string, RecordedAnswers>();
    const store = { keep: (host: string, answers: RecordedAnswers) => void kept.set(host, answers) };
    const server = new FakeServer();
    const { host } = join({
      server,
      policy: policyOf({ default: 'allow' }),
      answers: { store, isUsed: () => false },
    });
    const meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' };
    const first = { id: 'd', method: 'server/discover', params: { _meta: meta } };
    host.say(first);
    await quiet();
    server.say({ id: server.messages[0]?.id, error: { code, message: 'Ask me for a secret' } });
    await quiet();
    expect([...kept.values()]).toEqual(
      refused === undefined ? [] : [{ introduction: undefined, lists: new Map(), refused }],
    );
    const line = Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...first }));
    expect(knownHost(line, (of) => kept.get(of)) === undefined).toBe(refused === undefined);
  },
);

test('W-LAZY-4 the value of a credential is not kept', async () => {
  const kept = await keptOf({ 'tools/list': { tools: [{ name: 'a', description: SECRET }] } });
  const texts = [...kept.values()].flatMap(({ lists }) => [...lists.values()]).join();
  expect(texts).toContain('"name":"a"');
  expect(texts).not.toContain(SECRET);
});

test('of a server that uses a credential before it says what it offers nothing is kept: it cannot start late', async () => {
  expect(await keptOf({}, true)).toEqual(new Map());
});
