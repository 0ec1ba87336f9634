// Which uses of credentials are alike, and what an answer to one is an answer to.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Broker } from '../../../../src/consent/questions/broker.ts';
import { CredentialUses } from '../../../../src/consent/questions/credential-uses.ts';
import { questionLines } from '../../../../src/consent/questions/question.ts';
import { type Grant, GrantBook } from '../../../../src/consent/store/grants.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const use = {
  credential: 'github/token',
  host: 'api.github.com',
  port: 443,
  method: 'POST',
  path: '/user/repos',
};
const host = { key: '/usr/bin/host', name: 'host' };
const reach = { network: [], read: [], write: [], sandbox: 'on', credentials: ['github/token'] } as const;

function uses(
  more: { hasActed?: boolean; session?: string; host?: string; server?: string } = {},
  book = new GrantBook(),
) {
  let grants = 0;
  const broker = new Broker({
    ways: [],
    order: ['terminal'],
    timeout: 120_000,
    rate: 20,
    records: { asked: () => true, answered: () => true },
    grant: (subject, answer, by) => {
      const { arguments: exact, definition: _, session, ...rest } = subject;
      const grant: Grant = {
        ...{ id: String(++grants), made: '', by, decision: answer.decision, ...rest },
        ...(answer.extent === 'arguments' && exact !== undefined && { arguments: exact }),
        ...(answer.scope === 'session' && { session }),
      };
      book.add(grant);
      return grant;
    },
    clock: { now: () => Date.now(), monotonic: () => Date.now() },
    log: { debug() {}, info() {}, warn() {}, error() {} },
  });
  broker.watch();
  const { session = 's', server = 'v1' } = more;
  const subject = { session, host: more.host ?? host.key, profile: 'github', server };
  const credentials = new CredentialUses({
    subject: () => subject,
    find: (about) => book.find(about, 0),
    ask: (about, asked) => {
      const question = {
        ...asked,
        session,
        profile: 'github',
        host,
        kind: 'credential',
        reach,
        claims: [],
      } as const;
      return broker.ask({ subject: about, question, dialog: undefined });
    },
    opened: async () => {},
    hasActed: () => more.hasActed ?? true,
    calls: () => ['s-1', 's-2'],
    redact: (text) => text.replaceAll('hunter2', '***'),
  });
  return { broker, credentials, book };
}

const answer = (broker: Broker, scope: 'once' | 'session' | 'always', extent: 'arguments' | 'name') =>
  broker.answer(broker.questions[0]?.id ?? '', { decision: 'allow', scope, extent }, 'terminal', 2);

describe('[W-CONS-40] [W-CONS-41]', () => {
  test('a question shows the credential, the host, the method and the path, without values', () => {
    const { broker, credentials } = uses();
    credentials.ask({ ...use, path: '/hunter2/\u202e' });
    const [question] = broker.questions;
    if (question === undefined) throw new Error('nothing is asked');
    expect(questionLines(question)).toEqual(
      expect.arrayContaining([
        'host asks: use the credential "github/token" at api.github.com',
        '  host: "api.github.com"',
        '  method: "POST"',
        '  path: "/***/\\u202e"',
        'profile github, since credentials.confirm says ask',
      ]),
    );
    expect(question.call).toBe('s-1');
  });

  test('alike uses are one question; another method, path, host or credential is another', async () => {
    const { broker, credentials } = uses();
    const first = credentials.ask(use);
    const alike = credentials.ask({ ...use });
    expect(broker.questions).toMatchObject([{ calls: 2 }]);
    for (const other of [
      { method: 'DELETE' },
      { path: '/user' },
      { host: 'uploads.github.com' },
      { port: 8443 },
      { credential: 'github/other' },
    ])
      credentials.ask({ ...use, ...other });
    expect(broker.questions).toHaveLength(6);
    answer(broker, 'once', 'arguments');
    expect(await first.outcome).toEqual(await alike.outcome);
    expect(await first.outcome).toMatchObject({ decision: 'allow', reason: undefined });
    expect(broker.questions).toHaveLength(5);
    // Once is once.
    expect(credentials.known(use)).toBeUndefined();
  });

  test('an answer for the credential holds at that host, for that host program, server and session', async () => {
    const { broker, credentials, book } = uses();
    credentials.ask(use);
    answer(broker, 'session', 'name');
    expect(credentials.known({ ...use, method: 'DELETE', path: '/x' })).toMatchObject({ decision: 'allow' });
    for (const other of [{ host: 'evil.test' }, { port: 8443 }, { credential: 'github/other' }])
      expect(credentials.known({ ...use, ...other })).toBeUndefined();
    for (const other of [{ session: 't' }, { host: '/usr/bin/other' }, { server: 'v2' }])
      expect(uses(other, book).credentials.known(use)).toBeUndefined();
  });

  test('an answer for these arguments holds for that method and path', () => {
    const { broker, credentials } = uses();
    credentials.ask(use);
    answer(broker, 'always', 'arguments');
    expect(credentials.known(use)).toMatchObject({ decision: 'allow' });
    expect(credentials.known({ ...use, method: 'DELETE' })).toBeUndefined();
    expect(credentials.known({ ...use, path: '/user/repos/' })).toBeUndefined();
  });

  test('nobody is asked before the host has made a call, and an earlier answer counts', async () => {
    const { broker, credentials, book } = uses({ hasActed: false });
    expect(await credentials.ask(use).outcome).toMatchObject({ decision: 'deny', rule: 'consent.early' });
    expect(broker.questions).toEqual([]);
    const acted = uses({}, book);
    acted.credentials.ask(use);
    answer(acted.broker, 'always', 'name');
    expect(await credentials.ask(use).outcome).toMatchObject({ decision: 'allow' });
  });

  test('a path that is too long is cut, and told by its digest', () => {
    const { broker, credentials } = uses();
    const long = `/${'a'.repeat(5000)}`;
    credentials.ask({ ...use, path: `${long}1` });
    credentials.ask({ ...use, path: `${long}2` });
    const [one, two] = broker.questions.map((question) => question.arguments);
    expect(one?.length).toBeLessThan(2300);
    expect(one).not.toBe(two);
  });
});
