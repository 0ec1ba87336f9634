import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseHosts, WatchedFile } from '../../../../src/egress/names/hosts-file.ts';

test('names have all their addresses, in the order of the file', () => {
  const hosts = parseHosts(`# comment
127.0.0.1\tlocalhost
10.0.0.5   DB.corp.test db # the database
fd00::5 db.corp.test.
10.0.0.5 db
not-an-address other.test
10.0.0.9
1.2.3.4 -bad- good.test\r
`);
  expect([...hosts]).toEqual([
    ['localhost', ['127.0.0.1']],
    ['db.corp.test', ['10.0.0.5', 'fd00::5']],
    ['db', ['10.0.0.5']],
    ['good.test', ['1.2.3.4']],
  ]);
});

test('a file is read anew once it has changed; a missing one is empty', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hosts-'));
  try {
    const file = join(folder, 'hosts');
    const hosts = new WatchedFile(file, parseHosts);
    expect(hosts.content.size).toBe(0);
    writeFileSync(file, '10.0.0.1 a.test\n');
    const { content } = hosts;
    expect(content.get('a.test')).toEqual(['10.0.0.1']);
    expect(hosts.content).toBe(content);
    writeFileSync(file, '10.0.0.22 a.test\n');
    expect(hosts.content.get('a.test')).toEqual(['10.0.0.22']);
    rmSync(file);
    expect(hosts.content.size).toBe(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
