// Invalid input from a host or a server, through all of Warder: the result is a clear error, and the session continues.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Home } from '../fixtures/home.ts';
import { type FixtureServer, fixtureServer } from '../fixtures/server.ts';

function home(...servers: FixtureServer[]): Home {
  const made = new Home();
  for (const name of servers)
    made.profile(name, { server: fixtureServer(name), policy: { default: 'allow' } });
  return made;
}

/** Bytes of resident memory. */
function resident(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

test('a host that sends junk gets errors, and its valid requests still go through', async () => {
  await using warder = home('slow');
  await using host = warder.run('slow');
  await host.initialize();
  const call = (id: unknown) =>
    `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"method":"tools/call","params":{"name":"slow","arguments":{"ms":1,"say":${JSON.stringify(`for ${id}`)}}}}\n`;

  await host.send('this is no JSON\n');
  expect((await host.answer(null)).error?.code).toBe(-32700);
  await host.send('[{"jsonrpc":"2.0","id":7,"method":"ping"}]\n');
  expect(await host.answer(7)).toBeDefined();
  await host.send('{"jsonrpc":"2.0","id":8,"method":"ping","method":"tools/list"}\n');
  expect((await host.answer(8)).error?.code).toBe(-32600);
  await host.send('{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"slow","name":"count"}}\n');
  expect((await host.answer(9)).error).toBeDefined();
  await host.send('\n   \n');
  await host.send(Buffer.from([0xff, 0xfe, 0x00, 0x0a]));
  for (const id of [0, '', 'a', 9007199254740991]) {
    await host.send(call(id));
    expect((await host.answer(id)).result.content[0].text).toBe(`for ${id}`);
  }
  // An integer that does not fit into a double is recorded digit by digit.
  await host.send(call(0).replace('"id":0', '"id":12345678901234567890'));
  expect(await host.call('slow', { ms: 1, say: 'behind it' })).toBe('behind it');
  expect(warder.audit('tool.call').map(({ id }) => id)).toContain('12345678901234567890');
});

test('a line of 200 MB is refused from the host, and from the server it fails only its call', async () => {
  await using warder = home('big');
  await using host = warder.run('big');
  await host.initialize();
  const piece = Buffer.alloc(1e6, 'x');
  const daemon = (await warder.daemon()) ?? 0;
  const before = resident(daemon);

  await host.send(
    '{"jsonrpc":"2.0","id":"long","method":"tools/call","params":{"name":"big","arguments":{"text":"',
  );
  for (let sent = 0; sent < 200; sent++) await host.send(piece);
  await host.send('"}}}\n');
  await host.until(() => host.lines.find((line) => line.includes('"error"')), 'the refusal of a long line');

  const { error } = await host.request('tools/call', { name: 'big', arguments: { bytes: 200_000_000 } });
  expect(error?.message).toMatch(/long|limit/);
  expect(resident(daemon) - before).toBeLessThan(200e6);

  const { result } = await host.request('tools/call', { name: 'big', arguments: { bytes: 1_000_000 } });
  expect(result.content[0].text).toHaveLength(1_000_000);
});

test('a host that stops reading does not grow the daemon', async () => {
  await using warder = home('flood');
  await using host = warder.run('flood');
  await host.initialize();
  const daemon = (await warder.daemon()) ?? 0;
  const before = resident(daemon);
  host.pause();
  const lines = 1_000_000;
  const { answer } = host.ask('tools/call', { name: 'flood', arguments: { lines } }, 50);
  // More than all buffers on the path can take, if nothing applied backpressure.
  let last = -1;
  for (let now = resident(daemon); now !== last; now = resident(daemon)) {
    last = now;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  expect(last - before).toBeLessThan(50e6);
  host.resume();
  expect((await answer).result.content[0].text).toBe('done');
  expect(host.lines.length).toBeGreaterThanOrEqual(lines);
});

test('a server that never reads does not block the daemon, and ends with its session', async () => {
  await using warder = home('deaf', 'slow');
  await warder.done(['daemon', 'start']);
  const daemon = (await warder.daemon()) ?? 0;
  await using deaf = warder.run('deaf');
  let held = false;
  const line = `{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"${'x'.repeat(1e6)}"}}\n`;
  const sending = (async () => {
    for (let sent = 0; sent < 100 && !held; sent++) await deaf.send(line);
  })();
  await using other = warder.run('slow');
  await other.initialize();
  expect(await other.call('slow', { ms: 1, say: 'meanwhile' })).toBe('meanwhile');
  expect(resident(daemon)).toBeLessThan(300e6);
  held = true;
  deaf.kill();
  await sending.catch(() => {});
  other.close();
  await other.ended;
  await warder.quiet([daemon]);
});

test('server output that is not JSON-RPC goes to the log, not to the host', async () => {
  await using warder = home('junk');
  await using host = warder.run('junk');
  await host.initialize();
  expect(await host.call('junk')).toBe('between');
  for (const line of host.lines) expect(JSON.parse(line)).toMatchObject({ jsonrpc: '2.0' });
  expect(readFileSync(warder.places.log, 'utf8')).toContain('Server running on stdio');
});

test.each([
  ['crash-at-start', [] as string[], 3],
  ['crash-at-start', ['SIGSEGV'], 128 + 11],
] as const)('a server that ends at once ends the run with its exit code: %s %j', async (name, args, code) => {
  await using warder = new Home();
  warder.profile('broken', { server: fixtureServer(name, ...args), policy: { default: 'allow' } });
  await using host = warder.run('broken');
  const { answer } = host.ask('initialize');
  expect((await answer).error?.message).toMatch(/server/);
  expect((await host.ended).code).toBe(code);
  expect(host.stderr).toContain('fatal: no configuration');
});

test('a server that ends during a call fails the call, and the run ends with its exit code and without partial lines', async () => {
  await using warder = home('crash-in-call');
  await using host = warder.run('crash-in-call');
  await host.initialize();
  expect(
    (await host.request('tools/call', { name: 'crash', arguments: { half: true } })).error?.message,
  ).toMatch(/server/);
  expect((await host.ended).code).toBe(7);
  for (const line of host.lines) JSON.parse(line);
});

test.each([
  ['nobody', 65, /no profile "nobody"|"nobody"/],
  ['../etc/passwd', 64, /name/],
  ['missing', 127, /no-such-program/],
  ['broken', 65, /broken\.yaml:3/],
  ['unknown', 65, /polcy.*policy/s],
])('warder run %s ends with %i and says why', async (profile, exit, why) => {
  await using warder = new Home();
  warder.profile('missing', { server: { command: 'no-such-program' }, policy: { default: 'allow' } });
  warder.profile('broken', 'server:\n  command: [unclosed\n');
  warder.profile('unknown', 'server:\n  command: node\npolcy:\n  default: allow\n');
  const { code, stdout, stderr } = await warder.warder(['run', profile]);
  expect(stderr).toMatch(/^warder: error: /m);
  expect(stderr).toMatch(why);
  expect({ code, stdout }).toEqual({ code: exit, stdout: '' });
});

test('W-RELAY-11 a host that closes its input gets the answer to the call that is open', async () => {
  await using warder = home('slow');
  await using host = warder.run('slow');
  await host.initialize();
  const { answer } = host.ask('tools/call', { name: 'slow', arguments: { ms: 3000, say: 'after all' } });
  host.close();
  expect((await answer).result.content[0].text).toBe('after all');
  expect((await host.ended).code).toBe(0);
});

test('last words of a server in its sandbox always arrive', async () => {
  await using warder = new Home();
  warder.profile('broken', { server: fixtureServer('crash-at-start'), policy: { default: 'allow' } });
  for (let start = 0; start < 10; start++) {
    await using host = warder.run('broken');
    expect((await host.ended).code).toBe(3);
    expect(host.stderr).toContain('fatal: no configuration');
  }
});

test('W-RELAY-6 a server that floods its standard error does not grow the daemon', async () => {
  await using warder = home('flood');
  await using host = warder.run('flood');
  await host.initialize();
  const daemon = (await warder.daemon()) ?? 0;
  const before = resident(daemon);
  host.ask('tools/call', { name: 'flood', arguments: { stderr: true } });
  let most = 0;
  for (let looks = 0; looks < 30 || host.stderr.length <= 1e6; looks++) {
    most = Math.max(most, resident(daemon));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(most - before).toBeLessThan(60e6);
  // It is not the others who pay.
  warder.profile('slow', { server: fixtureServer('slow'), policy: { default: 'allow' } });
  await using other = warder.run('slow');
  await other.initialize();
  expect(await other.call('slow', { ms: 1, say: 'meanwhile' })).toBe('meanwhile');
  host.kill();
});

test.each([
  ['nobody', 'profile-missing'],
  ['missing', 'server-missing'],
])('W-RELAY-11 a refused start of "%s" answers `initialize` with the reason', async (profile, code) => {
  await using warder = new Home();
  warder.profile('missing', { server: { command: 'no-such-program' }, policy: { default: 'allow' } });
  await using host = warder.run(profile);
  const { error } = await host.request('initialize', { protocolVersion: '2025-11-25' });
  expect(error).toMatchObject({ code: -32015, data: { code } });
  await host.ended;
  expect(host.stderr).toContain(error?.message);
});

test('`warder end` ends one session, and its launcher says why', async () => {
  await using warder = home('slow');
  await using one = warder.run('slow');
  await one.initialize();
  await using other = warder.run('slow');
  await other.initialize();
  const { sessions } = await warder.facts('status');
  const ids: string[] = sessions.map(({ id }: { id: string }) => id);
  const { answer } = one.ask('tools/call', { name: 'slow', arguments: { ms: 60_000 } });
  await warder.done(['end', ids[0] ?? '']);
  expect((await answer).error?.message).toContain('the session was ended');
  expect((await one.ended).code).toBe(77);
  expect(one.stderr).toContain('warder: error: the user ended the session with "warder end"');
  expect(await other.call('slow', { ms: 1, say: 'still here' })).toBe('still here');
  expect(await warder.warder(['end', ids[0] ?? ''])).toMatchObject({ code: 64 });
});

test('W-POL-9 a changed profile holds for its open session', async () => {
  await using warder = home('slow');
  await using host = warder.run('slow');
  await host.initialize();
  expect(await host.call('slow', { ms: 1, say: 'before' })).toBe('before');
  warder.profile('slow', {
    server: fixtureServer('slow'),
    policy: { default: 'allow', tools: { slow: 'deny' } },
  });
  await host.until(() => host.lines.some((line) => line.includes('list_changed')), 'the notification');
  const { error } = await host.request('tools/call', { name: 'slow', arguments: { ms: 1 } });
  expect(error?.data).toMatchObject({ code: 'refused' });
});
