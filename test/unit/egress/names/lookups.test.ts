import { describe, expect, test } from 'vitest';
import { BUDGETS } from '../../../../src/egress/budgets.ts';
import { Lookups } from '../../../../src/egress/names/lookups.ts';

/** Names that are asked for, and a way to answer them. */
function open() {
  const asked: string[] = [];
  const answers = new Map<string, PromiseWithResolvers<string[]>>();
  let now = 0;
  const clock = { now: () => now, monotonic: () => now };
  const lookups = new Lookups((name) => {
    asked.push(name);
    const answer = Promise.withResolvers<string[]>();
    answers.set(name, answer);
    return answer.promise;
  }, clock);
  const settle = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const pass = (ms: number): void => {
    now += ms;
  };
  return { lookups, asked, answers, settle, pass };
}

describe('[W-EGR-13]', () => {
  test('a name that is looked up already is not asked for again, and moves at once after that', async () => {
    const { lookups, asked, answers, settle } = open();
    const two = [lookups.resolve('a.test'), lookups.resolve('a.test')];
    await settle();
    expect(asked).toEqual(['a.test']);
    answers.get('a.test')?.resolve(['10.0.0.1']);
    expect(await Promise.all(two)).toEqual([['10.0.0.1'], ['10.0.0.1']]);
    await settle();
    const next = lookups.resolve('a.test');
    await settle();
    answers.get('a.test')?.resolve(['10.0.0.2']);
    expect(await next).toEqual(['10.0.0.2']);
  });

  test('so many at a time; the others wait in order, and beyond a bound they fail', async () => {
    const { lookups, asked, answers, settle } = open();
    const many = Array.from({ length: BUDGETS.waitingLookups }, (_, index) => `n${index}.test`);
    const results = many.map((name) => lookups.resolve(name).catch(() => []));
    await settle();
    expect(asked).toEqual(many.slice(0, BUDGETS.lookups));
    await expect(lookups.resolve('another.test')).rejects.toThrow('too many names are looked up');
    answers.get('n0.test')?.reject(new Error('silent'));
    await settle();
    expect(asked.at(-1)).toBe(many[BUDGETS.lookups]);
    for (let turn = 0; turn < many.length; turn++) {
      for (const answer of answers.values()) answer.resolve(['10.0.0.1']);
      await settle();
    }
    expect((await Promise.all(results)).length).toBe(many.length);
    expect(asked).toHaveLength(many.length);
  });

  test.each([
    ['that failed', (answer: PromiseWithResolvers<string[]>) => answer.reject(new Error('silent'))],
    ['without an address', (answer: PromiseWithResolvers<string[]>) => answer.resolve([])],
  ])('a look-up %s is remembered for a while', async (_name, end) => {
    const { lookups, asked, answers, settle, pass } = open();
    const first = lookups.resolve('a.test').catch(() => []);
    await settle();
    end(answers.get('a.test') as PromiseWithResolvers<string[]>);
    await first;
    await settle();
    pass(BUDGETS.failureMemory - 1);
    expect(await lookups.resolve('a.test').catch(() => [])).toEqual([]);
    expect(asked).toHaveLength(1);
    pass(1);
    void lookups.resolve('a.test').catch(() => {});
    await settle();
    expect(asked).toHaveLength(2);
    answers.get('a.test')?.resolve([]);
  });

  test('of failures only so many are remembered', async () => {
    const { lookups, asked, answers, settle } = open();
    for (let index = 0; index <= BUDGETS.rememberedFailures; index++) {
      const result = lookups.resolve(`n${index}.test`);
      await settle();
      answers.get(`n${index}.test`)?.resolve([]);
      await result;
      await settle();
    }
    const before = asked.length;
    await lookups.resolve('n1.test');
    expect(asked).toHaveLength(before);
    void lookups.resolve('n0.test');
    await settle();
    expect(asked).toHaveLength(before + 1);
  });
});
