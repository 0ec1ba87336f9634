// Which program runs, by its bytes, and how often they are read.
import { chmodSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AuthenticFiles } from '../../../../src/consent/store/authentic-files.ts';
import { Executables } from '../../../../src/consent/trust/executables.ts';
import { MemoryBlobs } from '../../../fixtures/trusting.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} };
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'warder-executables-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, 0o755);
  return path;
}

function executables(files?: AuthenticFiles): Executables {
  return new Executables({ files: () => files, uid: 1000, log });
}

test('W-TRUST-22 a file is another once a byte of it is, whatever its times say', async () => {
  const file = write('server', 'one');
  const all = executables();
  const identify = () => all.identify({ file, args: [], folder });
  const first = await identify();
  expect(await identify()).toEqual(first);
  utimesSync(file, 1, 1);
  expect(await identify()).toEqual(first);
  write('server', 'two');
  utimesSync(file, 1, 1);
  expect(await identify()).not.toEqual(first);
});

test('W-TRUST-22 the script of an interpreter counts, and so does the interpreter that a user may change', async () => {
  const node = write('node', 'an interpreter');
  const script = write('server.js', 'one');
  const all = executables();
  const identify = (args: string[]) => all.identify({ file: node, args, folder });
  const first = await identify(['--no-warnings', 'server.js', 'data.json']);
  expect(first.files.map(({ path }) => path)).toEqual([node, script]);
  write('data.json', 'data');
  expect(await identify(['--no-warnings', 'server.js', 'data.json'])).toEqual(first);
  write('server.js', 'two');
  expect(await identify(['--no-warnings', 'server.js', 'data.json'])).not.toEqual(first);
  write('server.js', 'one');
  write('node', 'another interpreter');
  expect(await identify(['server.js'])).not.toEqual(first);
});

test('what only root may change is named by its path, where it runs a script', async () => {
  const script = write('server.py', 'one');
  const { files } = await executables().identify({ file: '/bin/sh', args: [script], folder });
  expect(files).toEqual([
    { path: '/bin/sh', digest: null },
    { path: script, digest: expect.stringMatching(/^sha256:/) },
  ]);
  // As root all of it may be changed.
  const asRoot = new Executables({ files: () => undefined, uid: 0, log });
  expect((await asRoot.identify({ file: '/bin/sh', args: [script], folder })).files[0]?.digest).toMatch(
    /^sha256:/,
  );
  // A program that is none of these is a server itself.
  expect((await executables().identify({ file: '/bin/ls', args: [], folder })).files[0]?.digest).toMatch(
    /^sha256:/,
  );
});

test('a link leads to the file, and one that leads elsewhere to another', async () => {
  const file = write('one', 'one');
  write('two', 'two');
  const link = join(folder, 'link');
  symlinkSync(file, link);
  const all = executables();
  const first = await all.identify({ file: link, args: [], folder });
  rmSync(link);
  symlinkSync(join(folder, 'two'), link);
  expect(await all.identify({ file: link, args: [], folder })).not.toEqual(first);
});

test('digests are kept from daemon to daemon, and read anew where another program wrote them', async () => {
  const file = write('server', 'one');
  const blobs = new MemoryBlobs();
  const first = await executables(await AuthenticFiles.open(folder, blobs)).identify({
    file,
    args: [],
    folder,
  });
  const again = executables(await AuthenticFiles.open(folder, blobs));
  expect(await again.identify({ file, args: [], folder })).toEqual(first);
  writeFileSync(join(folder, 'trust/.executables.json'), '[]');
  const forged = executables(await AuthenticFiles.open(folder, blobs));
  expect(await forged.identify({ file, args: [], folder })).toEqual(first);
});

test('a file that cannot be read is not the one that could be', async () => {
  const file = write('server', 'one');
  const all = executables();
  const first = await all.identify({ file, args: [], folder });
  rmSync(file);
  expect(await all.identify({ file, args: [], folder })).not.toEqual(first);
});
