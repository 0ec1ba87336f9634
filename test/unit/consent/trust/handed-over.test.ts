// A daemon that has handed over, and the one that has taken over: what people accept and take back by the newer one holds for
// the sessions that the older one still has.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ConsentService } from '../../../../src/consent/service.ts';
import { AuthenticFiles } from '../../../../src/consent/store/authentic-files.ts';
import type { GrantSubject } from '../../../../src/consent/store/grants.ts';
import { type Held, MemoryBlobs, Trusting } from '../../../fixtures/trusting.ts';

const READ = { name: 'read', description: 'Reads.' };
const OTHER = { name: 'read', description: 'Reads, and writes.' };
const PIN = '2718';

/** A daemon with a session, whose server's tool was accepted, that has handed over; and its successor. */
async function handedOver(
  home: Trusting,
): Promise<{ old: ConsentService; session: Held; young: ConsentService }> {
  const old = home.service;
  await old.open();
  if (home.store === 'open') await old.setPin(PIN, undefined);
  const session = await home.open();
  session.listsAll([READ]);
  await session.trust.ask('1', undefined).outcome;
  expect(session.trust.firstUse).toBeUndefined();
  await old.retire();
  const young = home.daemon();
  await young.open();
  return { old, session, young };
}

/** A session of the newer daemon lists these tools, and a person accepts them. */
async function accepts(home: Trusting, tools: readonly object[]): Promise<void> {
  const session = await home.open();
  session.listsAll(tools);
  if (session.trust.firstUse !== undefined) {
    await session.trust.ask('1', undefined).outcome;
    return;
  }
  const { trust } = home.service;
  const { seen } = await trust.show('demo', false);
  await trust.accept('demo', { expected: seen?.pending ?? '', only: undefined, by: 'terminal', pin: PIN });
}

describe('W-WIRE-25 a session of a daemon that has handed over', () => {
  test('uses nothing any more of what was forgotten', async () => {
    using home = new Trusting();
    const { old, session, young } = await handedOver(home);
    expect(await young.trust.forget('demo', { isGone: false, pin: PIN })).toBe(true);
    await old.trust.reread('demo');
    expect(session.trust.firstUse).toBe('baseline');
  });

  test('has what was accepted, and is held to what was gone back to', async () => {
    using home = new Trusting();
    const { old, session, young } = await handedOver(home);
    expect(session.listsAll([OTHER])).toHaveProperty('read');
    let changes = 0;
    session.trust.onChange(() => changes++);
    await accepts(home, [OTHER]);
    await old.trust.reread('demo');
    expect(session.listsAll([OTHER])).toEqual({});
    expect(changes).toBe(1);
    await young.trust.undo('demo', PIN);
    await old.trust.reread('demo');
    expect(session.listsAll([OTHER])).toHaveProperty('read');
    expect(session.listsAll([READ])).toHaveProperty('read', expect.stringContaining('in this session'));
  });

  test('is blocked where an older record was put back before it was read again', async () => {
    using home = new Trusting();
    const { old, session, young } = await handedOver(home);
    await accepts(home, [OTHER]);
    const file = join(home.folder, 'trust/demo.json');
    const before = readFileSync(file);
    await young.trust.forget('demo', { isGone: false, pin: PIN });
    writeFileSync(file, before);
    await old.trust.reread('demo');
    expect(session.trust.blocked).toContain('an older version that was put back');
  });

  test('is blocked where nothing can say which record is the last', async () => {
    using home = new Trusting();
    const { old, session } = await handedOver(home);
    home.blobs.get = () => Promise.reject(new Error('the keychain is locked'));
    await expect(old.trust.reread('demo')).rejects.toThrow('the keychain is locked');
    expect(session.trust.blocked).toBeDefined();
    await expect(old.reread(false)).rejects.toThrow('the keychain is locked');
    expect(() => old.grants()).toThrow('nothing in it counts');
  });

  test('is at its first use where there is no store in which anything is kept', async () => {
    using home = new Trusting({ store: 'unset' });
    const { old, session, young } = await handedOver(home);
    expect(await young.trust.forget('demo', { isGone: false, pin: undefined })).toBe(false);
    await old.trust.reread('demo');
    expect(session.trust.firstUse).toBe('baseline');
  });

  test('goes on with what its own user accepts, which is not written over what the newer daemon has', async () => {
    using home = new Trusting();
    const { old, session, young } = await handedOver(home);
    await young.trust.forget('demo', { isGone: false, pin: PIN });
    await old.trust.reread('demo');
    session.listsAll([OTHER]);
    // At once.
    await Promise.all([session.trust.ask('2', undefined).outcome, accepts(home, [READ])]);
    expect(session.trust.firstUse).toBeUndefined();
    const files = await AuthenticFiles.open(home.folder, home.blobs);
    expect(files.read('trust/demo.json')).toContain('Reads.');
    expect(files.read('trust/demo.json')).not.toContain('and writes');
    // Until it is told.
    expect(session.listsAll([OTHER])).toEqual({});
    await old.trust.reread('demo');
    expect(session.listsAll([OTHER])).toHaveProperty('read');
  });

  test('has no answer any more that was taken back, and keeps those for itself unless all were', async () => {
    using home = new Trusting();
    const old = home.service;
    await old.open();
    const subject: GrantSubject = {
      session: 's1',
      host: '/usr/bin/host',
      profile: 'demo',
      server: '',
      kind: 'tools',
      name: 'read',
      definition: undefined,
      arguments: undefined,
    };
    const keep = async (name: string, scope: 'always' | 'session'): Promise<void> => {
      const about = {
        session: 's1',
        profile: 'demo',
        host: { key: '/usr/bin/host', name: 'host' },
        reach: { network: [], read: [], write: [], sandbox: 'on', credentials: [] },
        server: '',
        definition: () => undefined,
        claims: () => [],
        hasActed: () => false,
        calls: () => [],
        redact: (text: string) => text,
      } as const;
      old.session(about).ask({ ...subject, ...ASKED, name } as never);
      const [question] = old.questions;
      await old.answer(
        { id: question?.id ?? '', decision: 'allow', scope, extent: 'name', pin: PIN },
        'terminal',
      );
    };
    await old.setPin(PIN, undefined);
    await old.wait(undefined, 1);
    await keep('for-good', 'always');
    await keep('for-now', 'session');
    await keep('for-now-too', 'session');
    const names = (): string[] => old.grants().map(({ name }) => name);
    expect(names()).toEqual(['for-good', 'for-now', 'for-now-too']);
    await old.retire();
    const young = home.daemon();
    await young.open();
    await young.revoke(young.grants()[0]?.id);
    await old.reread(false);
    expect(names()).toEqual(['for-now', 'for-now-too']);
    // One that this daemon alone has is taken back by its id, and the log has that.
    const revoked = () =>
      home.records.filter(({ event }) => event === 'consent.revoke').map(({ name }) => name);
    expect(revoked()).toEqual(['for-good']);
    const [one] = old.grants();
    expect(await old.reread(false, one?.id)).toEqual([one]);
    expect([names(), revoked()]).toEqual([['for-now-too'], ['for-good', 'for-now']]);
    await old.reread(true);
    expect([names(), revoked()]).toEqual([[], ['for-good', 'for-now', 'for-now-too']]);
  });
});

const ASKED = {
  call: '1',
  method: 'tools/call',
  rule: 'ask',
  arguments: '{}',
  digest: 'd',
  dialog: undefined,
};

describe('W-WIRE-25 a daemon that has handed over', () => {
  test('accepts nothing and takes nothing back, which would be lost', async () => {
    using home = new Trusting();
    const { old } = await handedOver(home);
    const code = 'daemon-version';
    const { seen } = await old.trust.show('demo', false);
    const accept = { expected: seen?.pending ?? '', only: undefined, by: 'terminal', pin: PIN };
    await expect(old.trust.accept('demo', accept)).rejects.toMatchObject({ code });
    await expect(old.trust.undo('demo', PIN)).rejects.toMatchObject({ code });
    await expect(old.trust.forget('demo', { isGone: false, pin: PIN })).rejects.toMatchObject({ code });
    await expect(old.revoke(undefined)).rejects.toMatchObject({ code });
  });

  test('does not forget either while a person proves to be there', async () => {
    using home = new Trusting();
    const old = home.service;
    await old.open();
    await old.setPin(PIN, undefined);
    const session = await home.open();
    session.listsAll([READ]);
    await session.trust.ask('1', undefined).outcome;
    const forgotten = old.trust.forget('demo', { isGone: false, pin: PIN });
    await old.retire();
    await expect(forgotten).rejects.toMatchObject({ code: 'daemon-version' });
    expect(session.trust.firstUse).toBeUndefined();
  });

  test('has its numbers in the store before another one writes any', async () => {
    const blobs = new MemoryBlobs();
    const set = blobs.set.bind(blobs);
    using home = new Trusting();
    const files = await AuthenticFiles.open(home.folder, blobs);
    const { promise, resolve } = Promise.withResolvers<void>();
    blobs.set = async (name, value) => {
      await promise;
      await set(name, value);
    };
    const written = files.write('a.json', 'x');
    let isRetired = false;
    const retired = files.retire().then(() => {
      isRetired = true;
    });
    await new Promise((done) => setImmediate(done));
    expect(isRetired).toBe(false);
    resolve();
    await Promise.all([written, retired]);
    const young = await AuthenticFiles.open(home.folder, blobs);
    await young.write('a.json', 'y');
    await expect(files.relearn()).resolves.toBeUndefined();
    expect(files.read('a.json')).toBe('y');
  });
});

test('W-CONS-8 a version that a killed daemon wrote and did not count is not written a second time', async () => {
  using home = new Trusting();
  const files = await AuthenticFiles.open(home.folder, home.blobs);
  await files.write('a.json', 'one');
  const before = new Map(home.blobs.kept);
  await files.write('a.json', 'two');
  const uncounted = readFileSync(join(home.folder, 'a.json'));
  home.blobs.kept.clear();
  for (const [name, value] of before) home.blobs.kept.set(name, value);
  const next = await AuthenticFiles.open(home.folder, home.blobs);
  expect(next.read('a.json')).toBe('two');
  await next.write('a.json', 'three');
  writeFileSync(join(home.folder, 'a.json'), uncounted);
  expect(() => next.read('a.json')).toThrow('an older version that was put back');
});
