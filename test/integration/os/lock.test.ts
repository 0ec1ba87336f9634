// The lock between real processes.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { acquireLock, ownerOf } from '../../../src/os/lock.ts';
import { Client } from '../../fixtures/client.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'warder-lock-'));
  path = join(folder, 'daemon.lock');
});
afterEach(() => rmSync(folder, { recursive: true }));

const taker = join(import.meta.dirname, '../../fixtures/lock-taker.ts');

/** Starts a process that waits for its word to take the lock. */
async function contender(): Promise<Client> {
  const client = new Client([process.execPath, taker, path], { PATH: '/usr/bin:/bin' });
  await client.until(() => client.lines.includes('ready'));
  return client;
}

/** Lets all try at once and gives what they got. */
async function race(clients: readonly Client[]): Promise<string[]> {
  for (const client of clients) void client.send('go\n');
  return await Promise.all(clients.map((client) => client.until(() => client.lines[1])));
}

async function end(clients: readonly Client[]): Promise<void> {
  await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
}

/** A lock whose owner is dead. */
async function deadLock(): Promise<void> {
  const client = await contender();
  expect(await race([client])).toEqual(['taken']);
  client.kill();
  await client.ended;
}

test('a lock is kept until it is released, and names its owner', () => {
  const lock = acquireLock(path);
  if (!('owner' in lock)) throw new Error('not taken');
  expect(acquireLock(path)).toMatchObject({ pid: process.pid });
  expect(ownerOf(path)).toEqual(lock.owner);
  lock[Symbol.dispose]();
  expect(ownerOf(path)).toBeUndefined();
  expect(readdirSync(folder)).toEqual([]);
});

test('W-WIRE-5 the lock of a killed owner is taken over by exactly one of many', async () => {
  for (let round = 0; round < 5; round++) {
    await deadLock();
    const clients = await Promise.all(Array.from({ length: 6 }, contender));
    const results = await race(clients);
    expect(results.filter((result) => result === 'taken')).toHaveLength(1);
    const winner = clients[results.indexOf('taken')]?.pid;
    expect(results.filter((result) => result !== 'taken')).toEqual(Array(5).fill(`held by ${winner}`));
    await end(clients);
    expect(existsSync(path)).toBe(false);
  }
});

test('a process with a reused pid does not own the lock', () => {
  writeFileSync(path, JSON.stringify({ pid: process.pid, born: 'another boot-1' }));
  expect(ownerOf(path)).toBeUndefined();
  expect(acquireLock(path)).toHaveProperty('owner');
});

test('a lock that no daemon can have written has no owner', () => {
  writeFileSync(path, '');
  const lock = acquireLock(path);
  expect(lock).toHaveProperty('owner');
  expect(JSON.parse(readFileSync(path, 'utf8')).pid).toBe(process.pid);
});

test('a process that died while it removed a stale lock does not block the next', async () => {
  await deadLock();
  const dead = JSON.parse(readFileSync(path, 'utf8'));
  const burial = `${path}.${dead.pid}-${dead.born.replace(/[^\w-]/g, '_')}`;
  writeFileSync(burial, readFileSync(path));
  writeFileSync(`${path}.${dead.pid}.0123456789ab.tmp`, '');
  expect(acquireLock(path)).toHaveProperty('owner');
  expect(readdirSync(folder)).toEqual(['daemon.lock']);
});

test("another user's process with the same pid is distinguished by its start time", () => {
  const child = spawn('sleep', ['60']);
  try {
    writeFileSync(path, JSON.stringify({ pid: child.pid, born: 'not then' }));
    expect(ownerOf(path)).toBeUndefined();
  } finally {
    child.kill('SIGKILL');
  }
});
