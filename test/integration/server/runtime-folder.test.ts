// A server's private folders: their permissions and contents, and their removal.
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WarderError } from '../../../src/errors.ts';
import { RuntimeFolder, type RuntimeRoots, runtimeRoots } from '../../../src/server/runtime-folder.ts';

const uid = process.getuid?.() ?? -1;
const files = [
  { variable: 'TOKEN', value: 'one' },
  { variable: 'KEY', value: 'two\n\0\u00e9' },
];
let run = '';

beforeEach(() => {
  run = mkdtempSync(join(tmpdir(), 'warder-delivery-'));
});

afterEach(() => {
  rmSync(run, { recursive: true, force: true });
});

function mode(path: string): string {
  return (lstatSync(path).mode & 0o7777).toString(8);
}

/** The first place for credential files. */
function first({ secrets }: RuntimeRoots): string {
  return secrets[0] ?? '';
}

test('W-ENV-4 only their owner can read credential files, which are exact, and removed with the server', async () => {
  const place = runtimeRoots(run, uid);
  const before = process.umask(0);
  try {
    const delivery = new RuntimeFolder(place, files);
    const { credentials, tmpdir: tmp, marker } = delivery.instance;
    expect(mode(dirname(credentials))).toBe('700');
    expect(mode(credentials)).toBe('700');
    expect(readdirSync(credentials).toSorted()).toEqual(['KEY', 'TOKEN']);
    expect([mode(join(credentials, 'TOKEN')), mode(join(credentials, 'KEY'))]).toEqual(['400', '400']);
    expect(readFileSync(join(credentials, 'TOKEN'), 'utf8')).toBe('one');
    expect(readFileSync(join(credentials, 'KEY'), 'utf8')).toBe('two\n\0\u00e9');
    expect([mode(delivery.path), mode(tmp), mode(place.sessions)]).toEqual(['700', '700', '700']);
    expect(tmp).toBe(join(run, 'sessions', marker, 'tmp'));

    writeFileSync(join(tmp, 'left'), 'behind');
    await delivery[Symbol.asyncDispose]();
    expect(existsSync(credentials)).toBe(false);
    expect(existsSync(dirname(credentials))).toBe(false);
    expect(readdirSync(place.sessions)).toEqual([]);
  } finally {
    process.umask(before);
  }
});

test.runIf(process.platform === 'linux' && existsSync('/dev/shm'))(
  'W-ENV-4 credential files are kept in memory if the machine offers it',
  async () => {
    await using delivery = new RuntimeFolder(runtimeRoots(run, uid), files);
    expect([0x01021994, 0x858458f6]).toContain(statfsSync(delivery.instance.credentials).type);
  },
);

test('without a folder in memory they are kept in the run folder', async () => {
  const place = runtimeRoots(run, uid, undefined, [run, '/nowhere']);
  expect(place.secrets).toEqual([join(run, 'secrets')]);
  await using delivery = new RuntimeFolder(place, files);
  expect(readFileSync(join(run, 'secrets', delivery.instance.marker, 'TOKEN'), 'utf8')).toBe('one');
});

test('W-ENV-4 a folder that somebody else can enter, or a link, is skipped', async () => {
  const place: RuntimeRoots = {
    sessions: join(run, 'sessions'),
    secrets: [join(run, 'memory'), join(run, 'secrets')],
  };
  const open = first(place);
  mkdirSync(open);
  chmodSync(open, 0o755);
  {
    await using delivery = new RuntimeFolder(place, files);
    expect(dirname(delivery.instance.credentials)).toBe(join(run, 'secrets'));
    expect(readdirSync(open)).toEqual([]);
  }
  rmSync(open, { recursive: true });
  mkdirSync(join(run, 'elsewhere'), { mode: 0o700 });
  symlinkSync(join(run, 'elsewhere'), open);
  {
    await using delivery = new RuntimeFolder(place, files);
    expect(dirname(delivery.instance.credentials)).toBe(join(run, 'secrets'));
    expect(readdirSync(join(run, 'elsewhere'))).toEqual([]);
  }
});

test('a server without credential files has no folder for them', async () => {
  const place = runtimeRoots(run, uid);
  await using delivery = new RuntimeFolder(place, []);
  expect(existsSync(delivery.instance.credentials)).toBe(false);
  expect(existsSync(first(place))).toBe(false);
});

test('two servers share a folder, and each removes only its own files', async () => {
  const place = runtimeRoots(run, uid);
  const one = new RuntimeFolder(place, files);
  const two = new RuntimeFolder(place, files);
  expect(one.instance.marker).not.toBe(two.instance.marker);
  await one[Symbol.asyncDispose]();
  expect(existsSync(one.instance.credentials)).toBe(false);
  expect(readFileSync(join(two.instance.credentials, 'TOKEN'), 'utf8')).toBe('one');
  await two[Symbol.asyncDispose]();
  expect(existsSync(first(place))).toBe(false);
});

test('two daemons of one user have separate folders', () => {
  const [one, two] = [runtimeRoots(join(run, 'one'), uid), runtimeRoots(join(run, 'two'), uid)];
  for (const place of one.secrets) expect(two.secrets).not.toContain(place);
});

test('folders that a server made unwritable are removed too, and links are not followed', async () => {
  const kept = join(run, 'kept');
  mkdirSync(kept);
  writeFileSync(join(kept, 'file'), 'kept');
  chmodSync(kept, 0o500);
  const delivery = new RuntimeFolder(runtimeRoots(run, uid), files);
  chmodSync(delivery.instance.credentials, 0o500);
  const locked = join(delivery.instance.tmpdir, 'locked');
  mkdirSync(join(locked, 'deeper'), { recursive: true });
  writeFileSync(join(locked, 'deeper', 'file'), '');
  symlinkSync(kept, join(locked, 'link'));
  chmodSync(join(locked, 'deeper'), 0o500);
  chmodSync(locked, 0o500);
  await delivery[Symbol.asyncDispose]();
  expect(existsSync(delivery.path)).toBe(false);
  expect(existsSync(delivery.instance.credentials)).toBe(false);
  expect(readFileSync(join(kept, 'file'), 'utf8')).toBe('kept');
  expect(mode(kept)).toBe('500');
  chmodSync(kept, 0o700);
});

test('an unwritable run folder is reported as such, and no secret is left behind', () => {
  writeFileSync(join(run, 'sessions'), 'a file');
  const place = runtimeRoots(run, uid);
  let error: unknown;
  try {
    new RuntimeFolder(place, files);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(WarderError);
  expect((error as WarderError).code).toBe('cannot-write');
  expect(existsSync(first(place))).toBe(false);

  const nowhere: RuntimeRoots = { sessions: join(run, 'good'), secrets: [join(run, 'sessions', 'no')] };
  expect(() => new RuntimeFolder(nowhere, files)).toThrow(WarderError);
  expect(readdirSync(nowhere.sessions)).toEqual([]);
});
