import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Appender, files } from '../../../../src/audit/file/appender.ts';

const scratch = mkdtempSync(join(tmpdir(), 'warder-appender-'));
afterAll(() => rmSync(scratch, { recursive: true }));

test('W-AUDIT-15 a flush that is asked for while another is under way follows it, and fails with it', async () => {
  const begun: PromiseWithResolvers<void>[] = [];
  const appender = new Appender(join(scratch, 'flushes'), {
    ...files,
    flush: () => {
      const flush = Promise.withResolvers<void>();
      begun.push(flush);
      return flush.promise;
    },
  });
  const first = appender.flush();
  const second = appender.flush();
  const third = appender.flush();
  expect(begun).toHaveLength(1);
  // The system tells one flush of a file of an error, and no other.
  begun[0]?.reject(new Error('EIO'));
  expect((await first)?.message).toBe('EIO');
  begun[1]?.resolve();
  expect((await second)?.message).toBe('EIO');
  begun[2]?.resolve();
  await third;
  // What begins later is its own.
  const fourth = appender.flush();
  begun[3]?.resolve();
  expect(await fourth).toBeUndefined();
  const closed = appender.close();
  await Promise.resolve();
  begun[4]?.resolve();
  expect(await closed).toBeUndefined();
});

test('W-AUDIT-18 a flush that blocks is told of errors by a descriptor of its own', async () => {
  const used = new Set<number>();
  const appender = new Appender(join(scratch, 'descriptors'), {
    ...files,
    sync(fd) {
      used.add(fd);
      files.sync(fd);
    },
    flush(fd) {
      used.add(fd);
      return files.flush(fd);
    },
  });
  appender.append(Buffer.from('a\n'), 2, true);
  appender.sync();
  expect(await appender.flush()).toBeUndefined();
  expect(used.size).toBe(2);
  await appender.close();
});
