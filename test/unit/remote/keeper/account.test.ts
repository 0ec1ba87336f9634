// One account against a server with strict rotation: each step of a refresh fails, or is a daemon's last.
import { afterEach, describe, expect, test } from 'vitest';
import { WarderError } from '../../../../src/errors.ts';
import type { AccountRecord } from '../../../../src/remote/keeper/account-record.ts';
import {
  Daemon,
  FIT,
  GOING_ON,
  ModelServer,
  ModelStore,
  NOW,
  type Step,
  signedIn,
  Time,
} from '../../../fixtures/remote/keeper-model.ts';

const LOCKED = new WarderError('keychain-locked', 'the keychain is locked');
const opened: Daemon[] = [];
afterEach(async () => {
  for (const { account, isDead } of opened.splice(0)) if (!isDead) await account[Symbol.asyncDispose]();
});

function model() {
  const time = new Time();
  const server = new ModelServer(time);
  const store = new ModelStore();
  store.put({ ...signedIn(server), serial: 1 });
  const daemon = (step: Step = NOW): Daemon => {
    const made = new Daemon({ server, store, time, step });
    opened.push(made);
    return made;
  };
  return { time, server, store, daemon };
}

const current = async ({ account }: Daemon): Promise<string | undefined> =>
  (await account.current(GOING_ON))?.tokens?.accessToken;
const refresh = ({ tokens }: Pick<AccountRecord, 'tokens'>): string => tokens?.refreshToken ?? '';

describe('a refresh', () => {
  test('is ahead of the end of the token, and its tokens are stored before they are used', async () => {
    const { time, server, store, daemon } = model();
    const one = daemon();
    const first = await current(one);
    time.pass(239_000);
    expect(await current(one)).toBe(first);
    time.pass(2000);
    const second = await current(one);
    expect(second).not.toBe(first);
    expect(store.record?.tokens?.accessToken).toBe(second);
    expect(store.history.at(-1)).toMatchObject({ sent: undefined, serial: 3 });
    expect(server.exchanges).toBe(1);
    expect(one.records).toEqual([{ outcome: 'stored' }]);
  });

  test('W-AUTH-30 is one for all who need it at once', async () => {
    const { time, server, daemon } = model();
    const [one, two] = [daemon(), daemon()];
    time.pass(301_000);
    const got = await Promise.all([one, two, one, two, one, one, two].map(current));
    expect(new Set(got).size).toBe(1);
    expect([server.exchanges, server.most, server.replays]).toEqual([1, 1, 0]);
  });

  test('tokens of one second are renewed each time that they are over, and never in between', async () => {
    const { time, server, daemon } = model();
    server.life = 1;
    const one = daemon();
    time.pass(301_000);
    const first = await current(one);
    time.pass(790);
    expect(await current(one)).toBe(first);
    time.pass(20);
    expect(await current(one)).not.toBe(first);
    expect(server.exchanges).toBe(2);
  });

  test('a token that lives no second is sent once it came, and none is asked for in a circle', async () => {
    const { time, server, daemon } = model();
    server.life = 0;
    const one = daemon();
    time.pass(301_000);
    expect(await current(one)).toBeDefined();
    expect(server.exchanges).toBe(1);
  });

  test('follows what another daemon has stored, and sends no old token', async () => {
    const { time, server, daemon } = model();
    const [one, two] = [daemon(), daemon()];
    await Promise.all([one, two].map(current));
    time.pass(301_000);
    const next = await current(one);
    expect(await current(two)).toBe(next);
    expect(server.exchanges).toBe(1);
  });
});

describe('a refused token', () => {
  test('W-AUTH-31 is refreshed once; what is refused anew is not sent again', async () => {
    const { server, daemon } = model();
    const one = daemon();
    const first = (await current(one)) ?? '';
    server.expire();
    expect(await one.account.refused(first, GOING_ON)).toBe(true);
    const second = (await current(one)) ?? '';
    expect(second).not.toBe(first);
    one.account.rejectNew(second);
    expect(one.account.isSignedIn).toBe(false);
    expect(await current(one)).toBeUndefined();
    // The refresh token stays: another start may find the server in a better mood.
    expect(await current(daemon())).toBe(second);
    expect(server.exchanges).toBe(1);
  });

  test('is not refreshed where another session did so meanwhile', async () => {
    const { server, daemon } = model();
    const [one, two] = [daemon(), daemon()];
    const first = (await current(one)) ?? '';
    await current(two);
    server.expire();
    expect(await Promise.all([one, two, one].map(({ account }) => account.refused(first, GOING_ON)))).toEqual(
      [true, true, true],
    );
    expect(server.exchanges).toBe(1);
    expect(await one.account.refused('access-1-0-0-0', GOING_ON)).toBe(true);
    expect(server.exchanges).toBe(1);
  });

  test('without a refresh token a person has to sign in', async () => {
    const { store, server, daemon } = model();
    const { tokens, ...rest } = signedIn(server);
    store.put({ ...rest, tokens: tokens && { ...tokens, refreshToken: undefined }, serial: 2 });
    const one = daemon();
    const only = (await current(one)) ?? '';
    expect(await one.account.refused(only, GOING_ON)).toBe(false);
    expect(await current(one)).toBeUndefined();
  });
});

describe('an answer of the authorization server', () => {
  test('W-AUTH-32 invalid_grant ends the account where the store still has the token that failed', async () => {
    const { time, server, store, daemon } = model();
    server.refusal = 'invalid_grant';
    const one = daemon();
    time.pass(301_000);
    expect(await current(one)).toBeUndefined();
    expect(store.history.at(-1)).toMatchObject({ ended: 'refused', tokens: undefined, sent: undefined });
    expect(store.record?.trust.issuer).toBe('https://auth.example.com');
    // No circle.
    expect(await current(one)).toBeUndefined();
    expect(server.exchanges).toBe(1);
  });

  test('W-AUTH-32 invalid_grant ends nothing where somebody has stored other tokens', async () => {
    const { time, server, store, daemon } = model();
    const one = daemon(async (what) => {
      // A person signs in while the refresh is under way, past the lock.
      if (what === 'request') store.put({ ...signedIn(server), serial: 9 });
    });
    server.refusal = 'invalid_grant';
    time.pass(301_000);
    const got = await current(one);
    expect(got).toBe(store.record?.tokens?.accessToken);
    expect(store.history.at(-1)).toMatchObject({ serial: 9, ended: undefined });
  });

  test('an access token that has not ended is used to its end', async () => {
    const { time, server, store, daemon } = model();
    server.refusal = 'invalid_grant';
    const one = daemon();
    const first = await current(one);
    time.pass(250_000);
    expect(await current(one)).toBe(first);
    expect(store.history.at(-1)).toMatchObject({ ended: 'refused', tokens: { refreshToken: undefined } });
    time.pass(51_000);
    expect(await current(one)).toBeUndefined();
    expect(server.exchanges).toBe(1);
  });

  test('invalid_client ends the account and forgets the client', async () => {
    const { time, server, store, daemon } = model();
    server.refusal = 'invalid_client';
    time.pass(301_000);
    expect(await current(daemon())).toBeUndefined();
    expect(store.history.at(-1)).toMatchObject({ ended: 'client', tokens: undefined });
    expect(store.removedClients).toBe(1);
  });

  test.each(['request', 'answer', 'busy'] as const)('a fault (%s) costs no token', async (fault) => {
    const { time, server, store, daemon } = model();
    const one = daemon();
    const first = await current(one);
    server.faults.push(fault);
    time.pass(250_000);
    // It is ahead of its end.
    expect(await current(one)).toBe(first);
    expect(refresh(store.record!)).toBe(refresh(store.history[0]!));
    // Not at once again.
    expect(await current(one)).toBe(first);
    expect(server.exchanges).toBe(1);
    time.pass(1001);
    const next = await current(one);
    if (fault === 'answer') {
      // The answer is lost for good, and the server ends the family: the token that it has given is nobody's.
      expect(store.history.at(-1)).toMatchObject({ ended: 'interrupted' });
      expect(server.replays).toBe(1);
    } else expect(next).not.toBe(first);
  });

  test('a server that is not reached is asked less and less often, and the error says so meanwhile', async () => {
    const { time, server, daemon } = model();
    const one = daemon();
    server.faults.push(...Array(20).fill('request'));
    time.pass(301_000);
    for (let second = 0; second < 64; second++) {
      await expect(current(one)).rejects.toMatchObject({ code: 'remote-unreachable' });
      time.pass(1000);
    }
    expect(server.exchanges).toBe(7);
  });
});

describe('a kill', () => {
  const STEPS = ['read', 'lock', 'write', 'written', 'request', 'answer'];

  test.each(STEPS)(
    'W-AUTH-33 in the step "%s" leaves an account that is whole, or says what to do',
    async (where) => {
      const { time, server, store, daemon } = model();
      time.pass(301_000);
      let count = 0;
      const victim: Daemon = daemon(async (what) => {
        if (what === where && ++count === 1) victim.kill();
      });
      void current(victim);
      await expect.poll(() => victim.isDead).toBe(true);
      const next = daemon();
      const got = await current(next);
      // Only what the server has answered, and nobody has stored, is lost.
      if (where === 'answer') {
        expect(got).toBeUndefined();
        expect(store.history.at(-1)).toMatchObject({ ended: 'interrupted', tokens: undefined });
        const { exchanges } = server;
        await current(next);
        expect(server.exchanges).toBe(exchanges);
      } else {
        expect(server.takes(got ?? '')).toBe(true);
        expect(server.replays).toBe(0);
      }
    },
  );

  test('W-AUTH-33 after the new tokens were stored costs nothing', async () => {
    const { time, server, store, daemon } = model();
    time.pass(301_000);
    let count = 0;
    const victim: Daemon = daemon(async (what) => {
      if (what === 'written' && ++count === 2) victim.kill();
    });
    void current(victim);
    await expect.poll(() => victim.isDead).toBe(true);
    expect(await current(daemon())).toBe(store.record?.tokens?.accessToken);
    expect([server.exchanges, server.replays]).toEqual([1, 0]);
  });
});

describe('the store', () => {
  test('W-AUTH-34 refuses the mark: no refresh is sent', async () => {
    const { time, server, store, daemon } = model();
    time.pass(301_000);
    store.faults.push({ on: 'write', error: LOCKED });
    const one = daemon();
    await expect(current(one)).rejects.toBe(LOCKED);
    expect(server.exchanges).toBe(0);
    expect(server.takes((await current(one)) ?? '')).toBe(true);
  });

  test('W-AUTH-34 refuses the new tokens: nobody uses them until they are stored, and no other daemon refreshes', async () => {
    const { time, server, store, daemon } = model();
    time.pass(301_000);
    const one = daemon(async (what) => {
      if (what === 'answer')
        store.faults.push({ on: 'write', error: LOCKED }, { on: 'write', error: LOCKED });
    });
    await expect(current(one)).rejects.toBe(LOCKED);
    const waiting = current(daemon());
    await expect(current(one)).rejects.toBe(LOCKED);
    expect(server.exchanges).toBe(1);
    const got = await current(one);
    expect(store.record?.tokens?.accessToken).toBe(got);
    expect(await waiting).toBe(got);
    expect([server.exchanges, server.replays]).toEqual([1, 0]);
    expect(one.records.map(({ outcome }) => outcome)).toEqual(['kept', 'stored']);
  });

  test('cannot be read: an error that is its own, and nothing ends', async () => {
    const { store, daemon } = model();
    const one = daemon();
    store.faults.push({ on: 'read', error: LOCKED });
    await expect(current(one)).rejects.toBe(LOCKED);
    expect(await current(one)).toBeDefined();
  });

  test('has a record of another server, or of another client: it is as if there was none', async () => {
    const { store, server, daemon } = model();
    store.put({ ...signedIn(server), configuration: 'another', serial: 7 });
    const one = daemon();
    expect(await current(one)).toBeUndefined();
    const { serial } = await one.account.replace(() => signedIn(server));
    expect(serial).toBe(8);
    expect(store.history.at(-1)).toMatchObject(FIT);
  });

  test('has a damaged record: that is said, and a sign-in replaces it', async () => {
    const { store, server, daemon } = model();
    store.bytes = Buffer.from('{"format":1}');
    const one = daemon();
    await expect(current(one)).rejects.toMatchObject({ code: 'credential-unfit' });
    await one.account.replace(() => signedIn(server));
    expect(await current(one)).toBeDefined();
  });

  test('W-AUTH-35 has tokens of another issuer than their metadata is of: they are refused', async () => {
    const { store, daemon } = model();
    const record = store.record!;
    store.put({ ...record, tokens: { ...record.tokens!, issuer: 'https://evil.example' } });
    await expect(current(daemon())).rejects.toMatchObject({ code: 'credential-unfit' });
  });
});

describe('the lock', () => {
  test('was removed before the refresh was sent: nothing is sent', async () => {
    const { time, server, store, daemon } = model();
    time.pass(301_000);
    const one = daemon(async (what) => {
      if (what === 'written') store.loseLock();
    });
    await expect(current(one)).rejects.toMatchObject({ code: 'sign-in-failed' });
    expect(server.exchanges).toBe(0);
  });

  test('W-AUTH-34 was removed during it, and a person signed in: what they have stays', async () => {
    const { time, server, store, daemon } = model();
    time.pass(301_000);
    const one = daemon(async (what) => {
      if (what !== 'answer') return;
      store.loseLock();
      await daemon().account.replace(() => signedIn(server));
    });
    const got = await current(one);
    expect(got).toBe(store.record?.tokens?.accessToken);
    expect(got).toMatch(/^access-2-/);
    expect(one.records).toEqual([{ outcome: 'superseded' }]);
  });
});

describe('the clock', () => {
  test('was set back: time that has passed counts, and so does a token from the future', async () => {
    const { time, server, daemon } = model();
    const one = daemon();
    time.pass(301_000);
    const first = await current(one);
    time.wall -= 86_400_000;
    expect(await current(one)).toBe(first);
    time.steady += 250_000;
    expect(await current(one)).not.toBe(first);
    // A daemon that finds a token that came tomorrow asks for another.
    time.wall -= 86_400_000;
    const before = server.exchanges;
    await current(daemon());
    expect(server.exchanges).toBe(before + 1);
  });

  test('jumps forward: one refresh, and no more', async () => {
    const { time, server, daemon } = model();
    const one = daemon();
    await current(one);
    time.wall += 86_400_000;
    await current(one);
    await current(one);
    expect(server.exchanges).toBe(1);
  });
});

describe('signing out', () => {
  test('forgets the tokens and keeps what was agreed; everything: nothing is left', async () => {
    const { store, daemon } = model();
    const one = daemon();
    const had = await one.account.forget(false);
    expect(had?.tokens).toBeDefined();
    expect(store.history.at(-1)).toMatchObject({ ended: 'signed-out', tokens: undefined, serial: 2 });
    expect(await current(one)).toBeUndefined();
    await one.account.forget(true);
    expect(store.bytes).toBeUndefined();
  });

  test('another daemon sees it when it looks', async () => {
    const { server, daemon } = model();
    const [one, two] = [daemon(), daemon()];
    await current(two);
    await one.account.forget(false);
    await two.account.reload();
    expect(await current(two)).toBeUndefined();
    await one.account.replace(() => signedIn(server));
    await two.account.reload();
    expect(await current(two)).toMatch(/^access-2-/);
  });
});

test('who gives up waiting leaves the refresh to the others', async () => {
  const { time, server, daemon } = model();
  time.pass(301_000);
  const gate = Promise.withResolvers<void>();
  let isAsking = false;
  const one = daemon(async (what) => {
    if (what !== 'request') return;
    isAsking = true;
    await gate.promise;
  });
  const leaving = new AbortController();
  const left = one.account.current(leaving.signal);
  const stays = current(one);
  await expect.poll(() => isAsking).toBe(true);
  leaving.abort(new Error('cancelled'));
  await expect(left).rejects.toThrow('cancelled');
  gate.resolve();
  expect(server.takes((await stays) ?? '')).toBe(true);
  expect(server.exchanges).toBe(1);
});
