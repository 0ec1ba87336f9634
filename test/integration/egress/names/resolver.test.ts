// The system's way to resolve, with files and name servers of the test's own.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Resolve, systemResolver } from '../../../../src/egress/names/resolver.ts';
import { TestResolver } from '../../../fixtures/resolver.ts';

let folder = '';
let names: TestResolver;
let resolve: Resolve;
const file = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'names-'));
  names = await TestResolver.open();
});
afterAll(async () => {
  await names[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  names.names.clear();
  names.silenced.clear();
  names.queries.length = 0;
  writeFileSync(file('hosts'), '10.7.0.1 db.corp.test db\nfd00::7 db\n');
  writeFileSync(file('resolv.conf'), 'search corp.test dev.test\noptions ndots:1\n');
  writeFileSync(
    file('getent'),
    '#!/bin/sh\n[ "$2" = printer.local ] && echo "10.7.0.9 STREAM $2" && echo "10.7.0.9 DGRAM"\n',
  );
  chmodSync(file('getent'), 0o755);
  resolve = systemResolver({
    hosts: file('hosts'),
    resolvConf: file('resolv.conf'),
    servers: [names.server],
    getent: file('getent'),
  });
});

test('the hosts file comes first, with all addresses, and is read anew', async () => {
  names.names.set('db.corp.test', ['10.9.9.9']);
  expect(await resolve('db')).toEqual(['10.7.0.1', 'fd00::7']);
  expect(await resolve('db.corp.test')).toEqual(['10.7.0.1']);
  expect(names.queries).toEqual([]);
  writeFileSync(file('hosts'), '');
  expect(await resolve('db.corp.test')).toEqual(['10.9.9.9']);
});

test('the search list, in its order, as the system has it', async () => {
  names.names
    .set('git.dev.test', ['10.7.0.2'])
    .set('api.test', ['10.7.0.3'])
    .set('a.b.corp.test', ['10.7.0.4']);
  expect(await resolve('git')).toEqual(['10.7.0.2']);
  expect(new Set(names.queries.map((query) => query.split(' ')[1]))).toEqual(
    new Set(['git.corp.test', 'git.dev.test']),
  );
  names.queries.length = 0;
  expect(await resolve('api.test')).toEqual(['10.7.0.3']);
  expect(names.queries.every((query) => query.endsWith(' api.test'))).toBe(true);
  expect(await resolve('a.b')).toEqual(['10.7.0.4']);
  writeFileSync(file('resolv.conf'), 'search other.test\n');
  expect(await resolve('git')).toEqual([]);
});

test('what only the system knows is asked of it: mDNS names and short ones', async () => {
  expect(await resolve('printer.local')).toEqual(['10.7.0.9']);
  expect(await resolve('missing.local')).toEqual([]);
  expect(await resolve('missing')).toEqual([]);
});

test('localhost is asked of nobody', async () => {
  expect(await resolve('localhost')).toEqual(['127.0.0.1', '::1']);
  expect(await resolve('app.localhost')).toEqual(['127.0.0.1', '::1']);
  expect(names.queries).toEqual([]);
});

test('many names that nobody answers stop no other look-up [W-EGR-13]', async () => {
  writeFileSync(file('resolv.conf'), '');
  names.silenced.add('.silent.test');
  names.names.set('api.test', ['10.7.0.3']);
  let over = 0;
  const silent = Array.from({ length: 64 }, (_, index) =>
    resolve(`n${index}.silent.test`)
      .catch(() => [])
      .finally(() => over++),
  );
  expect(await resolve('api.test')).toEqual(['10.7.0.3']);
  expect(over).toBe(0);
  expect(await Promise.all(silent)).toEqual(silent.map(() => []));
});
