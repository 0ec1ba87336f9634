// Two processes that change one vault: what one has written is not lost to the other.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PASSPHRASE, VaultFolder } from '../../../fixtures/vault.ts';

const ROUNDS = 40;

test('W-CRED-48 changes of several daemons at once are all kept', async () => {
  using folder = new VaultFolder();
  await using vault = await folder.made();
  const writers = ['a', 'b', 'c'].map(async (name) => {
    const writer = spawn(
      process.execPath,
      [join(import.meta.dirname, '../../../fixtures/vault-writer.ts'), folder.file, name, String(ROUNDS)],
      { stdio: ['pipe', 'inherit', 'inherit'] },
    );
    writer.stdin.end(PASSPHRASE);
    const [code] = await once(writer, 'exit');
    expect(code).toBe(0);
  });
  for (let round = 0; round < ROUNDS; round++) await vault.blobs.set(`own-${round}`, Buffer.from('x'));
  await Promise.all(writers);
  const kept = await Promise.all(
    ['own', 'a', 'b', 'c'].flatMap((name) =>
      Array.from({ length: ROUNDS }, (_, round) => vault.blobs.get(`${name}-${round}`)),
    ),
  );
  expect(kept.filter((blob) => blob === undefined)).toEqual([]);
});
