import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Pin } from '../../../../src/consent/pin.ts';
import { AuthenticFiles } from '../../../../src/consent/store/authentic-files.ts';
import { GrantStore } from '../../../../src/consent/store/grant-store.ts';
import { GRANT_KINDS, type GrantSubject } from '../../../../src/consent/store/grants.ts';
import { MemoryBlobs } from '../../../fixtures/trusting.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'warder-consent-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('W-CONS-8 a file', () => {
  test('comes back as it was written, also to the next daemon', async () => {
    const blobs = new MemoryBlobs();
    const files = await AuthenticFiles.open(folder, blobs);
    expect(files.read('a.json')).toBeUndefined();
    await files.write('a.json', 'one');
    await files.write('a.json', 'two');
    expect(files.read('a.json')).toBe('two');
    expect((await AuthenticFiles.open(folder, blobs)).read('a.json')).toBe('two');
  });

  test.each<[string, (path: string, old: Buffer) => void, string]>([
    ['any byte is another', (path) => flip(path, 200), 'was changed'],
    ['its number is another', (path) => flip(path, 20), 'was changed'],
    ['it has no first line', (path) => writeFileSync(path, '[]'), 'was not written by Warder'],
    ['it is gone', (path) => rmSync(path), 'is gone'],
    ['an older one was put back', (path, old) => writeFileSync(path, old), 'older version'],
  ])('does not count where %s', async (_, tamper, what) => {
    const blobs = new MemoryBlobs();
    const files = await AuthenticFiles.open(folder, blobs);
    const path = join(folder, 'a.json');
    await files.write('a.json', 'x'.repeat(200));
    const old = readFileSync(path);
    await files.write('a.json', 'y'.repeat(200));
    tamper(path, old);
    for (const each of [files, await AuthenticFiles.open(folder, blobs)])
      expect(() => each.read('a.json')).toThrow(what);
  });

  test('does not count under the name of another, or with the key of another store', async () => {
    const blobs = new MemoryBlobs();
    const files = await AuthenticFiles.open(folder, blobs);
    await files.write('a.json', 'x');
    writeFileSync(join(folder, 'b.json'), readFileSync(join(folder, 'a.json')));
    expect(() => files.read('b.json')).toThrow('was changed');
    const others = await AuthenticFiles.open(folder, new MemoryBlobs());
    expect(() => others.read('a.json')).toThrow('was changed');
  });

  test('is not written by a daemon that has handed over, so that its successor is not taken for a forger', async () => {
    const blobs = new MemoryBlobs();
    const retired = await AuthenticFiles.open(folder, blobs);
    await retired.write('a.json', 'x');
    const successor = await AuthenticFiles.open(folder, blobs);
    retired.retire();
    await successor.write('a.json', 'y');
    await retired.write('a.json', 'z');
    retired.writeUnnumbered('b.json', 'z');
    expect(successor.read('a.json')).toBe('y');
    expect((await AuthenticFiles.open(folder, blobs)).read('a.json')).toBe('y');
    expect(successor.read('b.json')).toBeUndefined();
  });

  test('W-WIRE-25 is not older for the store where that is so slow that the next daemon has written by then', async () => {
    const blobs = new MemoryBlobs();
    const slow = Promise.withResolvers<void>();
    const retired = await AuthenticFiles.open(folder, {
      get: (name) => blobs.get(name),
      set: async (name, value) => {
        const kept = Buffer.from(value);
        if (name !== 'consent-key') await slow.promise;
        await blobs.set(name, kept);
      },
    });
    const writing = [retired.write('grants.json', 'one'), retired.write('grants.json', 'two')];
    const retiring = retired.retire();
    // It has waited long enough.
    const successor = await AuthenticFiles.open(folder, blobs);
    expect(successor.read('grants.json')).toBe('two');
    const paths = ['grants.json', 'trust/new.json'];
    const old = [];
    for (const name of paths) {
      await successor.write(name, 'three');
      old.push(readFileSync(join(folder, name)));
      await successor.write(name, 'four');
    }
    slow.resolve();
    await Promise.all([...writing, retiring]);

    const last = await AuthenticFiles.open(folder, blobs);
    for (const name of paths) expect(last.read(name)).toBe('four');
    for (const [at, name] of paths.entries()) writeFileSync(join(folder, name), old[at] ?? '');
    for (const name of paths) expect(() => last.read(name)).toThrow('older version');
    const later = await AuthenticFiles.open(folder, blobs);
    for (const name of paths) expect(() => later.read(name)).toThrow('older version');
    for (const name of paths) rmSync(join(folder, name));
    for (const name of paths) expect(() => later.read(name)).toThrow('is gone');
  });

  test('is read after a daemon was killed between the file and the store', async () => {
    const blobs = new MemoryBlobs();
    const files = await AuthenticFiles.open(folder, blobs);
    await files.write('a.json', 'x');
    const before = new Map(blobs.kept);
    await files.write('a.json', 'y');
    blobs.kept.clear();
    for (const [name, value] of before) blobs.kept.set(name, value);
    expect((await AuthenticFiles.open(folder, blobs)).read('a.json')).toBe('y');
  });
});

const subject: GrantSubject = {
  session: 's',
  host: '/bin/h',
  profile: 'p',
  server: 'v',
  kind: 'tools',
  name: 't',
  definition: 'd',
  arguments: 'a',
};
const clock = { now: () => 1000, monotonic: () => 0 };
const log = { debug() {}, info() {}, warn() {}, error() {} };

describe('grants', () => {
  test('for good outlive the daemon, those for a session do not', async () => {
    const blobs = new MemoryBlobs();
    const files = await AuthenticFiles.open(folder, blobs);
    const store = new GrantStore({ files: () => files, clock, log });
    await store.add(subject, { decision: 'allow', scope: 'always', extent: 'name' }, 'terminal').kept;
    await store.add(
      { ...subject, name: 'u' },
      { decision: 'allow', scope: 'session', extent: 'name' },
      'terminal',
    ).kept;
    expect(store.all()).toHaveLength(2);
    const later = await AuthenticFiles.open(folder, blobs);
    const next = new GrantStore({ files: () => later, clock, log });
    expect(next.all()).toMatchObject([{ name: 't', decision: 'allow' }]);
    expect(next.find({ ...subject, session: 'other', arguments: 'b' })?.decision).toBe('allow');
    expect(await next.revoke(undefined)).toHaveLength(1);
    expect(next.find(subject)).toBeUndefined();
  });

  test.each(GRANT_KINDS)('of kind %s outlive the daemon', async (kind) => {
    const blobs = new MemoryBlobs();
    const files = await AuthenticFiles.open(folder, blobs);
    const store = new GrantStore({ files: () => files, clock, log });
    const forGood = { decision: 'allow', scope: 'always', extent: 'name' } as const;
    await store.add({ ...subject, kind }, forGood, 'terminal').kept;
    const later = await AuthenticFiles.open(folder, blobs);
    const next = new GrantStore({ files: () => later, clock, log });
    expect(next.fault).toBeUndefined();
    expect(next.find({ ...subject, kind })?.decision).toBe('allow');
  });

  test('that are taken back while the daemon hands over are gone on the disk, or it is said [W-WIRE-25]', async () => {
    const blobs = new MemoryBlobs();
    const files = await AuthenticFiles.open(folder, blobs);
    const store = new GrantStore({ files: () => files, clock, log });
    const forGood = { decision: 'allow', scope: 'always', extent: 'name' } as const;
    const [first, second] = ['t', 'u'].map((name) => store.add({ ...subject, name }, forGood, 'terminal'));
    await Promise.all([first?.kept, second?.kept]);
    // The credential store takes its time.
    const slow = Promise.withResolvers<void>();
    const { set } = blobs;
    blobs.set = async (...given) => {
      await slow.promise;
      return await set.apply(blobs, given);
    };
    const written = store.revoke(first?.grant.id);
    // It is at the store by then.
    await new Promise((resolve) => setImmediate(resolve));
    const late = store.revoke(second?.grant.id);
    late.catch(() => {});
    const retired = files.retire();
    slow.resolve();
    await retired;
    expect(await written).toHaveLength(1);
    await expect(late).rejects.toMatchObject({ code: 'daemon-version' });
    const successor = await AuthenticFiles.open(folder, blobs);
    const next = new GrantStore({ files: () => successor, clock, log });
    expect(next.all()).toMatchObject([{ id: second?.grant.id }]);
    expect(store.all()).toEqual([]);
  });

  test('W-CONS-8 that were forged count for nothing, and none is added to them', async () => {
    writeFileSync(join(folder, 'grants.json'), '[]');
    const files = await AuthenticFiles.open(folder, new MemoryBlobs());
    const store = new GrantStore({ files: () => files, clock, log });
    expect(store.fault?.code).toBe('refused');
    const forGood = { decision: 'allow', scope: 'always', extent: 'name' } as const;
    expect(() => store.add(subject, forGood, 'terminal')).toThrow('was not written by Warder');
    expect(store.find(subject)).toBeUndefined();
    await store.revoke(undefined);
    await store.add(subject, forGood, 'terminal').kept;
    expect(store.find(subject)?.decision).toBe('allow');
  });

  test('W-CONS-8 are not kept without a credential store', () => {
    const store = new GrantStore({ files: () => undefined, clock, log });
    const forGood = { decision: 'allow', scope: 'always', extent: 'name' } as const;
    expect(() => store.add(subject, forGood, 'terminal')).toThrow('credential store');
    expect(store.find(subject)).toBeUndefined();
  });
});

/** scrypt's parameters. */
const QUICK = { N: 1024, r: 1, p: 1, maxmem: 2 ** 24 };

test('W-CONS-9 wrong PINs cost time that grows, and a restart forgets none', async () => {
  const blobs = new MemoryBlobs();
  let now = 0;
  const pin = () => new Pin(() => blobs, { now: () => now, monotonic: () => now }, folder, QUICK);
  await expect(pin().check('1234')).rejects.toThrow('none is set');
  await expect(pin().set('123', undefined)).rejects.toThrow('at least 4');
  await pin().set('1234', undefined);
  await expect(pin().set('9999', 'wrong')).rejects.toThrow('not the PIN');
  await pin().check('1234');
  for (let i = 0; i < 4; i++) await expect(pin().check('0000')).rejects.toThrow('not the PIN');
  await expect(pin().check('1234')).rejects.toThrow('try again in 1 s');
  now = 1000;
  await expect(pin().check('0000')).rejects.toThrow('not the PIN');
  now = 2000;
  await expect(pin().check('1234')).rejects.toThrow('try again in 1 s');
  now = 3000;
  const both = await Promise.allSettled([pin().check('1234'), pin().check('1234')]);
  expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
  expect(JSON.stringify([...blobs.kept])).not.toContain('1234');
});

test('W-CONS-9 a guess counts before it is judged: one that cannot be counted is none', async () => {
  const blobs = new MemoryBlobs();
  const time = { now: () => 0, monotonic: () => 0 };
  const pin = new Pin(() => blobs, time, folder, QUICK);
  await pin.set('1234', undefined);
  // The daemon is killed before it has written anything.
  const killed = { get: (name: string) => blobs.get(name), set: () => Promise.reject(new Error('killed')) };
  const during = new Pin(() => killed, time, folder, QUICK);
  await expect(during.check('1234')).rejects.toThrow('killed');
  await expect(during.check('0000')).rejects.toThrow('killed');
  await pin.check('1234');
});

test('W-CONS-9 guesses at several daemons at once are not one', async () => {
  const blobs = new MemoryBlobs();
  // Each has read what was kept before another has counted its guess.
  const slow = {
    get: async (name: string) => {
      const kept = await blobs.get(name);
      await new Promise((resolve) => setImmediate(resolve));
      return kept;
    },
    set: (name: string, bytes: Buffer) => blobs.set(name, bytes),
  };
  const time = { now: () => 0, monotonic: () => 0 };
  const daemon = () => new Pin(() => slow, time, folder, QUICK);
  await daemon().set('1234', undefined);
  for (let i = 0; i < 3; i++) await expect(daemon().check('0000')).rejects.toThrow('not the PIN');
  const guesses = ['0001', '0002', '0003', '0004', '1234'].map((guess) => daemon().check(guess));
  const said = (await Promise.allSettled(guesses)).map((each) => 'reason' in each && each.reason.message);
  expect(said.filter((each) => each === 'that is not the PIN' || each === false)).toHaveLength(1);
  expect(said.filter((each) => String(each).includes('too many wrong PINs'))).toHaveLength(4);
});

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}
