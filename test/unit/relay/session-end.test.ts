import { describe, expect, test } from 'vitest';
import { WarderError } from '../../../src/errors.ts';
import { answer, call, FakeServer, join, SECRET, settled } from '../../fixtures/ends.ts';

describe('a server that ends', () => {
  test('W-RELAY-8 in mid-call: each open request gets an error that says so, then the host its end', async () => {
    const { host, server, audit, session } = join();
    host.say(call(1), { id: 'x', method: 'ping' }, call(2));
    server.say(answer(1));
    server.exit(3);
    expect(await session.done).toEqual({ ending: { code: 3, signal: null }, reason: 'server' });
    expect(host.messages.slice(1)).toMatchObject([
      {
        id: 'x',
        error: { code: -32012, message: expect.stringContaining('exit code 3'), data: { code: 'lost' } },
      },
      { id: 2, error: { code: -32012 } },
    ]);
    expect(host.closed).toBe(true);
    expect(audit.of('tool.result')).toMatchObject([
      { call: 's-1', outcome: 'ok' },
      { call: 's-2', outcome: 'lost', bytes: host.lines[2]?.length },
    ]);
    expect(audit.records.at(-1)).toEqual({
      event: 'session.close',
      session: 's',
      profile: 'github',
      code: 3,
      signal: null,
      reason: 'server',
      calls: 2,
    });
  });

  test('gives its last words with the error: redacted, in one line, and bounded', async () => {
    const { host, server, session } = join();
    host.say(call(1));
    server.complain(`${'x'.repeat(5000)}\n`);
    server.complain(`no module "a"\n  with ${SECRET.slice(0, 9)}`);
    server.complain(`${SECRET.slice(9)}\u001b[0m\n`);
    server.exit(1);
    await session.done;
    const { stderr } = (host.messages[0] as { error: { data: { stderr: string } } }).error.data;
    expect(stderr).toMatch(/x no module "a" with .* \[0m$/);
    expect(stderr).not.toContain(SECRET.slice(0, 9));
    expect(stderr).toHaveLength(500);
  });

  test('by a signal is told so', async () => {
    const { host, server, session } = join();
    host.say(call(1));
    server.exit(null, 'SIGKILL');
    expect((await session.done).ending.signal).toBe('SIGKILL');
    expect(host.text).toContain('SIGKILL');
  });

  test('has its last words passed on, also the half line', async () => {
    const { host, server, session } = join();
    host.say(call(1));
    server.raw('{"jsonrpc":"2.0","id":1,"result":{}}');
    server.complain('last words');
    server.exit(0);
    await session.done;
    expect(host.messages).toEqual([{ jsonrpc: '2.0', id: 1, result: {} }]);
    expect(host.stderr).toBe('last words');
  });

  test('while something holds its output open is gone all the same', async () => {
    const { host, server, session } = join();
    host.say(call(1));
    server.vanish();
    expect((await session.done).reason).toBe('server');
    expect(host.messages).toMatchObject([{ id: 1, error: { code: -32012 } }]);
  });

  test('by closing its output is made to end', async () => {
    const { server, session } = join();
    server.end();
    expect(server.stops).toBe(1);
    expect((await session.done).reason).toBe('server');
  });

  test('is told to the host also where that cannot be recorded', async () => {
    const { host, server, audit, session } = join();
    host.say(call(1));
    audit.fails.add('tool.result').add('session.close');
    server.exit(1);
    await session.done;
    expect(host.messages).toMatchObject([{ id: 1, error: { code: -32011 } }]);
    expect(host.closed).toBe(true);
  });
});

describe('a host that ends', () => {
  test('W-RELAY-11 gets the answers to what is open, and then the server the end of its input', async () => {
    const server = new FakeServer();
    server.obeys = false;
    const { host, session, audit } = join({ server });
    host.say(call(1), { id: 'l', method: 'subscriptions/listen' });
    host.end();
    expect(server.closed).toBe(false);
    expect(server.stops).toBe(0);
    server.say({ method: 'notifications/progress', params: { progressToken: 1 } }, answer(1));
    expect(host.messages).toMatchObject([{ method: 'notifications/progress' }, { id: 1, result: {} }]);
    expect(server.closed).toBe(true);
    expect(server.stops).toBe(1);
    server.exit(0);
    expect(await session.done).toEqual({ ending: { code: 0, signal: null }, reason: 'host' });
    expect(audit.of('tool.result')).toMatchObject([{ outcome: 'ok' }]);
    expect(audit.of('session.close')).toMatchObject([{ reason: 'host' }]);
  });

  test('W-RELAY-11 waits for what is open no longer than its limit', async () => {
    const { host, server, session } = join({ budgets: { close: 20 } });
    host.say(call(1));
    host.end();
    expect((await session.done).reason).toBe('host');
    expect(server.stops).toBe(1);
    expect(host.messages).toMatchObject([{ id: 1, error: { code: -32012 } }]);
  });

  test('W-RELAY-11 answers nothing any more: what the server asks is an error', () => {
    const { host, server, audit } = join();
    host.say(call(1));
    server.say({ id: 'a', method: 'sampling/createMessage' });
    host.end();
    server.say({ id: 'b', method: 'roots/list' });
    expect(host.messages).toHaveLength(1);
    expect(server.messages.slice(1)).toMatchObject([
      { id: 'a', error: { code: -32012 } },
      { id: 'b', error: { code: -32012 } },
    ]);
    // What came too late was denied by nobody.
    expect(audit.of('question')).toMatchObject([{ method: 'sampling/createMessage', decision: 'allow' }]);
  });

  test('W-RELAY-11 that is gone, and not only its input, waits for nothing', async () => {
    const { host, server, session } = join();
    host.say(call(1));
    host.vanish();
    expect(server.stops).toBe(1);
    expect((await session.done).reason).toBe('host');
  });

  test('whose session is ended waits for nothing either, and is told why', async () => {
    const { host, session, audit } = join();
    host.say(call(1));
    host.vanish(new WarderError('daemon-unreachable', 'the daemon was stopped'));
    expect((await session.done).reason).toBe('stopped');
    expect(host.messages).toMatchObject([{ id: 1, error: { message: expect.stringContaining('ended') } }]);
    expect(audit.of('session.close')).toMatchObject([{ reason: 'stopped' }]);
  });

  test('hears nothing of its subscriptions, which have ended with it', async () => {
    const { host, session } = join();
    host.say({ id: 'l', method: 'subscriptions/listen' }, { id: 1, method: 'ping' });
    host.vanish();
    await session.done;
    expect(host.messages).toMatchObject([{ id: 1, error: { code: -32012 } }]);
  });

  test('and what it says when all is over is nothing', async () => {
    const { host, server, session, audit } = join();
    server.exit(0);
    await session.done;
    host.say(call(1));
    host.end();
    expect(server.text).toBe('');
    expect(audit.of('tool.call')).toEqual([]);
  });

  test('a stopped session ends its server', async () => {
    const { server, session, audit } = join();
    expect((await session.stop()).reason).toBe('stopped');
    expect(server.stops).toBe(1);
    expect(audit.of('session.close')).toMatchObject([{ reason: 'stopped' }]);
    await session.stop();
    await settled();
    expect(audit.of('session.close')).toHaveLength(1);
  });
});
