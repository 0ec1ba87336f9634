// A session whose server's side is no process: its own tool, what is done before it is listed, what it says of itself later.
import { describe, expect, test } from 'vitest';
import { answer, call, type Joined, join, settled } from '../../fixtures/ends.ts';
import { policyOf } from '../../fixtures/policy.ts';
import { RemoteEnd } from '../../fixtures/remote-end.ts';
import { FakeTrust } from '../../fixtures/trust.ts';

const SIGN_IN = 'warder_sign_in';
const OPENED = {
  protocolVersion: '2025-11-25',
  capabilities: { tools: {} },
  serverInfo: { name: 's', version: '1' },
};

interface Remote extends Joined {
  readonly end: RemoteEnd;
  readonly trust: FakeTrust;
}

/** A session that was opened, whose server offers a tool of Warder's own. */
function opened({ ownTool, ...options }: { ownTool?: string } & Parameters<typeof policyOf>[0] = {}): Remote {
  const end = new RemoteEnd();
  end.ownTool = ownTool;
  const trust = new FakeTrust({ tools: [{ name: 'read' }, { name: 'echo' }] });
  const joined = join({ server: end, trust, policy: policyOf(options) });
  joined.host.say({ id: 'i', method: 'initialize', params: { capabilities: {} } });
  end.far.say({ id: end.far.nth(1), result: OPENED });
  joined.host.writes.length = 0;
  end.far.writes.length = 0;
  return { ...joined, end, trust };
}

const results = ({ host }: Joined): unknown[] => host.messages.map(({ result, error }) => result ?? error);

describe('W-REM-44 a tool of Warder’s own', () => {
  test.each(['deny', 'ask'] as const)(
    'is listed and called under a policy that says %s',
    async (decision) => {
      const session = opened({ ownTool: SIGN_IN, default: decision });
      const { host, end, audit } = session;
      host.say({ id: 1, method: 'tools/list' });
      end.far.say({ id: end.far.nth(1), result: { tools: [{ name: SIGN_IN }, { name: 'read' }] } });
      await settled();
      const names = (results(session)[0] as { tools: { name: string }[] }).tools.map(({ name }) => name);
      expect(names).toEqual(decision === 'deny' ? [SIGN_IN] : [SIGN_IN, 'read']);
      host.say(call(2, SIGN_IN), call(3, 'read'));
      await settled();
      expect(end.far.messages.filter(({ method }) => method === 'tools/call')).toHaveLength(1);
      expect(audit.of('tool.call')).toMatchObject([
        { tool: SIGN_IN, decision: 'allow', rule: 'own' },
        { tool: 'read', decision: 'deny' },
      ]);
    },
  );

  test('is no part of what the server lists: no record of it has it', async () => {
    const { host, end, trust } = opened({ ownTool: SIGN_IN, default: 'allow' });
    host.say({ id: 1, method: 'tools/list' });
    end.far.say({ id: end.far.nth(1), result: { tools: [{ name: SIGN_IN }, { name: 'read' }] } });
    await settled();
    expect(trust.pages.map(({ names }) => names)).toEqual([['read']]);
  });

  test('is judged like any other once the server itself lists one of the name', async () => {
    const session = opened({ default: 'deny' });
    const { host, end, trust } = session;
    host.say({ id: 1, method: 'tools/list' });
    end.far.say({ id: end.far.nth(1), result: { tools: [{ name: SIGN_IN }] } });
    await settled();
    expect(results(session)).toEqual([{ tools: [] }]);
    expect(trust.pages.map(({ names }) => names)).toEqual([[SIGN_IN]]);
    host.say(call(2, SIGN_IN));
    await settled();
    expect(end.far.messages.some(({ method }) => method === 'tools/call')).toBe(false);
  });
});

describe('before the first use of a server is asked about', () => {
  test('it is prepared, for which a person may have to sign in; then it is listed', async () => {
    const session = opened({ default: 'allow' });
    const { host, end, trust } = session;
    trust.firstUse = 'baseline';
    const ready = Promise.withResolvers<string | undefined>();
    let waits: ((text: string) => void) | undefined;
    end.prepare = (tell) => {
      waits = tell;
      return ready.promise;
    };
    host.say({ ...call(1), params: { name: 'echo', arguments: { of: 1 }, _meta: { progressToken: 7 } } });
    await settled();
    expect(end.far.messages).toEqual([]);
    waits?.('waiting for the sign-in at id.example.com');
    ready.resolve(undefined);
    await settled();
    expect(end.far.messages.map(({ method }) => method)).toEqual(['tools/list']);
    end.far.say({ id: end.far.nth(1), result: { tools: [{ name: 'echo' }] } });
    await settled();
    expect(trust.asked).toHaveLength(1);
  });

  test('where that fails the request is refused with the reason, and the session stays open', async () => {
    const session = opened({ default: 'allow' });
    session.trust.firstUse = 'baseline';
    session.end.prepare = async () => 'nobody has signed in; run: warder login github';
    session.host.say(call(1));
    await settled();
    expect(JSON.stringify(results(session)[0])).toContain('run: warder login github');
    session.trust.firstUse = undefined;
    session.host.say(call(2));
    session.end.far.say(answer(session.end.far.idOf(2)));
    expect(session.host.messages.at(-1)).toMatchObject({ id: 2, result: {} });
  });

  test('the host’s cancellation ends the preparation', async () => {
    const session = opened({ default: 'allow' });
    session.trust.firstUse = 'baseline';
    let signal: AbortSignal | undefined;
    session.end.prepare = (_, given) => {
      signal = given;
      return new Promise(() => {});
    };
    session.host.say(call(1));
    await settled();
    session.host.say({ method: 'notifications/cancelled', params: { requestId: 1 } });
    await settled();
    expect(signal?.aborted).toBe(true);
  });
});

test('what a server says of itself to Warder alone is held to what was accepted, too', () => {
  const { end, trust } = opened();
  trust.said.length = 0;
  const said = { ...OPENED, instructions: 'Do this first' };
  end.tell((listener) => listener.introduced(Buffer.from(JSON.stringify(said))));
  expect(trust.said).toMatchObject([
    {
      instructions: 'Do this first',
      identity: { name: '"s"', version: '"1"', capabilities: '{"tools":{}}' },
    },
  ]);
  end.tell((listener) => listener.introduced(Buffer.from('{"instructions":"a","instructions":"b"}')));
  expect(trust.said).toHaveLength(1);
});
