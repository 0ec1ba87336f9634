import { expect, test } from 'vitest';
import type { Entry } from '../../../src/audit/chain/chain.ts';
import {
  askedTools,
  mergeRefusals,
  recordedRefusals,
  refusalLine,
  refusedSockets,
  reportedRefusals,
} from '../../../src/commands/test/refusals.ts';
import { parseProfile } from '../../../src/profile/format.ts';

const entry = (fields: object): Entry => ({ seq: 1, time: '', prev: '', hash: '', event: '', ...fields });

test('hosts that the gate refused are added up, with the line that lists them', () => {
  const connect = { event: 'egress.connect', outcome: 'refused', reason: 'not listed' };
  const refused = recordedRefusals('demo', [
    entry({ ...connect, host: 'api.example.com', port: 53 }),
    entry({ ...connect, host: 'api.example.com', port: 53, count: 2 }),
    entry({ ...connect, host: 'db.example.com', port: 5432 }),
    entry({ ...connect, host: '10.0.0.1', port: 443 }),
    entry({ ...connect, host: 'in.example.com', port: 443, reason: 'a private address' }),
    entry({ ...connect, host: 'ok.example.com', port: 443, outcome: 'open' }),
  ]);
  expect(refused.map(({ what, count, allow }) => [what, count, allow])).toEqual([
    ['api.example.com', 3, 'warder allow demo api.example.com'],
    ['db.example.com:5432', 1, 'warder allow demo db.example.com:5432'],
    ['10.0.0.1:443', 1, undefined],
    ['in.example.com:443', 1, undefined],
  ]);
});

test('a credential that was not put in is named with its host, and with what the profile would say', () => {
  const use = {
    event: 'credential.use',
    action: 'use',
    outcome: 'refused',
    credential: 'own/name',
    port: 443,
  };
  const elsewhere = 'the host is not one of its hosts';
  const refused = recordedRefusals(
    'demo',
    [
      entry({ ...use, host: 'other.example.com', reason: elsewhere }),
      entry({ ...use, host: 'api.example.com', port: 8443, reason: 'it may be used in "bearer" only' }),
      entry({ ...use, host: 'api.example.com', reason: 'the path is not one of its paths', count: 3 }),
      entry({ ...use, host: 'api.example.com', reason: elsewhere, credential: 'unknown' }),
      entry({ ...use, host: 'api.example.com', outcome: 'sent' }),
    ],
    [{ variable: 'TOKEN', name: 'own/name', hosts: ['api.example.com'] }],
  );
  expect(refused.map((one) => [refusalLine(one), one.allow])).toEqual([
    [
      `the credential own/name at other.example.com: ${elsewhere}`,
      'credentials: {TOKEN: {hosts: ["api.example.com","other.example.com"]}}',
    ],
    [
      'the credential own/name at api.example.com:8443: it may be used in "bearer" only',
      'credentials: {TOKEN: {as: any}}',
    ],
    ['the credential own/name at api.example.com: the path is not one of its paths, 3 times', undefined],
    [`the credential unknown at api.example.com: ${elsewhere}`, undefined],
  ]);
});

test('of a call that no policy would let through no line of a policy is proposed', () => {
  const refused = recordedRefusals(
    'demo',
    ['protocol', 'own', 'trust.unlisted', 'remote.unready', 'consent.rate', 'policy.tools.a'].map((rule) =>
      entry({ event: 'tool.call', tool: 'a', decision: 'deny', rule, reason: rule }),
    ),
  );
  expect(refused.map(({ reason, allow }) => [reason, allow !== undefined])).toEqual([
    ...['protocol', 'own', 'trust.unlisted', 'remote.unready'].map((rule) => [rule, false]),
    ...['consent.rate', 'policy.tools.a'].map((rule) => [rule, true]),
  ]);
});

test('calls that the policy refused are listed with the line that allows them', () => {
  const refused = recordedRefusals('demo', [
    entry({ event: 'tool.call', tool: 'delete_all', decision: 'deny', rule: 'policy.default' }),
    entry({ event: 'question', method: 'roots/list', decision: 'deny', rule: 'policy.methods.roots/list' }),
    entry({ event: 'request', method: 'tools/list', decision: 'allow', rule: 'protocol' }),
  ]);
  expect(refused.map(({ what, reason, allow }) => [what, reason, allow])).toEqual([
    ['tools/call delete_all', 'policy.default', 'policy: {tools: {"delete_all": allow}}'],
    ['roots/list', 'policy.methods.roots/list', 'policy: {methods: {"roots/list": allow}}'],
  ]);
});

test('tools that a person is asked about are listed', () => {
  const policy = parseProfile(
    'server: {command: x}\npolicy: {default: ask, tools: {a: allow, c: deny}}',
    'f',
    'p',
  ).policy;
  expect(askedTools(policy, ['a', 'b', 'c'])).toEqual(['b']);
});

test.each([
  ["Error: ENOENT: no such file or directory, open '/home/me/data.json'", 'read', '/home/me/data.json'],
  [
    "FileNotFoundError: [Errno 2] No such file or directory: '/home/me/data.json'",
    'read',
    '/home/me/data.json',
  ],
  ["Error: EROFS: read-only file system, mkdir '/home/me/cache'", 'write', '/home/me'],
  ['sh: 1: cannot create /home/me/log: Permission denied', 'write', '/home/me'],
  ['Warning: Cannot access directory /home/me/data.json, skipping', 'read', '/home/me/data.json'],
])('a file in a message: %s', (line, key, path) => {
  const exists = (each: string): boolean => ['/home/me', '/home/me/data.json'].includes(each);
  expect(reportedRefusals('demo', `starting\n${line}\n`, exists)).toMatchObject([
    { kind: 'file', count: 1, allow: `sandbox: {${key}: ["${path}"]}` },
  ]);
  expect(reportedRefusals('demo', line, () => false)).toEqual([]);
});

test('a host in a message counts unless the gate has recorded it', () => {
  const line = 'TypeError: fetch failed: getaddrinfo EAI_AGAIN API.example.com';
  const reported = reportedRefusals('demo', line, () => false);
  expect(reported).toMatchObject([{ kind: 'host', what: 'api.example.com' }]);
  const recorded = recordedRefusals('demo', [
    entry({
      event: 'egress.connect',
      outcome: 'refused',
      reason: 'not listed',
      host: 'api.example.com',
      port: 53,
    }),
  ]);
  expect(mergeRefusals(recorded, reported)).toEqual(recorded);
  expect(mergeRefusals([], reported)).toEqual(reported);
});

test('W-BOX-8 a Unix socket that was refused because of a listed folder, with the line that allows it', () => {
  const none = { allowed: 'none', because: '/home/me/project' } as const;
  for (const message of [
    'Error: listen EAFNOSUPPORT: address family not supported /tmp/tsx-1000/2.pipe',
    'OSError: [Errno 97] Address family not supported by protocol',
  ]) {
    expect(refusedSockets(message, none)).toEqual([
      {
        kind: 'socket',
        what: 'Unix sockets',
        reason: 'sockets of other programs may be in /home/me/project',
        count: 1,
        allow: 'sandbox: {unix-sockets: true}',
      },
    ]);
    expect(refusedSockets(message, { allowed: 'own', because: undefined })).toEqual([]);
    expect(refusedSockets(message, { allowed: 'none', because: undefined })).toEqual([]);
  }
  expect(refusedSockets('ready', none)).toEqual([]);
});
