import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { asking, initialize, pass } from '../../fixtures/asking.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test.each(['allow', 'deny'] as const)(
  'W-CONS-43 a pattern that what is asked about does not match answers nothing: %s',
  async (decision) => {
    const session = asking();
    const { service, host, server } = session;
    initialize(session);
    host.say({ id: 1, method: 'tools/call', params: { name: 'echo', arguments: {} } });
    await pass();
    const [{ id } = { id: '' }] = service.questions;
    const answer = { id, decision, scope: 'session', pin: undefined } as const;
    for (const pattern of ['get_*', 'ECHO', 'ech']) {
      await expect(service.answer({ ...answer, extent: { pattern } }, 'terminal')).rejects.toMatchObject({
        code: 'usage',
        message: expect.stringContaining('"echo"'),
      });
    }
    expect(service.questions).toHaveLength(1);
    expect(service.grants()).toEqual([]);
    await service.answer({ ...answer, extent: { pattern: 'ec*' } }, 'terminal');
    await pass();
    const sent = server.messages.filter(({ method }) => method === 'tools/call');
    expect(sent).toHaveLength(decision === 'allow' ? 1 : 0);
  },
);
