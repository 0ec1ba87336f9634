import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { holdingHostFile } from '../../../../src/host/edit/guard.ts';
import { hosts } from '../../../../src/host/table.ts';

const claude = hosts['claude-code'];

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'host-lock-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test("W-HOST-24 Claude Code's lock is held while its file is edited, and that of a killed one is taken over", async () => {
  const dir = folder();
  const [file, lock] = [join(dir, '.claude.json'), join(dir, '.claude.json.lock')];
  writeFileSync(file, '{}', { mode: 0o600 });
  expect(await holdingHostFile(claude, file, () => existsSync(lock))).toBe(true);
  expect(existsSync(lock)).toBe(false);
  mkdirSync(lock);
  const then = new Date(Date.now() - 60_000);
  utimesSync(lock, then, then);
  await expect(
    holdingHostFile(claude, file, () => {
      throw new Error('of the work');
    }),
  ).rejects.toThrow('of the work');
  expect(existsSync(lock)).toBe(false);
});

test("a project's file, and that of a folder that is not there yet, have no such lock", async () => {
  const dir = folder();
  const made = await holdingHostFile(claude, join(dir, '.mcp.json'), () =>
    existsSync(join(dir, '.mcp.json.lock')),
  );
  expect(made).toBe(false);
  expect(await holdingHostFile(claude, join(dir, 'none/.claude.json'), () => 'done')).toBe('done');
});
