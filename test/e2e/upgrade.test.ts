// The program is upgraded in place while its daemon runs.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { openControl } from '../../src/control/client.ts';
import { connect as connectTo } from '../../src/os/connect.ts';
import { Frame, FrameDecoder, writeJson } from '../../src/wire/frame.ts';
import { Client } from '../fixtures/client.ts';
import { Home, server } from '../fixtures/home.ts';
import { Install } from '../fixtures/install.ts';
import { hasNative } from '../fixtures/launchers.ts';
import { fixtureServer } from '../fixtures/server.ts';

function home(install: Install): Home {
  const warder = new Home({ program: install.program });
  const [command = '', ...args] = server('everything');
  const profile = { server: { command, args }, sandbox: { off: true }, policy: { default: 'allow' } };
  warder.profile('echo', profile);
  return warder;
}

test('W-PROC-22 the files of a build stay while one of its daemons lives, and are swept when none does', async () => {
  using install = new Install();
  const first = install.build;
  await using one = home(install);
  await one.done(['daemon', 'start']);
  install.upgrade('SECONDAA');
  expect(install.builds).toEqual([first, 'SECONDAA'].sort());

  // Another user's files, the same program: a daemon of the new build starts, and leaves the old one's files.
  await using two = home(install);
  await two.done(['daemon', 'start']);
  expect(install.builds).toEqual([first, 'SECONDAA'].sort());
  await one.done(['stop']);
  await one.quiet();
  await two.done(['stop']);
  await two.done(['daemon', 'start']);
  expect(install.builds).toEqual(['SECONDAA']);
});

async function daemon(warder: Home): Promise<number> {
  const pid = await warder.daemon();
  if (pid === undefined) throw new Error('no daemon is running');
  return pid;
}

test('W-WIRE-21 a daemon whose build was replaced gives way, and its sessions go on until they end', async () => {
  using install = new Install();
  await using warder = await home(install).by(hasNative ? 'native' : 'node');
  await using old = warder.run('echo');
  await old.initialize();
  await old.call('echo', { message: 'first' });
  const first = await daemon(warder);
  // Two whose servers have not started yet.
  const [command = '', ...args] = server('everything');
  warder.profile('late', { server: { command, args }, policy: { default: 'allow' } });
  {
    await using known = warder.run('late');
    await known.initialize();
    await known.request('tools/list');
    await known.call('echo', { message: 'known' });
  }
  await using late = warder.run('late');
  await late.initialize();
  await using unused = warder.run('late');
  await unused.initialize();
  expect((await warder.done(['status'])).match(/not started/g)).toHaveLength(2);
  // As npm does it: the files of the old build are gone.
  install.upgrade('SECONDAA', { remove: true });

  await using young = warder.run('echo');
  await young.initialize();
  const second = await daemon(warder);
  expect(second).not.toBe(first);
  for (let round = 0; round < 5; round++) {
    expect(await old.call('echo', { message: `old ${round}` })).toContain(`old ${round}`);
    expect(await young.call('echo', { message: `young ${round}` })).toContain(`young ${round}`);
  }
  // What has not started with the old build starts with it, in its sandbox, though its files are gone.
  expect(await late.call('echo', { message: 'late' })).toContain('late');
  await late[Symbol.asyncDispose]();
  await unused[Symbol.asyncDispose]();
  const status = await warder.facts('status');
  expect(status.sessions).toHaveLength(1);
  expect(status.retired).toMatchObject([{ pid: first, sessions: 1 }]);
  expect(await warder.done(['status'])).toContain(
    `an older daemon goes on until its 1 session has ended: pid ${first}`,
  );

  // One log, one chain, whoever wrote a record.
  const calls = warder.audit('tool.call').map(({ session }) => session);
  expect(calls).toHaveLength(13);
  expect(new Set(calls).size).toBe(4);
  await warder.done(['audit', 'verify']);

  old.close();
  await old.ended;
  await expect.poll(async () => (await warder.facts('status')).retired).toBeUndefined();
  expect(await young.call('echo', { message: 'alone' })).toContain('alone');
  expect(warder.audit('daemon.stop')).toMatchObject([{ pid: first }]);
  await warder.done(['audit', 'verify']);
});

test('W-WIRE-21 a daemon without sessions ends when a newer program comes; one of the same build does not', async () => {
  using install = new Install();
  await using warder = home(install);
  await warder.done(['daemon', 'start']);
  const first = await daemon(warder);
  await warder.done(['daemon', 'start']);
  expect(await daemon(warder)).toBe(first);
  install.upgrade('SECONDAA');
  await warder.done(['daemon', 'start']);
  expect(await daemon(warder)).not.toBe(first);
  expect((await warder.facts('status')).retired).toBeUndefined();
});

test('W-WIRE-21 stop ends both daemons', async () => {
  using install = new Install();
  await using warder = home(install);
  await using old = warder.run('echo');
  await old.initialize();
  install.upgrade('SECONDAA');
  await using young = warder.run('echo');
  await young.initialize();
  expect(await warder.facts('stop')).toMatchObject({ sessions: 2 });
  await Promise.all([old.ended, young.ended]);
  await warder.quiet();
  expect(warder.audit('daemon.stop')).toHaveLength(2);
  await warder.done(['audit', 'verify']);
});

test.each(['the older', 'the newer'])(
  'W-AUDIT-20 killing %s daemon while both record leaves a log that verifies',
  async (victim) => {
    using install = new Install();
    await using warder = home(install);
    await using old = warder.run('echo');
    await old.initialize();
    const first = await daemon(warder);
    install.upgrade('SECONDAA');
    await using young = warder.run('echo');
    await young.initialize();
    const second = await daemon(warder);
    const [survivor, killed] = victim === 'the older' ? [young, old] : [old, young];
    let going = true;
    const answered = new Map<typeof old, number>();
    const load = async (client: typeof old): Promise<void> => {
      for (let count = 0; going; answered.set(client, ++count)) await client.call('echo', { message: 'x' });
    };
    const goesOn = (client: typeof old): Promise<void> => {
      const before = answered.get(client) ?? 0;
      return expect.poll(() => answered.get(client) ?? 0).toBeGreaterThan(before + 10);
    };
    const lost = load(killed).catch(() => {});
    const kept = load(survivor);
    await Promise.all([goesOn(killed), goesOn(survivor)]);
    process.kill(victim === 'the older' ? first : second, 'SIGKILL');
    await lost;
    await goesOn(survivor);
    going = false;
    await kept;
    await warder.done(['audit', 'verify']);
    // The next daemon joins whoever is left.
    await using next = warder.run('echo');
    await next.initialize();
    expect(await next.call('echo', { message: 'next' })).toContain('next');
    expect(await survivor.call('echo', { message: 'still' })).toContain('still');
    await warder.done(['audit', 'verify']);
  },
);

/** Sends a HAND_OVER as a program of a later version would; returns the answer, which the daemon ends. */
function ask(path: string, request: object): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect(path).once('error', reject);
    let answer: unknown;
    const decoder = new FrameDecoder({
      bytes() {},
      frame: (type, payload) => {
        answer = { type, ...JSON.parse(payload.toString()) };
      },
    });
    socket.on('data', (chunk: Buffer) => decoder.push(chunk));
    socket.once('end', () => socket.destroy()).once('close', () => resolve(answer));
    writeJson(socket, Frame.HAND_OVER, request);
  });
}

test('W-WIRE-21 a program with a raised wire number is given way to, and one of the same number is not', async () => {
  using install = new Install();
  await using warder = home(install);
  await using old = warder.run('echo');
  await old.initialize();
  const first = await daemon(warder);
  const { socket } = warder.places;
  const refused = { type: Frame.REFUSE, code: 'daemon-version' };
  expect(await ask(socket, { wire: 1, ask: 'hand-over' })).toMatchObject(refused);
  expect(await ask(socket, { wire: 0, ask: 'hand-over' })).toMatchObject(refused);
  const later = { wire: 99, ask: 'hand-over', member: 'of a later version' };
  expect(await ask(socket, later)).toMatchObject({ type: Frame.HAND_OVER, pid: first, sessions: 1 });
  const own = join(warder.places.run, `${first}.sock`);
  expect(await ask(own, { wire: 99, ask: 'status' })).toMatchObject({ pid: first, sessions: 1 });
  expect(await old.call('echo', { message: 'goes on' })).toContain('goes on');
  await warder.done(['daemon', 'start']);
  expect(await daemon(warder)).not.toBe(first);
  expect(await ask(own, { wire: 99, ask: 'stop' })).toMatchObject({ pid: first });
  await old.ended;
});

test('W-WIRE-22 W-WIRE-25 W-WIRE-26 questions, values, revocations, and what is accepted or forgotten hold for the sessions of both daemons', async () => {
  using install = new Install();
  await using warder = home(install);
  const [command = '', ...args] = server('everything');
  const credentials = { TOKEN: { deliver: 'env' } };
  const profile = {
    server: { command, args },
    credentials,
    sandbox: { off: true },
    policy: { default: 'allow' },
  };
  warder.profile('keyed', profile);
  const lists = join(warder.dir, 'lists.json');
  const list = (description: string): void =>
    writeFileSync(lists, JSON.stringify({ tools: [{ name: 'read', description, inputSchema: {} }] }));
  list('Reads.');
  const listed = fixtureServer('listed');
  warder.profile('listed', {
    server: { ...listed, args: [...listed.args, lists] },
    sandbox: { off: true },
    policy: { default: 'allow' },
  });
  await warder.done(['init', '--store', 'vault', '--key-file', join(warder.dir, 'key')]);
  await warder.done(['credential', 'set', 'keyed', 'TOKEN'], 'first-value-0123456789');
  await warder.done(['pin'], PIN);
  await using old = warder.run('keyed');
  await old.initialize();
  warder.profile('asked', {
    server: fixtureServer('stateless'),
    sandbox: { off: true },
    policy: { default: 'ask' },
  });
  await using oldAsked = warder.run('asked');
  await oldAsked.initialize();
  await using oldListed = warder.run('listed');
  await oldListed.initialize();
  expect(await oldListed.call('read')).toBe('read');
  install.upgrade('SECONDAA');
  await using young = warder.run('keyed');
  await young.initialize();
  expect((await warder.facts('status')).retired).toHaveLength(1);

  // A person sees what a session of the older daemon waits for, answers it, and takes the answer back.
  {
    await using watch = new Client([...warder.program, 'approvals', '--watch', '--json'], warder.env);
    await watch.until(() => watch.lines.length > 0, 'who watches');
    const first = oldAsked.ask('tools/call', { name: 'where', arguments: {} });
    await watch.until(
      () => watch.lines.some((line) => line.includes('call the tool')),
      'the question of the older daemon',
    );
    const [question] = await warder.questions();
    expect(question).toMatchObject({ profile: 'asked', kind: 'tools', name: 'where' });
    expect(await warder.done(['approve', question?.id ?? '', '--session', '--tool'])).toContain('allowed');
    expect((await first.answer).result.isError).toBeUndefined();
    const grants: { id: string; name: string; session: string | null }[] = await warder.facts('grants');
    const granted = grants.filter(({ session }) => session !== null);
    expect(granted).toMatchObject([{ name: 'where' }]);
    expect(await warder.facts('grants', 'revoke', granted[0]?.id ?? '')).toMatchObject(granted);
    expect((await warder.warder(['grants', 'revoke', granted[0]?.id ?? ''])).stderr).toContain('no grant');
    expect(warder.audit('consent.revoke')).toMatchObject([{ grant: granted[0]?.id, name: 'where' }]);
    const second = oldAsked.ask('tools/call', { name: 'where', arguments: {} });
    const [again] = await warder.questions();
    await warder.done(['deny', again?.id ?? '']);
    expect((await second.answer).result.isError).toBe(true);
  }

  // The server of both says something else, which a person accepts, takes back and forgets.
  list('Reads, and writes.');
  await using youngListed = warder.run('listed');
  await youngListed.initialize();
  for (const each of [oldListed, youngListed]) {
    await each.request('tools/list');
    expect(await each.call('read')).toContain('has changed');
  }
  await warder.done(['trust', 'accept', 'listed', '--yes'], PIN);
  for (const each of [oldListed, youngListed]) expect(await each.call('read')).toBe('read');
  await warder.done(['trust', 'accept', 'listed', '--undo', '--yes'], PIN);
  for (const each of [oldListed, youngListed]) expect(await each.call('read')).toContain('has changed');
  await using control = await warder.control();
  expect(await control.request('trust.forget', { profile: 'listed', pin: PIN })).toMatchObject({
    forgotten: true,
  });
  const accepted = () => warder.audit('trust.change').filter(({ outcome }) => outcome === 'accepted').length;
  const before = accepted();
  // Each is at its first use, which the settings accept.
  for (const each of [oldListed, youngListed]) expect(await each.call('read')).toBe('read');
  expect(accepted()).toBe(before + 2);

  const rotate = ['credential', 'rotate', 'keyed', 'TOKEN', '--json'];
  const rotated = JSON.parse(await warder.done(rotate, 'second-value-9876543210'));
  expect(rotated.sessions).toEqual({ moved: 2, kept: 0 });
  expect(await old.call('echo', { message: 'moved' })).toContain('moved');
  expect(await warder.facts('revoke', 'keyed/TOKEN')).toMatchObject({ ended: 2 });
  await Promise.all([old.ended, young.ended]);
});

test('W-WIRE-21 status lists the sessions of both daemons, and end ends those of the older one', async () => {
  using install = new Install();
  await using warder = home(install);
  await using old = warder.run('echo');
  await old.initialize();
  await using other = warder.run('echo');
  await other.initialize();
  install.upgrade('SECONDAA');
  await using young = warder.run('echo');
  await young.initialize();

  const status = await warder.facts('status');
  const [retired] = status.retired;
  expect(retired.list).toMatchObject([{ profile: 'echo' }, { profile: 'echo' }]);
  const [first, second] = retired.list.map(({ id }: { id: string }) => id);
  const text = await warder.done(['status']);
  for (const id of [first, second, status.sessions[0].id]) expect(text).toContain(id.slice(0, 8));

  expect(await warder.facts('end', first.slice(0, 12))).toEqual({ session: first, profile: 'echo' });
  expect((await old.ended).code).toBe(77);
  expect(await other.call('echo', { message: 'still' })).toContain('still');
  expect(await young.call('echo', { message: 'too' })).toContain('too');
  expect((await warder.warder(['end', 'ffffffffffffffff'])).stderr).toContain('no session has an id');
  expect(await warder.facts('end', second)).toEqual({ session: second, profile: 'echo' });
  await other.ended;
  expect(await warder.facts('end', status.sessions[0].id.slice(0, 12))).toMatchObject({ profile: 'echo' });
  expect((await young.ended).code).toBe(77);
});

const PIN = '2718';
const PASSPHRASE = 'a passphrase of some length';

/** A vault with a passphrase, and a profile that needs a value of it. */
async function keyed(install: Install): Promise<Home> {
  const warder = home(install);
  const [command = '', ...args] = server('everything');
  warder.profile('keyed', {
    server: { command, args },
    credentials: { TOKEN: { deliver: 'env' } },
    sandbox: { off: true },
    policy: { default: 'allow' },
  });
  await warder.done(['daemon', 'start']);
  // As "init" does it on a terminal.
  const uid = process.getuid?.() ?? -1;
  await using control = openControl(await connectTo({ places: warder.places, uid, env: {} }));
  await control.request('store.init', { store: 'vault', key: 'passphrase', passphrase: PASSPHRASE });
  await warder.done(['credential', 'set', 'keyed', 'TOKEN'], 'first-value-0123456789');
  return warder;
}

test("W-WIRE-24 after an upgrade a vault's passphrase need not be given again, and nobody who asks gets its key", async () => {
  using install = new Install();
  await using warder = await keyed(install);
  await using old = warder.run('keyed');
  await old.initialize();
  const first = await daemon(warder);
  install.upgrade('SECONDAA', { remove: true });
  await using young = warder.run('keyed');
  await young.initialize();
  expect(await daemon(warder)).not.toBe(first);
  const { retired, audit } = await warder.facts('status');
  expect(retired).toMatchObject([{ pid: first, sessions: 1 }]);
  expect(audit.signed).toBe(true);
  const sockets = [warder.places.socket, join(warder.places.socket, `../${first}.sock`)];
  for (const path of sockets) {
    for (const what of ['hand-over', 'status', 'refresh']) {
      const answer = JSON.stringify(await ask(path, { wire: 1, ask: what, inherit: true }));
      expect(answer).not.toMatch(/vault|mac|[A-Za-z0-9+/]{43}=/);
    }
  }
  expect(await old.call('echo', { message: 'old' })).toContain('old');

  // Also where the older daemon has no session and ends at once.
  old.close();
  young.close();
  await Promise.all([old.ended, young.ended]);
  await expect.poll(async () => (await warder.facts('status')).retired).toBeUndefined();
  install.upgrade('THIRDAAA');
  await using third = warder.run('keyed');
  await third.initialize();
  expect(await third.call('echo', { message: 'third' })).toContain('third');
  await warder.done(['audit', 'verify']);

  // A daemon that is stopped forgets.
  await warder.done(['stop']);
  await using locked = warder.run('keyed');
  expect((await locked.initialize()).error?.data).toMatchObject({ code: 'vault-locked' });
});

test.skipIf(process.platform !== 'linux')(
  'W-WIRE-24 a successor takes no key before it has given up core dumps',
  async () => {
    await using warder = new Home();
    const [node = '', ...words] = [...warder.program, 'daemon', 'run', '--report', '--inherit'];
    const successor = spawn(node, words, { env: warder.env, stdio: ['pipe', 'ignore', 'ignore'] });
    const ended = once(successor, 'exit');
    try {
      // Nothing was passed to it yet.
      const limits = `/proc/${successor.pid}/limits`;
      const noCore = /^Max core file size\s+0\s+0\s/m;
      await expect.poll(() => readFileSync(limits, 'utf8')).toMatch(noCore);
    } finally {
      successor.kill('SIGKILL');
      await ended;
    }
  },
);

test('W-CRED-41 a daemon that a passphrase has opened a vault for does not end because it is idle', async () => {
  using install = new Install();
  await using warder = await keyed(install);
  await warder.done(['stop']);
  const settings = join(warder.places.config, 'warder.yaml');
  const set = { ...parse(readFileSync(settings, 'utf8')), daemon: { idle: '1s' } };
  writeFileSync(settings, JSON.stringify(set));
  await warder.done(['credential', 'unlock'], PASSPHRASE);
  const pid = await daemon(warder);
  await sleep(2500);
  expect(await daemon(warder)).toBe(pid);
  await using host = warder.run('keyed');
  expect((await host.initialize()).error).toBeUndefined();
});
