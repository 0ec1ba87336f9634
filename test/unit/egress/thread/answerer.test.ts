import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type Exchangeable, RefreshTurns } from '../../../../src/egress/refresh.ts';
import { Answerer, type Answering } from '../../../../src/egress/thread/answerer.ts';
import {
  conceal,
  type ExchangingCredential,
  type Outcome,
  type QuestionAnswers,
  revealOne,
} from '../../../../src/egress/thread/protocol.ts';
import { FakeConfirmations, NO, YES } from '../../../fixtures/confirmations.ts';
import { silentLog } from '../../../fixtures/gate.ts';

const USE = { credential: 'a/TOKEN', host: 'api.test', port: 443, method: 'POST', path: '/' };

function answering() {
  const outcomes = new Map<number, Outcome<unknown>>();
  const confirmations = new FakeConfirmations();
  const stored: string[] = [];
  const refreshes = new RefreshTurns({
    credentials: {
      replace: async (_name, _from, _expected, value) => {
        stored.push(value);
        return { version: `v${stored.length + 1}` };
      },
      onOpened: () => ({ [Symbol.dispose]: () => {} }),
    },
    log: silentLog,
  });
  const parts: Answering = { confirmations, refreshes, admission: () => Promise.resolve() };
  const answerer = new Answerer((call, outcome) => void outcomes.set(call, outcome));
  return { answerer, parts, outcomes, confirmations, stored, refreshes };
}

function credential(value = 'rt-first-0123456789'): ExchangingCredential {
  return { name: 'a/TOKEN', source: 'store', version: 'v1', value: conceal([value]) };
}

/** A stand-in for a request of the main thread. */
function other(): Exchangeable {
  const nothing = (): void => {};
  return {
    name: 'a/TOKEN',
    source: 'store',
    derived: false,
    value: 'rt-first-0123456789',
    version: 'v1',
    update: nothing,
    exchange: nothing,
  };
}

test('an admission that fails crosses as its error', async () => {
  const { answerer, parts, outcomes } = answering();
  const fault = new Error('the session is over');
  answerer.answer(1, { ask: 'admission' }, { ...parts, admission: () => Promise.reject(fault) });
  answerer.answer(2, { ask: 'admission' }, parts);
  await turn();
  expect(outcomes.get(1)).toMatchObject({ ok: false, error: { message: fault.message } });
  expect(outcomes.get(2)).toEqual({ ok: true, value: undefined });
});

test('a question to a person is answered once, or withdrawn with all others when the thread ends [W-EGR-19]', async () => {
  const { answerer, parts, outcomes, confirmations } = answering();
  answerer.answer(1, { ask: 'confirmation', use: USE }, parts);
  await confirmations.answer(YES);
  await turn();
  expect(outcomes.get(1)).toEqual({ ok: true, value: YES });
  answerer.answer(2, { ask: 'confirmation', use: USE }, parts);
  answerer.answer(3, { ask: 'confirmation', use: USE }, parts);
  answerer.withdraw(2);
  expect(confirmations.withdrawn).toHaveLength(1);
  answerer.withdrawAll();
  expect(confirmations.withdrawn).toHaveLength(2);
  await turn();
  expect(outcomes.get(3)).toMatchObject({ ok: true, value: { decision: NO.decision } });
});

test('a turn is given, its value stored and brought back, and it ends when the thread says so [W-SEAL-10]', async () => {
  const { answerer, parts, outcomes, stored, refreshes } = answering();
  answerer.answer(1, { ask: 'refresh', credential: credential() }, parts);
  await expect.poll(() => outcomes.get(1)?.ok).toBe(true);
  answerer.answer(2, { ask: 'exchange', turn: 1, value: conceal(['rt-second-0123456789']) }, parts);
  await expect.poll(() => outcomes.get(2)?.ok).toBe(true);
  expect(stored).toEqual(['rt-second-0123456789']);
  const { value } = outcomes.get(2) as { readonly value: QuestionAnswers['exchange'] };
  expect(value.outcome).toEqual({ outcome: 'stored' });
  expect([revealOne(value.current.value), value.current.version]).toEqual(['rt-second-0123456789', 'v2']);
  const next = refreshes.begin(other());
  answerer.withdraw(1);
  expect((await next)?.credential.name).toBe('a/TOKEN');
  // It is over: it exchanges nothing more.
  answerer.answer(3, { ask: 'exchange', turn: 1, value: conceal(['rt-third-0123456789']) }, parts);
  await expect.poll(() => outcomes.get(3)?.ok).toBe(false);
  expect(stored).toHaveLength(1);
});

test('a thread that ends leaves no turn behind, whether it was given or waited for [W-EGR-19]', async () => {
  const { answerer, parts, outcomes, refreshes } = answering();
  answerer.answer(1, { ask: 'refresh', credential: credential() }, parts);
  await expect.poll(() => outcomes.get(1)?.ok).toBe(true);
  answerer.answer(2, { ask: 'refresh', credential: credential() }, parts);
  answerer.withdrawAll();
  const next = await refreshes.begin(other());
  expect(next).toBeDefined();
  next?.[Symbol.dispose]();
  expect(outcomes.get(2)).toMatchObject({ ok: true, value: undefined });
});
