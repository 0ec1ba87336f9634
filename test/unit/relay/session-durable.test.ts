import { describe, expect, test } from 'vitest';
import { Neighbours } from '../../../src/relay/neighbours.ts';
import { answer, call, type Joined, join, sent, settled } from '../../fixtures/ends.ts';

const auditSettings = { arguments: 'redacted', results: 'digest', durability: 'fsync' } as const;

/** A session whose records are on the disk when the test says so, and that is not the only one. */
function durable(): Joined {
  const neighbours = new Neighbours({ monotonic: () => 0 });
  const joined = join({ auditSettings, neighbours });
  neighbours.note({}, 0);
  joined.audit.isDurable = false;
  return joined;
}

describe('W-AUDIT-18 with `durability: fsync`', () => {
  test('nothing goes on before its record is on the disk, in either direction', () => {
    const { host, server, audit } = durable();
    host.say(call(1), { method: 'notifications/x' });
    expect(audit.of('tool.call')).toHaveLength(1);
    expect(server.text).toBe('');
    audit.flushNow();
    expect(server.messages).toMatchObject([sent(1), { method: 'notifications/x' }]);
    server.say(answer(1));
    expect(audit.of('tool.result')).toHaveLength(1);
    expect(host.text).toBe('');
    audit.flushNow();
    expect(host.messages).toMatchObject([answer(1)]);
  });

  test('what comes later goes later, whether it is recorded or not', () => {
    const { host, server, audit } = durable();
    host.say(call(1));
    host.say({ method: 'notifications/x' });
    host.say(call(2));
    server.say({ method: 'notifications/y' });
    expect([server.text, host.text]).toEqual(['', '']);
    audit.flushNow();
    expect(server.messages.map(({ method }) => method)).toEqual([
      'tools/call',
      'notifications/x',
      'tools/call',
    ]);
    expect(host.messages).toMatchObject([{ method: 'notifications/y' }]);
    server.say({ method: 'notifications/z' });
    expect(host.messages).toHaveLength(2);
  });

  test('a call whose record does not reach the disk is not made, and its host is told; others are', () => {
    const { host, server, audit } = durable();
    host.say(call(1), { method: 'notifications/x' });
    audit.flushNow(new Error('EIO'));
    expect(server.messages).toMatchObject([{ method: 'notifications/x' }]);
    expect(host.messages).toMatchObject([{ id: 1, error: {} }]);
    expect(host.text).toContain('audit log');
    host.say(call(2));
    audit.flushNow();
    expect(server.messages.at(-1)).toMatchObject(sent(2));
  });

  test('an answer whose record does not reach the disk does not go on', () => {
    const { host, server, audit } = durable();
    host.say(call(1), call(2));
    audit.flushNow();
    const [first, second] = server.messages;
    server.say(answer(first?.id, 'one'));
    audit.flushNow(new Error('EIO'));
    server.say(answer(second?.id, 'two'));
    audit.flushNow();
    expect(host.text).not.toContain('one');
    expect(host.messages).toMatchObject([{ id: 1, error: {} }, answer(2, 'two')]);
  });

  test('a call that is taken back meanwhile has one end', () => {
    const { host, server, audit } = durable();
    host.say(call(1));
    host.say({ method: 'notifications/cancelled', params: { requestId: 1 } });
    audit.flushNow(new Error('EIO'));
    expect(server.text).not.toContain('tools/call');
    expect(host.messages).toEqual([]);
    expect(audit.of('tool.result')).toHaveLength(1);
  });

  test('what waits goes before the session ends, and before the end of the input', async () => {
    const { host, server, audit, session } = durable();
    host.say(call(1));
    host.end();
    expect(server.text).toBe('');
    audit.flushNow();
    expect(server.messages).toMatchObject([sent(1)]);
    server.say(answer(1));
    server.exit(0);
    await settled();
    expect(host.messages).toMatchObject([answer(1)]);
    await session.done;
    expect(audit.of('session.close')).toHaveLength(1);
  });

  test('a session that is stopped waits for no other', async () => {
    const { host, server, audit, session } = durable();
    host.say(call(1));
    const ended = session.stop();
    expect(server.messages).toMatchObject([sent(1)]);
    expect(server.closed).toBe(true);
    server.exit(0);
    await ended;
    expect(audit.of('tool.result')).toMatchObject([{ outcome: 'lost' }]);
  });

  test('a session that is alone waits for nobody', () => {
    const { host, server, audit } = join({ auditSettings });
    audit.isDurable = false;
    host.say(call(1));
    expect(server.messages).toMatchObject([sent(1)]);
  });

  test('a disk that takes nothing stops the reading', async () => {
    const { host, server, audit } = durable();
    const text = 'x'.repeat(60_000);
    for (let id = 0; id < 40 && !host.paused; id++) {
      host.say(call(id, 'echo', { text }));
      await settled();
    }
    expect(host.paused).toBe(true);
    expect(server.text).toBe('');
    audit.flushNow();
    expect(host.paused).toBe(false);
    expect(server.messages.length).toBeGreaterThan(10);
  });
});
