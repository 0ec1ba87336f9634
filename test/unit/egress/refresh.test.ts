import { randomBytes } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, expect, test, vi } from 'vitest';
import type { Replaced } from '../../../src/credential/credentials.ts';
import { type SealedCredential, SealedCredentials } from '../../../src/credential/sealed.ts';
import { BUDGETS } from '../../../src/egress/budgets.ts';
import { RefreshTurns } from '../../../src/egress/refresh.ts';
import { WarderError } from '../../../src/errors.ts';
import { silentLog } from '../../fixtures/gate.ts';

afterEach(() => void vi.useRealTimers());

/** The store, and the turns of a daemon. */
function daemon() {
  const store = { value: 'rt-first-0123456789', version: 1, fault: undefined as WarderError | undefined };
  const opened: (() => void)[] = [];
  const turns = new RefreshTurns({
    credentials: {
      replace: async (_name, _from, expected, value): Promise<Replaced> => {
        if (store.fault !== undefined) throw store.fault;
        if (store.value !== expected)
          return { version: undefined, superseded: true, reason: 'another value was set meanwhile' };
        store.value = value;
        return { version: `v${++store.version}` };
      },
      onOpened: (listener) => {
        opened.push(listener);
        return { [Symbol.dispose]: () => {} };
      },
    },
    log: silentLog,
  });
  /** The credential of a session that starts now. */
  const session = (value = store.value): SealedCredentials =>
    new SealedCredentials(
      [
        {
          ...{ variable: 'REFRESH_TOKEN', from: 'store', name: 'a/REFRESH_TOKEN', deliver: 'sealed' },
          ...{ hosts: ['login.test'], as: undefined, paths: undefined, methods: undefined, confirm: false },
          ...{
            lifetime: undefined,
            maxUses: undefined,
            issues: undefined,
            value,
            version: `v${store.version}`,
          },
        },
      ],
      { random: randomBytes, start: 0, uses: new Map(), matches: () => true },
    );
  return { store, turns, session, open: () => opened.forEach((listener) => void listener()) };
}

const first = (sealed: SealedCredentials): SealedCredential => sealed.all[0]!;

test('[W-SEAL-10] a value that was exchanged is stored, and keeps its placeholder; the old one is still searched for', async () => {
  const { store, turns, session } = daemon();
  const credential = first(session());
  const { placeholder } = credential;
  using mine = await turns.begin(credential);
  expect(await mine?.exchange('rt-second-0123456789')).toEqual({ outcome: 'stored' });
  expect(store.value).toBe('rt-second-0123456789');
  expect(credential).toMatchObject({ value: 'rt-second-0123456789', version: 'v2', placeholder });
  expect(credential.secrets.map(({ value }) => value)).toEqual([
    'rt-second-0123456789',
    'rt-first-0123456789',
  ]);
});

test('[W-SEAL-10] two sessions do not exchange the same value: the second waits, and has the new one', async () => {
  const { turns, session } = daemon();
  const [one, other] = [first(session()), first(session())];
  const mine = await turns.begin(one);
  let isTheirs = false;
  const theirs = turns.begin(other).then((turn) => {
    isTheirs = true;
    return turn;
  });
  await turn();
  expect(isTheirs).toBe(false);
  await mine?.exchange('rt-second-0123456789');
  mine?.[Symbol.dispose]();
  const next = await theirs;
  expect(other.value).toBe('rt-second-0123456789');
  await next?.exchange('rt-third-0123456789');
  next?.[Symbol.dispose]();
  using last = await turns.begin(one);
  expect(last?.credential.value).toBe('rt-third-0123456789');
});

test('[W-SEAL-10] a turn that takes too long is given up, and the one after it still comes', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const { turns, session } = daemon();
  const [one, other, third] = [first(session()), first(session()), first(session())];
  const mine = await turns.begin(one);
  const theirs = turns.begin(other);
  await vi.advanceTimersByTimeAsync(BUDGETS.refresh + 1);
  vi.useRealTimers();
  expect(await theirs).toBe(undefined);
  mine?.[Symbol.dispose]();
  expect(await turns.begin(third)).toBeDefined();
});

test('[W-SEAL-10] what could not be stored is kept for open and new sessions, and stored when the store opens', async () => {
  const { store, turns, session, open } = daemon();
  store.fault = new WarderError('vault-locked', 'the vault is locked');
  const one = first(session());
  for (const value of ['rt-second-0123456789', 'rt-third-0123456789']) {
    using mine = await turns.begin(one);
    expect(await mine?.exchange(value)).toEqual({ outcome: 'kept', reason: 'vault-locked' });
  }
  expect(one.value).toBe('rt-third-0123456789');
  const next = first(session());
  expect(next.value).toBe('rt-first-0123456789');
  turns.bringUpToDate(next);
  expect(next.value).toBe('rt-third-0123456789');
  store.fault = undefined;
  open();
  await turn();
  expect(store.value).toBe('rt-third-0123456789');
});

test('[W-SEAL-10] a value that somebody set meanwhile is not overwritten', async () => {
  const { store, turns, session } = daemon();
  const one = first(session());
  store.value = 'rt-of-a-person-0123456789';
  using mine = await turns.begin(one);
  expect(await mine?.exchange('rt-second-0123456789')).toMatchObject({ outcome: 'superseded' });
  expect(store.value).toBe('rt-of-a-person-0123456789');
  const next = first(session());
  turns.bringUpToDate(next);
  expect(next.value).toBe('rt-of-a-person-0123456789');
});

test('[W-SEAL-10] a token that the session got itself is exchanged in memory', async () => {
  const { store, turns, session } = daemon();
  const sealed = session();
  const placeholder = sealed.seal('rt-of-this-session-0123', first(sealed)) ?? '';
  const token = sealed.byPlaceholder(placeholder)!;
  using mine = await turns.begin(token);
  await mine?.exchange('rt-next-of-this-session');
  expect(token).toMatchObject({ value: 'rt-next-of-this-session', placeholder });
  expect(store.value).toBe('rt-first-0123456789');
});
