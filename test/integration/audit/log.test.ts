// The audit log against what the machine does to it: kills, a full disk, permissions. And against a verifier that
// shares no code with it: the one in format.md.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AuditLog } from '../../../src/audit/log.ts';
import { records } from '../../../src/audit/read.ts';
import { verify } from '../../../src/audit/verify.ts';
import { clock } from '../../../src/os/clock.ts';
import { Disk } from '../../fixtures/disk.ts';
import { runPython } from '../../fixtures/python.ts';
import { layOut, vectors } from '../../vectors/audit/generate.ts';

const scratch = mkdtempSync(join(tmpdir(), 'warder-audit-'));
const writer = join(scratch, 'writer.mjs');
const settings = {
  segment: 2 ** 26,
  keep: { count: undefined, age: undefined },
  checkpoint: { records: 1000, every: 60_000 },
};
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

beforeAll(() =>
  build({
    entryPoints: [join(import.meta.dirname, '../../fixtures/audit-writer.ts')],
    bundle: true,
    platform: 'node',
    target: 'node22.22',
    format: 'esm',
    outfile: writer,
  }),
);
afterAll(() => rmSync(scratch, { recursive: true }));

function newState(): string {
  return mkdtempSync(join(scratch, 'state-'));
}

/** Runs a command that sees the disk. */
function within(disk: Disk, ...argv: string[]): void {
  const [command = '', ...args] = [...disk.within, ...argv];
  execFileSync(command, args);
}

/** Starts and stops a daemon's log. */
async function restart(state: string): Promise<void> {
  const places = { state, audit: join(state, 'audit') };
  await using log = await AuditLog.open({ places, settings, version: '0.1.0', pid: 1, clock, log: quiet });
  log.append('profile.change', { profile: 'github', change: 'changed' });
}

/** A writer that does as each line says. */
class Writer implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  constructor(state: string, disk: Disk) {
    const [command = '', ...args] = [...disk.within, process.execPath, writer, state, 'ask'];
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const { stdout } = this.#child;
    if (stdout === null) throw new Error('no pipe');
    this.#answers = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  /** Appends a record with so many bytes in it. The answer: its number, or the error. */
  async append(bytes: number): Promise<string> {
    this.#child.stdin?.write(`${bytes}\n`);
    return (await this.#answers.next()).value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin?.end();
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
  }
}

describe('a kill', () => {
  test('W-AUDIT-5 at any moment loses no record for which append had returned, and the log verifies after the next start', async () => {
    const state = newState();
    const said: number[] = [];
    for (const lines of [1, 13, 77, 301]) {
      const child = spawn(process.execPath, [writer, state, 'loop'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const exit = once(child, 'exit');
      let heard = 0;
      for await (const line of createInterface({ input: child.stdout })) {
        said.push(Number(line));
        heard += 1;
        if (heard === lines) child.kill('SIGKILL');
      }
      expect(await exit).toEqual([null, 'SIGKILL']);
    }
    expect(said.every((seq) => Number.isSafeInteger(seq))).toBe(true);
    await restart(state);
    const found = await verify({ path: join(state, 'audit'), state });
    expect(found).toMatchObject({ ok: true, first: 1 });
    const kept = new Set<number>();
    for await (const { entry } of records(join(state, 'audit')))
      if (entry.event === 'tool.call') kept.add(entry.seq);
    expect(said.filter((seq) => !kept.has(seq))).toEqual([]);
  });
});

describe('a disk', () => {
  test('W-AUDIT-6 that is full refuses records, keeps no partial record, and accepts records again once there is space', async () => {
    await using disk = await Disk.mount(1 << 20);
    const state = join(disk.at, 'state');
    within(disk, 'mkdir', '-m', '0700', state);
    const copy = newState();
    {
      await using log = new Writer(state, disk);
      expect(await log.append(10)).toBe('2');
      disk.fill();
      let answer = await log.append(3000);
      let through = 2;
      for (; /^\d+$/.test(answer) && through < 500; through += 1) answer = await log.append(3000);
      expect(answer).toBe('audit-unwritable: cannot write the audit log: no space is left on the disk');
      expect(await log.append(3000)).toBe(answer);
      disk.empty();
      expect(await log.append(3000)).toBe(String(through + 1));
      expect(await log.append(10)).toBe(String(through + 2));
    }
    within(disk, 'cp', '-r', `${state}/.`, copy);
    expect(await verify({ path: join(copy, 'audit'), state: copy })).toMatchObject({ ok: true, first: 1 });
  });

  test.each([
    ['read-only', ['--ro-bind', 'STATE', 'STATE'], 'the file system is read-only'],
    ['closed to us', [], 'permission denied'],
  ])('W-AUDIT-6 that is %s refuses the log from the start', async (_name, mount, reason) => {
    const state = newState();
    await restart(state);
    if (mount.length === 0) chmodSync(join(state, 'audit'), 0o500);
    for (const file of mount.length === 0 ? ['audit-head', 'audit/0000000000000001.jsonl'] : [])
      chmodSync(join(state, file), 0o400);
    // As root nothing is closed: bubblewrap takes that away.
    const confined = ['--unshare-user', '--cap-drop', 'ALL', '--dev-bind', '/', '/'];
    const args = [
      ...confined,
      ...mount.map((word) => (word === 'STATE' ? state : word)),
      process.execPath,
      writer,
      state,
      'ask',
    ];
    const { stdout } = spawnSync('bwrap', args, { input: '10\n', encoding: 'utf8' });
    expect(stdout).toBe(`audit-unwritable: cannot write the audit log: ${reason}\n`);
  });
});

describe('format.md', () => {
  const document = readFileSync(join(import.meta.dirname, '../../../src/audit/format.md'), 'utf8');
  const [, program = ''] = /```python\n(.*?)```/s.exec(document) ?? [];
  const [, recipe = ''] = /```sh\n(.*?)```/s.exec(document) ?? [];

  test('its verifier has about twenty lines, and agrees on the vectors', () => {
    const path = join(scratch, 'verify.py');
    writeFileSync(path, program);
    expect(program.split('\n').length).toBeLessThan(26);
    // It does not check what only signatures show.
    const signed = new Set([
      'bad-signature',
      'foreign-key',
      'unsigned',
      'unsigned-tail',
      'signed-missing',
      'checkpoint-missing',
    ]);
    const all = [...vectors()].map(([name, vector]) => ({ name, vector, state: newState() }));
    for (const { vector, state } of all) layOut(state, vector);
    const ends = runPython(
      path,
      all.map(({ state }) => [state]),
    );
    for (const [i, { name, vector }] of all.entries()) {
      const { status, text } = ends[i] ?? { status: -1, text: '' };
      const good = vector.problem === null || signed.has(vector.problem.kind);
      expect({ name, status, text }).toMatchObject({
        name,
        status: good ? 0 : 1,
        text: good ? '' : expect.stringMatching(/./),
      });
      const [, line] = /\.jsonl:(\d+): /.exec(text) ?? [];
      if (line !== undefined)
        expect(Number(line), name).toBeGreaterThanOrEqual(vector.problem?.line ?? Number.POSITIVE_INFINITY);
    }
  });

  test('its recipe checks a signature with openssl', () => {
    const signed = vectors().get('valid-signed')?.bytes.toString().split('\n')[6] ?? '';
    const { signed_seq, signed_hash, key, signature } = JSON.parse(signed);
    const folder = newState();
    writeFileSync(join(folder, 'statement'), `warder-audit-checkpoint-v1\n${signed_seq}\n${signed_hash}\n`);
    writeFileSync(join(folder, 'signature'), Buffer.from(signature, 'base64'));
    const env = { ...process.env, KEY: key };
    const run = () => spawnSync('sh', ['-c', recipe], { cwd: folder, env, encoding: 'utf8' });
    expect(run()).toMatchObject({ status: 0, stdout: 'Signature Verified Successfully\n' });
    writeFileSync(
      join(folder, 'statement'),
      `warder-audit-checkpoint-v1\n${signed_seq + 1}\n${signed_hash}\n`,
    );
    expect(run().status).toBe(1);
  });
});
