// A credential with `confirm: true` through the built program: a real server uses it, and a person says whether it may.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Client } from '../fixtures/client.ts';
import { Home } from '../fixtures/home.ts';
import { Inside, Internet, listed, outward, range, recorded } from '../fixtures/internet.ts';
import type { Upstream } from '../fixtures/upstream.ts';

const SECRET = 'ghp_Zk3mXw81LqPv0TbN7sYcRd5uEa2GhJ46fKiO';
const PIN = '271828';

let internet: Internet;
let home: Home;
let api: Upstream;
let other: Upstream;

beforeAll(async () => {
  internet = await Internet.open();
  api = await internet.host(['api.test']);
  other = await internet.host(['other.test']);
  home = new Home();
  internet.join(home);
  await home.done(['init', '--store', 'vault', '--key-file', join(home.dir, 'key')]);
  await home.done(['credential', 'set', 'demo', 'TOKEN'], SECRET);
  await home.done(['pin'], PIN);
  profile('demo');
});

afterAll(async () => {
  await home[Symbol.asyncDispose]();
  await internet[Symbol.asyncDispose]();
});

function profile(name: string, more: object = {}): void {
  home.profile(name, {
    server: outward,
    credentials: { TOKEN: { name: 'demo/TOKEN', hosts: [listed(api), listed(other)], confirm: true } },
    sandbox: { network: [range(api), range(other)] },
    policy: { default: 'allow' },
    ...more,
  });
}

/** Somebody watches, until it is disposed of. */
async function watcher(): Promise<Client> {
  const watch = new Client([...home.program, 'approvals', '--watch', '--json'], home.env);
  await watch.until(() => watch.lines.length > 0, 'who watches');
  return watch;
}

async function question() {
  const [first] = await home.questions();
  if (first === undefined) throw new Error('nobody was asked');
  return first;
}

test('W-CONS-40 W-CONS-41 a use waits for a person with the PIN, and what was answered holds for that host', async () => {
  await using _watch = await watcher();
  await using inside = await Inside.open(home.run('demo'), [SECRET]);
  const { env } = await inside.see();
  const headers = { authorization: `Bearer ${env.TOKEN}` };
  const asked = inside.fetch(`${api.url}/echo?q=private`, { method: 'POST', headers, body: 'x' });
  const { id, lines, presence } = await question();
  expect(lines.join('\n')).toContain('use the credential "demo/TOKEN" at api.test');
  expect(lines).toEqual(expect.arrayContaining(['  method: "POST"', '  path: "/echo"']));
  expect(lines.join('\n')).not.toContain('private');
  expect(presence).toBe(true);
  expect(api.requests).toEqual([]);
  // Another call goes on meanwhile.
  expect((await inside.see()).env.TOKEN).toBe(env.TOKEN);

  expect((await home.warder(['approve', id])).stderr).toContain('PIN');
  expect(api.requests).toEqual([]);
  await home.done(['approve', id, '--session', '--tool'], PIN);
  expect((await asked).status).toBe(200);
  expect(api.requests.at(-1)?.headers.authorization).toBe(`Bearer ${SECRET}`);

  // At this host nobody is asked again, at another one somebody is.
  expect((await inside.fetch(`${api.url}/echo`, { headers })).status).toBe(200);
  const elsewhere = inside.fetch(`${other.url}/echo`, { headers });
  const again = await question();
  expect(again.lines[0]).toContain('at other.test');
  await home.done(['deny', again.id]);
  const refused = await elsewhere;
  expect(refused.status).toBe(403);
  expect(JSON.parse(refused.body).message).toMatch(
    /^the credential demo\/TOKEN is not put in: the user said no to: use the credential "demo\/TOKEN" at other\.test/,
  );
  expect(other.requests).toEqual([]);

  // From the call to the question, its answer, and what left then.
  const sent = await recorded(home, 'credential.use', { action: 'use', outcome: 'sent', host: 'api.test' });
  const [ask] = home.audit('consent.ask');
  const [answer] = home.audit('consent.answer');
  expect(ask).toMatchObject({
    kind: 'credential',
    name: expect.stringContaining('demo/TOKEN at api.test'),
    call: sent.call,
  });
  expect(answer).toMatchObject({
    question: ask?.question,
    decision: 'allow',
    scope: 'session',
    rule: sent.rule,
  });
  expect(
    [ask?.seq, answer?.seq, sent.seq].every((seq, i, all) => i === 0 || Number(all[i - 1]) < Number(seq)),
  ).toBe(true);
  expect((await home.facts('audit', 'verify')).ok ?? true).toBe(true);
});

test('W-CONS-5 W-CONS-40 where nobody is there, the use is refused at once, and the server is told what the user can do', async () => {
  await new Promise((resolve) => setTimeout(resolve, 2100));
  await using inside = await Inside.open(home.run('demo'), [SECRET]);
  const { env } = await inside.see();
  const { status, body } = await inside.fetch(`${api.url}/echo`, {
    headers: { authorization: `Bearer ${env.TOKEN}` },
  });
  expect(status).toBe(403);
  expect(JSON.parse(body).message).toContain(
    'the user can answer in a terminal with "warder approvals --watch", or take "confirm" from the credential',
  );
});

test('W-CONS-42 a server that uses it while it starts is refused, and nobody is asked', async () => {
  await using _watch = await watcher();
  const eager = join(home.dir, 'eager.mjs');
  writeFileSync(
    eager,
    `const { TOKEN, URL_OF_API } = process.env;
    const headers = { authorization: 'Bearer ' + TOKEN };
    const { status } = await fetch(URL_OF_API + '/early', { headers });
    console.error('at the start: ' + status);
    await import(${JSON.stringify(outward.args?.at(-1))});`,
  );
  profile('eager', {
    server: { command: process.execPath, args: [eager] },
    env: { URL_OF_API: api.url },
    sandbox: { network: [range(api), range(other)], read: [join(outward.args?.at(-1) ?? '', '..')] },
  });
  const asked = home.audit('consent.ask').length;
  await using inside = await Inside.open(home.run('eager'), [SECRET]);
  expect(inside.client.stderr).toContain('at the start: 403');
  expect(home.audit('consent.ask')).toHaveLength(asked);
  expect(await recorded(home, 'credential.use', { path: '/early' })).toMatchObject({
    outcome: 'refused',
    reason: expect.stringContaining('nobody is asked before the host has made a call'),
  });
});
