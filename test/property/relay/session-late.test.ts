// A session whose server starts when something needs it, and is ended when it is not used, against one whose server starts with it:
// whatever the host says, it gets the same answers, the log has the same records, and no request that acts goes to a server that
// has not listed all that it offers.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { join } from '../../fixtures/ends.ts';
import { AutoServer, ECHO, INITIALIZE, late, quiet, type Results, recorded } from '../../fixtures/late.ts';
import { policyOf } from '../../fixtures/policy.ts';
import { FakeTrust } from '../../fixtures/trust.ts';

type Message = Record<string, unknown>;

const RESULTS: Results = {
  initialize: {
    protocolVersion: '2025-11-25',
    capabilities: { tools: {}, prompts: {}, resources: { subscribe: true }, logging: {}, completions: {} },
    serverInfo: { name: 's', version: '1' },
  },
  'server/discover': {
    supportedVersions: ['2026-07-28'],
    capabilities: { tools: {}, prompts: {}, resources: {}, logging: {} },
  },
  'tools/list': { tools: [ECHO, { name: 'other' }, { name: 'denied' }] },
  'prompts/list': { prompts: [{ name: 'p' }] },
  'resources/list': { resources: [{ uri: 'file:///a', name: 'a' }] },
  'resources/templates/list': { resourceTemplates: [] },
  'resources/read': { contents: [{ uri: 'file:///a', text: 'a' }] },
  'resources/subscribe': {},
  'resources/unsubscribe': {},
  'prompts/get': { messages: [] },
  'completion/complete': { completion: { values: [] } },
  'logging/setLevel': {},
  'tools/call': { content: [{ type: 'text', text: 'done' }] },
};
const META = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' };
const POLICY = policyOf({ default: 'allow', tools: { denied: 'deny' } });
const LISTS = ['tools/list', 'prompts/list', 'resources/list', 'resources/templates/list'];

const request = fc.constantFrom<[string, object?]>(
  ['ping'],
  ...LISTS.map((method): [string] => [method]),
  ['logging/setLevel', { level: 'info' }],
  ['tools/call', { name: 'echo', arguments: {} }],
  ['tools/call', { name: 'other', arguments: { a: 1 } }],
  ['tools/call', { name: 'denied', arguments: {} }],
  ['tools/call', { name: 'nothing', arguments: {} }],
  ['tools/call', { name: 1 }],
  ['prompts/get', { name: 'p' }],
  ['resources/read', { uri: 'file:///a' }],
  ['resources/subscribe', { uri: 'file:///a' }],
  ['resources/unsubscribe', { uri: 'file:///a' }],
  ['completion/complete', { ref: { type: 'ref/prompt', name: 'p' }, argument: { name: 'a', value: '' } }],
  ['tasks/get', { taskId: 'x' }],
  ['vendor/thing', { a: 1 }],
);
const notification = fc.constantFrom<[string, object?]>(
  ['notifications/roots/list_changed'],
  ['notifications/progress', { progressToken: 1, progress: 1 }],
  ['notifications/vendor', { a: 1 }],
);
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ request }) },
  { weight: 1, arbitrary: fc.record({ notification }) },
  { weight: 1, arbitrary: fc.constant({ cancels: true as const }) },
);
const steps = fc.array(fc.record({ step, isAlone: fc.boolean() }), { maxLength: 12 });

/** The messages of a host, in the pieces in which they come. */
function saidBy(
  host: 'session' | 'stateless',
  all: readonly { step: object; isAlone: boolean }[],
): Message[][] {
  const isStateless = host === 'stateless';
  const pieces: Message[][] = [
    isStateless
      ? [{ id: 0, method: 'server/discover', params: { _meta: META } }]
      : [INITIALIZE, { method: 'notifications/initialized' }],
  ];
  let id = 0;
  for (const { step: each, isAlone } of all) {
    const { request: asked, notification: told } = each as {
      request?: [string, object?];
      notification?: [string, object?];
    };
    const [method, params] = asked ?? told ?? ['notifications/cancelled', { requestId: id }];
    const message: Message = { method, ...(asked !== undefined && { id: ++id }) };
    if (params !== undefined || isStateless)
      message.params = { ...params, ...(isStateless && asked !== undefined && { _meta: META }) };
    if (isAlone) pieces.push([message]);
    else pieces.at(-1)?.push(message);
  }
  return pieces;
}

const trusting = (): FakeTrust =>
  new FakeTrust({
    tools: [ECHO, { name: 'other' }, { name: 'denied' }],
    prompts: [{ name: 'p' }],
    resources: [{ uri: 'file:///a', name: 'a' }],
  });
/** Answers by their ids: requests that are answered without a server overtake others. */
const answers = (messages: readonly Message[]): Map<unknown, Message> =>
  new Map(
    messages.flatMap((message) => (message.method === undefined ? [[message.id, message] as const] : [])),
  );
/** What a server got that acts, and all before it. */
const actsOf = (server: AutoServer): Message[] =>
  server.messages.filter(({ method }) =>
    ['tools/call', 'prompts/get', 'resources/read', 'vendor/thing', 'notifications/vendor'].includes(
      String(method),
    ),
  );

test.each(['session', 'stateless'] as const)(
  'W-LAZY-2 a host of the %s era is answered alike, and nothing acts before the server is compared',
  async (era) => {
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const pieces = saidBy(era, all);
        const first = pieces[0]?.[0] as Message;
        const known = recorded(RESULTS, String(first.method));
        const eager = join({ policy: POLICY, trust: trusting(), server: new AutoServer(RESULTS) });
        const session = late(() => new AutoServer(RESULTS), {
          policy: POLICY,
          trust: trusting(),
          first,
          known,
        });
        for (const piece of pieces) {
          eager.host.say(...piece);
          session.host.say(...piece);
          await quiet();
        }
        const [got, wanted] = [answers(session.host.messages), answers(eager.host.messages)];
        // What was cancelled before the server had it is not answered, but may have been where the server was there.
        const cancelled = new Set(
          pieces
            .flat()
            .flatMap(({ method, params }) =>
              method === 'notifications/cancelled' ? [(params as { requestId: unknown }).requestId] : [],
            ),
        );
        for (const id of cancelled) for (const each of [got, wanted]) each.delete(id);
        expect(got).toEqual(wanted);
        for (const server of session.servers) {
          const methods = server.messages.map(({ method }) => method);
          const isAct = (method: unknown): boolean =>
            actsOf(server).some((message) => message.method === method);
          const act = methods.findIndex(isAct);
          if (act !== -1) for (const list of LISTS) expect(methods.slice(0, act)).toContain(list);
        }
        // Every request that acts is on record, once; each that a server got was let through.
        const recordsOf = (joined: typeof eager): string[] =>
          [...joined.audit.of('tool.call'), ...joined.audit.of('request')]
            .map(({ method, tool, decision }) =>
              JSON.stringify([method, tool, cancelled.size === 0 && decision]),
            )
            .sort();
        expect(recordsOf(session)).toEqual(recordsOf(eager));
        const allowed = [...session.audit.of('tool.call'), ...session.audit.of('request')].filter(
          ({ decision }) => decision === 'allow',
        );
        expect(session.servers.flatMap(actsOf).length).toBeLessThanOrEqual(allowed.length);
      }),
      { numRuns: 60 },
    );
  },
);
