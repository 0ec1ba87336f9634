import * as sdk from '@modelcontextprotocol/sdk/types.js';
import { describe, expect, test } from 'vitest';
import {
  MAX_SUBSCRIPTION_BYTES,
  MAX_SUBSCRIPTIONS,
  methodOf,
  readTargets,
  type Sender,
} from '../../../src/relay/methods.ts';

/** The methods of 2026-07-28 that a host may send: the schemas of the SDK, and the tasks extension. */
const STATELESS = [
  'tools/call',
  'tools/list',
  'prompts/get',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'completion/complete',
  'server/discover',
  'subscriptions/listen',
  'tasks/get',
  'tasks/update',
  'tasks/cancel',
];

const literal = (schema: { shape: { method: { value?: unknown } } }): string =>
  String(schema.shape.method.value);
const hostRequests = sdk.ClientRequestSchema.options.map(literal);
const serverRequests = sdk.ServerRequestSchema.options.map(literal);

/** Whether a method is in the table: those that are not share one entry. */
function isKnown(name: string, sender: Sender, form: 'request' | 'notification'): boolean {
  return methodOf(name, sender, form) !== methodOf('x/unknown', sender, form);
}

describe('the table', () => {
  test('has every request of the session era, both ways', () => {
    expect(hostRequests.length).toBeGreaterThan(15);
    for (const name of hostRequests) expect(isKnown(name, 'host', 'request'), name).toBe(true);
    for (const name of serverRequests) expect(isKnown(name, 'server', 'request'), name).toBe(true);
  });

  test('has every request of the stateless era', () => {
    for (const name of STATELESS) expect(isKnown(name, 'host', 'request'), name).toBe(true);
  });

  test('has every notification, and lets it pass without a record', () => {
    const known: [Sender, readonly { shape: { method: { value?: unknown } } }[]][] = [
      ['host', sdk.ClientNotificationSchema.options],
      ['server', sdk.ServerNotificationSchema.options],
    ];
    for (const [sender, schemas] of known) {
      for (const name of schemas.map(literal)) {
        const { governedBy, event } = methodOf(name, sender, 'notification');
        expect({ name, governedBy, event }).toEqual({ name, governedBy: 'lifecycle', event: undefined });
        expect(isKnown(name, sender, 'notification'), name).toBe(true);
      }
    }
  });

  test('governs and records every request of a host that acts', () => {
    const passing = ['initialize', 'server/discover', 'ping', 'logging/setLevel'];
    for (const name of new Set([...hostRequests, ...STATELESS])) {
      const { governedBy, event } = methodOf(name, 'host', 'request');
      const passes = passing.includes(name) || (name.endsWith('/list') && name !== 'tasks/list');
      expect({ name, passes: governedBy === 'lifecycle' }).toEqual({ name, passes });
      expect(event).toBe(passes ? undefined : name === 'tools/call' ? 'tool.call' : 'request');
    }
  });

  test('lets what a server asks pass unless a rule says otherwise, and records it', () => {
    for (const name of ['sampling/createMessage', 'elicitation/create', 'roots/list']) {
      expect(methodOf(name, 'server', 'request')).toMatchObject({
        governedBy: 'methods',
        event: 'question',
        unlisted: 'allow',
      });
    }
    expect(methodOf('ping', 'server', 'request')).toMatchObject({
      governedBy: 'lifecycle',
      event: undefined,
    });
  });

  test.each<[string, Sender, 'request' | 'notification', object]>([
    ['x/y', 'host', 'request', { governedBy: 'methods', event: 'request', unlisted: undefined }],
    ['x/y', 'host', 'notification', { governedBy: 'methods', event: 'request', unlisted: undefined }],
    ['x/y', 'server', 'request', { governedBy: 'methods', event: 'question', unlisted: undefined }],
    ['x/y', 'server', 'notification', { governedBy: 'lifecycle', event: undefined }],
    ['constructor', 'host', 'request', { governedBy: 'methods', event: 'request' }],
    ['resources/read', 'host', 'notification', { governedBy: 'methods', form: 'notification' }],
    ['notifications/initialized', 'host', 'request', { governedBy: 'methods', form: 'request' }],
    ['tools/call', 'server', 'request', { governedBy: 'methods', event: 'question', unlisted: undefined }],
    ['Initialize', 'host', 'request', { governedBy: 'methods' }],
  ])('%s of a %s as a %s is unknown', (name, sender, form, expected) => {
    expect(isKnown(name, sender, form)).toBe(false);
    expect(methodOf(name, sender, form)).toMatchObject(expected);
  });
});

describe('what a request acts on', () => {
  function read(name: string, params: string | undefined) {
    const method = methodOf(name, 'host', 'request');
    if (params === undefined) return readTargets(name, method, Buffer.alloc(0), undefined);
    const bytes = Buffer.from(`{"params":${params}}`);
    return readTargets(name, method, bytes, { start: 10, end: bytes.length - 1 });
  }

  test.each<[string, string | undefined, { kind: string; name: string }[]]>([
    ['tools/call', '{"name":"ge\\u0074","arguments":{}}', [{ kind: 'tools', name: 'get' }]],
    ['resources/read', '{"uri":"file:///a"}', [{ kind: 'resources', name: 'file:///a' }]],
    ['resources/subscribe', '{"_meta":{},"uri":"a:b"}', [{ kind: 'resources', name: 'a:b' }]],
    ['prompts/get', '{"name":"review"}', [{ kind: 'prompts', name: 'review' }]],
    ['completion/complete', '{"ref":{"type":"ref/prompt","name":"p"}}', [{ kind: 'prompts', name: 'p' }]],
    [
      'completion/complete',
      '{"ref":{"uri":"a:{b}","type":"ref/resource"}}',
      [{ kind: 'resources', name: 'a:{b}' }],
    ],
    ['subscriptions/listen', '{"notifications":{"toolsListChanged":true}}', []],
    ['subscriptions/listen', undefined, []],
    [
      'subscriptions/listen',
      '{"notifications":{"resourceSubscriptions":["a:1","a:2"]}}',
      [
        { kind: 'resources', name: 'a:1' },
        { kind: 'resources', name: 'a:2' },
      ],
    ],
    ['tasks/list', undefined, [{ kind: 'methods', name: 'tasks/list' }]],
    ['x/y', '[1]', [{ kind: 'methods', name: 'x/y' }]],
    ['initialize', '{"a":1,"a":2}', []],
  ])('%s %s', (name, params, targets) => {
    expect(read(name, params)).toEqual({ fault: undefined, targets, tasks: [] });
  });

  test('of a subscription its resources and tasks', () => {
    const params = '{"notifications":{"resourceSubscriptions":["a:1"],"taskIds":["t-1","t-2"]}}';
    expect(read('subscriptions/listen', params)).toEqual({
      fault: undefined,
      targets: [{ kind: 'resources', name: 'a:1' }],
      tasks: ['t-1', 't-2'],
    });
  });

  test('of a task its id', () => {
    expect(read('tasks/get', '{"taskId":"t-1"}')).toEqual({
      fault: undefined,
      targets: [{ kind: 'methods', name: 'tasks/get' }],
      tasks: ['t-1'],
    });
  });

  test.each<[string, string | undefined]>([
    ['tools/call', '{"name":""}'],
    ['tools/call', '{"name":"\\ud800"}'],
    ['tools/call', '{"name":7}'],
    ['tools/call', `{"name":"${'x'.repeat(1025)}"}`],
    ['tools/call', '{"name":"a","name":"b"}'],
    ['tools/call', '{"name":"a","Name":"b"}'],
    ['tools/call', '{"name":"a","arguments":{"x":[{"y":1,"y":2}]}}'],
    ['resources/read', '{}'],
    ['resources/read', undefined],
    ['resources/read', 'null'],
    ['resources/read', '["a:b"]'],
    ['resources/read', '{"uri":"a:1","uri":"a:2"}'],
    ['resources/read', '{"uri":"a:1","u\\u0072i":"a:2"}'],
    ['resources/read', '{"uri":"a:1","URI":"a:2"}'],
    ['resources/read', `{"uri":"${'x'.repeat(8193)}"}`],
    ['completion/complete', '{"ref":{"type":"ref/other","name":"x"}}'],
    ['completion/complete', '{"ref":{"name":"x"}}'],
    ['completion/complete', '{"ref":{"type":"ref/prompt","Type":"ref/resource","name":"x"}}'],
    ['completion/complete', '{}'],
    ['subscriptions/listen', '{"notifications":{"resourceSubscriptions":["a:1",7]}}'],
    ['subscriptions/listen', '{"notifications":{"resourceSubscriptions":"a:1"}}'],
    [
      'subscriptions/listen',
      '{"notifications":{"resourceSubscriptions":[],"ResourceSubscriptions":["a:1"]}}',
    ],
    [
      'subscriptions/listen',
      `{"notifications":{"resourceSubscriptions":[${'"a:1",'.repeat(MAX_SUBSCRIPTIONS)}"a:1"]}}`,
    ],
    [
      'subscriptions/listen',
      `{"notifications":{"resourceSubscriptions":[${`"a:${'x'.repeat(MAX_SUBSCRIPTION_BYTES / 8)}",`.repeat(8)}"a:1"]}}`,
    ],
    ['tasks/get', '{}'],
    ['subscriptions/listen', '{"notifications":{"taskIds":["t-1",7]}}'],
    ['subscriptions/listen', '{"notifications":{"taskIds":"t-1"}}'],
    ['subscriptions/listen', '{"notifications":{"taskIds":["t-1"],"taskIds":["t-2"]}}'],
    ['tasks/cancel', '{"taskId":"a","taskId":"b"}'],
    ['x/y', '{"a":{"b":1,"b":2}}'],
  ])('is not guessed: %s %s', (name, params) => {
    expect(read(name, params).fault).toEqual(expect.any(String));
  });
});
