import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { lockFolder } from '../../../src/os/folder-lock.ts';

function place(): string {
  const dir = mkdtempSync(join(tmpdir(), 'folder-lock-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return join(dir, 'file.lock');
}

/** Gives a lock the time of long ago. */
function age(path: string): void {
  const then = new Date(Date.now() - 60_000);
  utimesSync(path, then, then);
}

test('W-HOST-24 one holds it at a time, and it is gone afterwards', async () => {
  const path = place();
  const held = await lockFolder(path, 0);
  await expect(lockFolder(path, 100)).rejects.toMatchObject({ code: 'refused' });
  held?.[Symbol.dispose]();
  expect(existsSync(path)).toBe(false);
  // Released twice: another's lock is not removed.
  using _next = await lockFolder(path, 0);
  held?.[Symbol.dispose]();
  expect(existsSync(path)).toBe(true);
});

test('W-HOST-24 it is waited for; that of a killed program is taken over; a file in its place is not', async () => {
  const path = place();
  const holder = spawn('sh', ['-c', `mkdir ${path}; echo held; read line; rmdir ${path}`], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  await once(holder.stdout, 'data');
  const waiting = lockFolder(path, 60_000);
  holder.stdin.end('\n');
  (await waiting)?.[Symbol.dispose]();
  mkdirSync(path);
  age(path);
  (await lockFolder(path, 0))?.[Symbol.dispose]();
  writeFileSync(path, 'mine');
  age(path);
  await expect(lockFolder(path, 0)).rejects.toMatchObject({ code: 'refused' });
  expect(existsSync(path)).toBe(true);
});

test('a stale lock that cannot be removed is held, and where its folder is not there nobody holds it', async () => {
  const path = place();
  mkdirSync(join(path, 'within'), { recursive: true });
  age(path);
  await expect(lockFolder(path, 0)).rejects.toMatchObject({ code: 'refused' });
  expect(await lockFolder(join(path, 'none', 'file.lock'), 0)).toBeUndefined();
});
