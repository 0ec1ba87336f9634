// A process that ends while another thread reads its memory ends as any other does.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const MODULE = join(import.meta.dirname, '../../../src/os/background-digest.ts');
const BEGUN = `
  const digests = await (await import(${JSON.stringify(MODULE)})).openBackgroundDigests();
  let bytes = Buffer.alloc(100 * 2 ** 20);
  const digest = digests();
  digest.update(bytes);
  digest.finish(() => console.log('finished'));
  bytes = undefined;
`;

test.runIf(process.platform === 'linux').each([
  ['by itself: it is finished first', '', 'finished\n'],
  ['at once', 'process.exit(0);', ''],
  ['after what is read was let go', 'digest[Symbol.dispose](); gc(); process.exit(0);', ''],
  ['with nobody who waits for it', 'digest[Symbol.dispose](); gc();', ''],
])('W-RELAY-23 a process ends while a digest is made: %s', (_name, end, expected) => {
  const program = `${BEGUN}${end}`;
  const argv = ['--expose-gc', '--input-type=module', '--eval', program];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8' });
  expect({ status, signal, stdout, stderr }).toEqual({
    status: 0,
    signal: null,
    stdout: expected,
    stderr: '',
  });
});
