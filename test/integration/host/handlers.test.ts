// Undoing edits: whatever a host, a person or a kill has done in between.
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { changeHostFile } from '../../../src/host/change.ts';
import type { FoundFile } from '../../../src/host/find.ts';
import { hostHandlers } from '../../../src/host/handlers.ts';
import { addServer, moveServer, serversOf } from '../../../src/host/servers.ts';
import { hosts } from '../../../src/host/table.ts';
import type { Path } from '../../../src/host/text/edit.ts';
import { lockFile } from '../../../src/os/flock.ts';
import type { ControlClient } from '../../../src/wire/control.ts';
import { isKilled, Killed, killedAt } from '../../fixtures/killed.ts';

const LAUNCH = { command: '/home/ada/.local/share/warder/bin/warder', args: ['run', 'x'] };
const SECRET = 'ghp_0123456789abcdefghijABCDEFGHIJ012345';

let dir: string;
let file: string;
let blobs: Map<string, Buffer>;
let control: ControlClient;

beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'warder-undo-')));
  file = join(dir, 'mcp.json');
  blobs = new Map();
  const handlers = hostHandlers({
    blobs: () => ({
      get: async (name) => blobs.get(name),
      set: async (name, bytes) => void blobs.set(name, Buffer.from(bytes)),
      remove: async (name) => blobs.delete(name),
    }),
    clock: { now: () => 0 },
  });
  control = {
    request: (verb: keyof typeof handlers, params: never) => {
      // Nobody asks any more.
      if (isKilled) throw new Killed(verb);
      return handlers[verb](params);
    },
  } as unknown as ControlClient;
});

afterEach(() => rmSync(dir, { recursive: true }));

function found(id: string, path = file): FoundFile {
  const host = hosts[id];
  const [first] = host?.files ?? [];
  if (host === undefined || first === undefined) throw new Error(id);
  return { id, host, file: first, path, exists: existsSync(path) };
}

const group = () => randomBytes(8).toString('hex');

/** Moves servers, or adds one, or takes them out; returns the id of the change. */
async function change(
  id: string,
  what: 'import' | 'connect' | 'disconnect',
  name: string,
  { path = file, at }: { path?: string; at?: Path } = {},
): Promise<string> {
  const where = found(id, path);
  const done = await changeHostFile(
    where,
    {
      what,
      servers: [name],
      group: group(),
      edits(document) {
        const own = serversOf(document, where.file).filter(
          (one) => one.name === name && (at === undefined || one.path.join() === at.join()),
        );
        if (what === 'connect') return [addServer(document, where.file, name, LAUNCH)];
        return own.map((one) =>
          what === 'import'
            ? moveServer(one, LAUNCH, where.file.shape)
            : { path: one.path, changes: [{ path: [], value: undefined }] },
        );
      },
    },
    control,
  );
  if (done === undefined) throw new Error('nothing was changed');
  return done.id;
}

const undo = async (id: string) => (await control.request('host.undo', { id })).how;
const entry = (token = SECRET) => ({ command: 'npx', args: ['-y', 'x'], env: { GITHUB_TOKEN: token } });
const write = (value: object, indent: string | number = 2) =>
  writeFileSync(file, `${JSON.stringify(value, null, indent)}\n`, { mode: 0o600 });
const read = () => JSON.parse(readFileSync(file, 'utf8'));

describe('W-HOST-38 the file was changed since', () => {
  test('a host has written it anew, with other spaces, another order and more of its own', async () => {
    write({ n: 1, mcpServers: { a: entry(), b: entry() } });
    const id = await change('cursor', 'import', 'a');
    const { n, mcpServers } = read();
    expect(JSON.stringify(mcpServers.a)).not.toContain(SECRET);
    const { a, b } = mcpServers;
    write({ mcpServers: { b: { ...b, timeout: 5 }, a: { args: a.args, ...a } }, n: n + 1, more: [] }, '\t');
    expect(await undo(id)).toBe('servers');
    expect(read()).toEqual({ mcpServers: { a: entry(), b: { ...entry(), timeout: 5 } }, n: 2, more: [] });
    expect(readFileSync(file, 'utf8')).toContain('\n\t\t"a": {');
  });

  test('the same entry stands at two places: each is put back where it was', async () => {
    write({ mcpServers: { a: entry('one') }, projects: { '/p': { mcpServers: { a: entry('two') } } } });
    const top = await change('claude-code', 'import', 'a', { at: ['mcpServers', 'a'] });
    const inner = await change('claude-code', 'import', 'a', { at: ['projects', '/p', 'mcpServers', 'a'] });
    write({ numStartups: 3, ...read() });
    expect(await undo(top)).toBe('servers');
    expect(read().mcpServers.a).toEqual(entry('one'));
    expect(read().projects['/p'].mcpServers.a.command).toBe(LAUNCH.command);
    expect(await undo(inner)).toBe('servers');
    expect(read().projects['/p'].mcpServers.a).toEqual(entry('two'));
    expect(await control.request('host.edits', {})).toEqual({ edits: [] });
  });

  test('an added server is taken out, and one that was taken out is put back', async () => {
    write({ mcpServers: { a: entry() } });
    const added = await change('cursor', 'connect', 'x');
    write({ ...read(), more: 1 });
    expect(await undo(added)).toBe('servers');
    expect(read()).toEqual({ mcpServers: { a: entry() }, more: 1 });
    const removed = await change('cursor', 'disconnect', 'a');
    expect(readFileSync(file, 'utf8')).not.toContain(SECRET);
    write({ ...read(), more: 2 });
    expect(await undo(removed)).toBe('servers');
    expect(read()).toEqual({ mcpServers: { a: entry() }, more: 2 });
  });

  test('one that says something else is left, and so are the others of its change', async () => {
    write({ mcpServers: { a: entry() } });
    const id = await change('cursor', 'import', 'a');
    write({ mcpServers: { a: { ...read().mcpServers.a, args: ['run', 'y'] } } });
    const now = readFileSync(file, 'utf8');
    await expect(undo(id)).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('"a" is not there any more as Warder wrote it'),
    });
    expect(readFileSync(file, 'utf8')).toBe(now);
    writeFileSync(file, '{"mcpServers": {');
    await expect(undo(id)).rejects.toMatchObject({ message: expect.stringContaining('is not valid JSON') });
    rmSync(file);
    await expect(undo(id)).rejects.toMatchObject({ message: expect.stringContaining('is gone') });
    expect((await control.request('host.edits', {})).edits).toHaveLength(1);
  });

  test('lists: the item is found where it stands now', async () => {
    const path = join(dir, 'config.yaml');
    const own = '  - name: a # mine\n    command: npx\n    env:\n      T: s\n';
    writeFileSync(path, `mcpServers:\n${own}  - name: b\n    command: npx\n`);
    const id = await change('continue', 'import', 'a', { path });
    const text = readFileSync(path, 'utf8');
    expect(text).not.toContain('T: s');
    writeFileSync(path, text.replace('mcpServers:\n', 'mcpServers:\n  - name: first\n    command: y\n'));
    expect(await undo(id)).toBe('servers');
    expect(readFileSync(path, 'utf8')).toBe(
      `mcpServers:\n  - name: first\n    command: y\n${own}  - name: b\n    command: npx\n`,
    );
    const removed = await change('continue', 'disconnect', 'a', { path });
    writeFileSync(path, `${readFileSync(path, 'utf8')}rules: []\n`);
    expect(await undo(removed)).toBe('servers');
    expect(readFileSync(path, 'utf8')).toMatch(/- name: "a"/);
  });

  test('TOML: with a table of its own, a date in it, and written inline by another program', async () => {
    const path = join(dir, 'config.toml');
    writeFileSync(path, '[mcp_servers.a]\ncommand = "n"\n\n[mcp_servers.a.env]\nT = "s"\n\n[z]\n');
    const id = await change('codex', 'import', 'a', { path });
    writeFileSync(
      path,
      '[mcp_servers]\na = { args = ["run", "x"], command = "/home/ada/.local/share/warder/bin/warder" }\n',
    );
    expect(await undo(id)).toBe('servers');
    expect(readFileSync(path, 'utf8')).toBe('[mcp_servers]\na = { command = "n", env = { T = "s" } }\n');
    writeFileSync(path, '[mcp_servers.a]\ncommand = "n"\nsince = 2025-01-01\n');
    const dated = await change('codex', 'import', 'a', { path });
    writeFileSync(path, `# more\n${readFileSync(path, 'utf8')}`);
    expect(await undo(dated)).toBe('servers');
    expect(readFileSync(path, 'utf8')).toBe('# more\n[mcp_servers.a]\ncommand = "n"\nsince = 2025-01-01\n');
  });
});

describe('W-HOST-38 several changes', () => {
  test('one of several imports is undone, then the other; the second of one entry before the first', async () => {
    write({ mcpServers: { a: entry('one'), b: entry('two') } });
    const text = readFileSync(file, 'utf8');
    const first = await change('cursor', 'import', 'a');
    const second = await change('cursor', 'import', 'b');
    expect(await undo(first)).toBe('servers');
    expect(read().mcpServers.a).toEqual(entry('one'));
    expect(await undo(second)).toBe('servers');
    expect(readFileSync(file, 'utf8')).toBe(text);

    const moved = await change('cursor', 'import', 'a');
    const taken = await change('cursor', 'disconnect', 'a');
    await expect(undo(moved)).rejects.toMatchObject({ hint: expect.stringContaining('undone first') });
    expect(await undo(taken)).toBe('whole');
    expect(await undo(moved)).toBe('whole');
    expect(readFileSync(file, 'utf8')).toBe(text);
    await expect(undo(moved)).rejects.toMatchObject({ code: 'refused' });
  });

  test('what is kept is bounded, and no blob is left without its line in the index', async () => {
    write({ mcpServers: { a: entry() } });
    for (let round = 0; round < 103; round++) {
      await change('cursor', 'import', 'a');
      await change('cursor', 'disconnect', 'a');
      write({ mcpServers: { a: entry() } });
    }
    const { edits } = await control.request('host.edits', {});
    expect(edits).toHaveLength(200);
    expect([...blobs.keys()].sort()).toEqual(
      ['host-edits', ...edits.map(({ id }) => `host-edit-${id}`)].sort(),
    );
  });

  test('what an earlier version kept, without paths and values, is undone', async () => {
    write({ mcpServers: { a: entry() } });
    const text = readFileSync(file, 'utf8');
    const old = async (): Promise<string> => {
      const id = await change('cursor', 'import', 'a');
      const kept = JSON.parse(String(blobs.get(`host-edit-${id}`)));
      const { path: _path, format: _format, pieces, ...former } = kept;
      const plain = pieces.map(({ before, after }: { before: string; after: string }) => ({ before, after }));
      blobs.set(`host-edit-${id}`, Buffer.from(JSON.stringify({ ...former, pieces: plain })));
      return id;
    };
    expect(await undo(await old())).toBe('whole');
    expect(readFileSync(file, 'utf8')).toBe(text);
    const id = await old();
    writeFileSync(file, readFileSync(file, 'utf8').replace('{\n', '{\n  "more": 1,\n'));
    expect(await undo(id)).toBe('servers');
    expect(readFileSync(file, 'utf8')).toBe(text.replace('{\n', '{\n  "more": 1,\n'));
  });
});

describe('W-HOST-39 a command or a daemon was killed', () => {
  test('before the file was written: there is nothing to undo', async () => {
    write({ mcpServers: { a: entry() } });
    const text = readFileSync(file, 'utf8');
    const id = await change('cursor', 'import', 'a');
    writeFileSync(file, text);
    expect(await undo(id)).toBe('nothing');
    expect(readFileSync(file, 'utf8')).toBe(text);
    expect([...blobs.keys()]).toEqual(['host-edits']);
    const made = join(dir, 'new', 'mcp.json');
    const created = await change('cursor', 'connect', 'x', { path: made });
    rmSync(made);
    expect(await undo(created)).toBe('nothing');
  });

  test('while it kept or forgot an edit: it is in the list, and undoing it is nothing', async () => {
    write({ mcpServers: { a: entry() } });
    const id = await change('cursor', 'import', 'a');
    blobs.delete(`host-edit-${id}`);
    expect(await undo(id)).toBe('nothing');
    expect(await control.request('host.edits', {})).toEqual({ edits: [] });
  });

  test('while it wrote: what it left beside the file is removed by the next, and what lives is not', async () => {
    write({ mcpServers: { a: entry() } });
    const dead = join(dir, '.mcp.json.warder-4194305-0123456789ab.tmp');
    const own = join(dir, `.mcp.json.warder-${process.pid}-0123456789ab.tmp`);
    const other = join(dir, '.other.json.warder-4194305-0123456789ab.tmp');
    for (const path of [dead, own, other]) writeFileSync(path, SECRET);
    await undo(await change('cursor', 'import', 'a'));
    expect(readdirSync(dir).sort()).toEqual(
      ['mcp.json', ...[own, other].map((path) => path.slice(dir.length + 1))].sort(),
    );
  });
});

describe('W-HOST-39 killed at every write', () => {
  test.each([
    ['import', 'mcp.json'],
    ['connect', 'mcp.json'],
    ['connect', 'new/mcp.json'],
  ] as const)('%s in %s: the file is the old or the new one, and undo ends clean', async (what, name) => {
    const path = join(dir, name);
    const isNew = name.startsWith('new');
    const before = JSON.stringify({ mcpServers: { a: entry() } }, null, 2);
    let after: string | undefined;
    let killed = true;
    for (let at = 0; killed; at++) {
      rmSync(dir, { recursive: true });
      mkdirSync(dir);
      blobs.clear();
      if (!isNew) writeFileSync(path, before, { mode: 0o600 });
      killed = await killedAt(at, () => change('cursor', what, what === 'import' ? 'a' : 'x', { path }));
      const now = existsSync(path) ? readFileSync(path, 'utf8') : undefined;
      if (now !== (isNew ? undefined : before)) {
        after ??= now;
        expect(now).toBe(after);
        expect(JSON.parse(now ?? '').mcpServers).toHaveProperty(
          what === 'import' ? ['a', 'args', '0'] : ['x'],
        );
      }
      // Again, as a person would; then all is undone.
      const { edits } = await control.request('host.edits', {});
      for (const { id } of edits) await undo(id);
      expect(existsSync(path) ? readFileSync(path, 'utf8') : undefined).toBe(isNew ? undefined : before);
      const id = await change('cursor', what, what === 'import' ? 'a' : 'x', { path });
      expect(await undo(id)).toBe(isNew ? 'removed' : 'whole');
      expect([...blobs.keys()]).toEqual(['host-edits']);
    }
    expect(after).toBeDefined();
  });

  test('undo: the file is the old or the new one, and undoing again ends clean', async () => {
    const before = JSON.stringify({ mcpServers: { a: entry() } }, null, 2);
    let killed = true;
    let rounds = 0;
    for (let at = 0; killed; at++, rounds++) {
      writeFileSync(file, before, { mode: 0o600 });
      const id = await change('cursor', 'import', 'a');
      const after = readFileSync(file, 'utf8');
      killed = await killedAt(at, () => undo(id));
      expect([before, after]).toContain(readFileSync(file, 'utf8'));
      if ((await control.request('host.edits', {})).edits.length > 0) await undo(id);
      expect(readFileSync(file, 'utf8')).toBe(before);
      expect([...blobs.keys()]).toEqual(['host-edits']);
    }
    expect(rounds).toBeGreaterThan(4);
  });
});

test('W-HOST-24 undo waits for the lock of a host, beside the link that the host knows', async () => {
  mkdirSync(join(dir, 'dotfiles'));
  mkdirSync(join(dir, '.copilot'));
  file = join(dir, 'dotfiles/mcp.json');
  write({ mcpServers: { a: entry() } });
  const path = join(dir, '.copilot/mcp-config.json');
  symlinkSync('../dotfiles/mcp.json', path);
  const lock = join(dir, '.copilot/.mcp-writer.lock');
  writeFileSync(lock, '');
  const id = await change('copilot-cli', 'import', 'a', { path });
  let undone: Promise<unknown>;
  {
    using _held = await lockFile(lock, 0);
    undone = undo(id);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(read().mcpServers.a.command).toBe(LAUNCH.command);
  }
  expect(await undone).toBe('whole');
});
