import { expect, test } from 'vitest';
import { readMember } from '../../../../src/json/read.ts';
import { BUDGETS } from '../../../../src/relay/budgets.ts';
import type { Work } from '../../../../src/relay/flow/slices.ts';
import { LIST_SHAPES } from '../../../../src/relay/listed-kinds.ts';
import { ServerList, type ServerListOptions } from '../../../../src/relay/lists/server-list.ts';

const SHAPE = LIST_SHAPES.find(({ kind }) => kind === 'tools') as (typeof LIST_SHAPES)[number];
const NONE: ReadonlyMap<string, string> = new Map();

/** A session whose servers list one tool, by their names. */
function session() {
  const asked: string[] = [];
  const current = { upstream: 'old' };
  const result = (name: string): Buffer =>
    Buffer.from(JSON.stringify({ tools: [{ name, inputSchema: { type: 'object' } }] }));
  const options = {
    budgets: BUDGETS,
    current,
    replay: { isOpened: true, meta: undefined },
    ownRequests: {
      ask: async (upstream: string) => {
        asked.push(upstream);
        const bytes = result(upstream);
        return { result: bytes, find: (name: 'nextCursor') => readMember(bytes, 0, bytes.length, name) };
      },
    },
    trust: { listed: () => NONE, held: () => undefined, blocked: undefined },
    book: undefined,
    run: <Result>(work: Work<Result>, then: (result: Result) => void): void => {
      for (;;) {
        const { done, value } = work.next();
        if (done !== true) continue;
        then(value);
        return;
      }
    },
    onFault: (error: unknown) => {
      throw error;
    },
  };
  return { list: new ServerList(SHAPE, options as unknown as ServerListOptions), asked, current };
}

test('W-LAZY-2 a new server is asked what it lists, at whatever moment of a listing it comes', async () => {
  for (let moment = 0; moment < 20; moment++) {
    const { list, asked, current } = session();
    const first = list.list();
    for (let turn = 0; turn < moment; turn++) await Promise.resolve();
    current.upstream = 'new';
    await list.replace();
    await first;
    expect(asked.at(-1), `${moment} turns later`).toBe('new');
    expect([list.has('new'), list.has('old'), list.isComplete, list.fault]).toEqual([
      true,
      false,
      true,
      undefined,
    ]);
  }
});
