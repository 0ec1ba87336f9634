// What is agreed to of a remote server before anything is asked of it in the user's name.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { permissionsOf, widened } from '../../../../src/consent/trust/permissions.ts';
import { parseProfile } from '../../../../src/profile/format.ts';
import { Trusting } from '../../../fixtures/trusting.ts';

const URL_TEXT = 'https://mcp.example.com/mcp';
const TEXT = `server: {url: "${URL_TEXT}"}`;
const READ = { name: 'read', description: 'Reads a file.', inputSchema: { type: 'object' } };
const ISSUER = 'https://id.example.com';

/** A session of a remote server for a host program. Somebody watches for questions. */
async function open(
  home: Trusting,
  { host, text = TEXT, url = URL_TEXT }: { host?: string; text?: string; url?: string } = {},
) {
  await home.service.wait(undefined, 1);
  return home.open({ text, started: { url }, ...(host !== undefined && { host }) });
}

/** A person answers the question that is open. */
async function answers(home: Trusting, decision: 'allow' | 'deny'): Promise<readonly string[]> {
  const [question] = home.service.questions;
  if (question === undefined) throw new Error('nothing is asked');
  await home.service.answer(
    { id: question.id, decision, scope: 'once', extent: 'name', pin: undefined },
    'terminal',
  );
  return question.details ?? [];
}

/** A session whose host program and server were accepted as they are. */
async function accepted(home: Trusting, text = TEXT) {
  const session = await open(home, { text });
  while (session.trust.firstUse !== undefined) {
    if (session.trust.firstUse === 'baseline') session.listsAll([READ], 'Read first.');
    const { outcome } = session.trust.ask('1', undefined);
    await answers(home, 'allow');
    expect(await outcome).toMatchObject({ decision: 'allow' });
  }
  return session;
}

describe('W-REM-40 before a token is used for a host program', () => {
  test('the user is asked about the program, with the server and what its requests carry, and then about what it offers', async () => {
    using home = new Trusting({ firstUse: 'ask' });
    const session = await open(home);
    const { remote } = session.open;
    let changes = 0;
    remote.onChange(() => changes++);
    expect([session.trust.firstUse, remote.isAgreed, remote.offline]).toEqual(['host', false, undefined]);
    const first = session.trust.ask('1', undefined);
    expect(await answers(home, 'allow')).toEqual([
      'it is the server at https://mcp.example.com/mcp',
      'its requests carry oauth',
      'what it offers is shown to you before anything of it is used',
    ]);
    expect(await first.outcome).toMatchObject({ decision: 'allow' });
    expect([session.trust.firstUse, remote.isAgreed]).toEqual(['baseline', true]);
    expect(changes).toBeGreaterThan(0);
    // Nothing of the server is accepted yet.
    expect(session.trust.digest).toBeUndefined();
    session.listsAll([READ]);
    const second = session.trust.ask('1', undefined);
    const lines = await answers(home, 'allow');
    expect(lines).toContain('it is the server at https://mcp.example.com/mcp');
    expect(lines).toContain('it lists 1 tool:');
    expect(await second.outcome).toMatchObject({ decision: 'allow' });
    expect([session.trust.firstUse, remote.isAgreed]).toEqual([undefined, true]);
  });

  test('another program is asked about, though the server is accepted; a no stays a no', async () => {
    using home = new Trusting({ firstUse: 'ask' });
    await accepted(home);
    const other = await open(home, { host: '/usr/bin/other' });
    expect([other.trust.firstUse, other.open.remote.isAgreed]).toEqual(['host', false]);
    const { outcome } = other.trust.ask('1', undefined);
    expect((await answers(home, 'deny')).join()).toContain('this program has not used it yet');
    expect(await outcome).toMatchObject({ decision: 'deny' });
    expect(other.open.remote.isAgreed).toBe(false);
  });

  test('a server that is used without one is as a local one: asked about once, with all that it lists', async () => {
    using home = new Trusting({ firstUse: 'ask' });
    const session = await open(home, { text: `{${TEXT}, auth: {type: none}}` });
    expect([session.trust.firstUse, session.open.remote.isAgreed]).toEqual(['baseline', true]);
  });

  test('with "first-use: accept" nobody is asked, and what was refused before stays refused', async () => {
    using home = new Trusting({ firstUse: 'accept' });
    const session = await open(home);
    expect([session.trust.firstUse, session.open.remote.isAgreed]).toEqual(['host', true]);
    expect(await session.trust.ask('1', undefined).outcome).toMatchObject({ decision: 'allow' });
    expect([session.trust.firstUse, session.trust.digest]).toEqual(['baseline', undefined]);
    session.listsAll([READ]);
    await session.trust.ask('1', undefined).outcome;
    expect(session.trust.firstUse).toBeUndefined();
    using asking = new Trusting({ firstUse: 'ask' });
    const denied = await open(asking);
    const { outcome } = denied.trust.ask('1', undefined);
    const [question] = asking.service.questions;
    const never = { decision: 'deny', scope: 'always', extent: 'name', pin: undefined } as const;
    await asking.service.answer({ id: question?.id ?? '', ...never }, 'terminal');
    expect(await outcome).toMatchObject({ decision: 'deny' });
    expect(denied.open.remote.isAgreed).toBe(false);
  });
});

/** What a server elsewhere needs for that. */
const LOCAL_ISSUER = 'auth: {type: oauth, issuer: "http://127.0.0.1:8080"}';

describe('W-REM-42 what is other than it was agreed to', () => {
  test('another issuer of the token is asked about before the token is used', async () => {
    using home = new Trusting({ firstUse: 'ask' });
    const first = await open(home);
    const host = first.trust.ask('1', undefined);
    await answers(home, 'allow');
    await host.outcome;
    first.open.remote.issuedBy(ISSUER);
    expect(first.open.remote.isAgreed).toBe(true);
    const { server } = first.open;
    first.listsAll([READ]);
    const baseline = first.trust.ask('1', undefined);
    await answers(home, 'allow');
    await baseline.outcome;
    first.open.remote.issuedBy(ISSUER);
    expect([first.trust.firstUse, first.open.server]).toEqual([undefined, server]);
    first.open.remote.issuedBy('https://evil.example');
    expect([first.trust.firstUse, first.open.remote.isAgreed]).toEqual(['host', false]);
    expect(first.open.server).not.toBe(server);
    const { outcome } = first.trust.ask('2', undefined);
    expect(await answers(home, 'allow')).toContain('  its requests carry a token of https://evil.example');
    await outcome;
    expect([first.trust.firstUse, first.open.remote.isAgreed]).toEqual([undefined, true]);
  });

  test('another URL holds back all of it, and no token is used', async () => {
    using home = new Trusting({ firstUse: 'accept' });
    const first = await open(home);
    await first.trust.ask('1', undefined).outcome;
    first.listsAll([READ]);
    await first.trust.ask('1', undefined).outcome;
    const url = 'https://mcp.example.net/mcp';
    const other = await open(home, { text: `server: {url: "${url}"}`, url });
    expect(other.trust.blocked).toContain('it is another server than the one that the user has accepted');
    expect([other.open.remote.isAgreed, other.open.remote.offline]).toEqual([false, undefined]);
  });

  test.each([
    ['auth: {type: bearer, credential: a/b}', 'its requests carry bearer, credential "a/b"'],
    ['auth: {type: oauth, client-id: other}', 'its requests carry oauth, client-id "other"'],
    ['auth: {type: oauth, scopes: [admin]}', 'its requests carry oauth, scopes ["admin"]'],
    ['allow-private: [10.0.0.0/8]', 'it may be at addresses of 10.0.0.0/8'],
    [`insecure-loopback: true, ${LOCAL_ISSUER}`, 'it may be at this machine, without TLS'],
  ])('a profile that gives it more is asked about: %s', (added, line) => {
    const of = (text: string) => permissionsOf(parseProfile(text, 'test.yaml', 'demo'));
    expect(widened(of(`{${TEXT}}`), of(`{${TEXT}, ${added}}`))).toContain(line);
    expect(widened(of(`{${TEXT}, ${added}}`), of(`{${TEXT}, ${added}}`))).toEqual([]);
  });

  test('how a person signs in is no part of it, headers are', () => {
    const of = (text: string) => permissionsOf(parseProfile(text, 'test.yaml', 'demo'));
    expect(widened(of(TEXT), of(`{${TEXT}, auth: {type: oauth, callback-port: 9123}}`))).toEqual([]);
    const header = of(`server: {url: "${URL_TEXT}", headers: {X-Region: eu}}`);
    expect(widened(of(TEXT), header)).toEqual(['it runs: header X-Region: eu']);
  });
});

describe('W-REM-45 while the server is not asked', () => {
  const identity = { name: '"files"', version: '"1.0"', capabilities: '{"tools":{}}' };

  /** A session that was accepted, and the introduction of its server. */
  async function introduced(home: Trusting): Promise<void> {
    const session = await accepted(home);
    session.trust.introduced({
      instructions: 'Read first.',
      title: 'Files',
      description: undefined,
      identity,
    });
    session[Symbol.dispose]();
  }

  test('what the user has accepted is known, also to the next daemon, and nothing else of what it says', async () => {
    using home = new Trusting({ firstUse: 'ask' });
    await introduced(home);
    home.daemon();
    await home.unlock();
    const session = await open(home);
    const offline = session.open.remote.offline;
    // The title was not accepted.
    expect(offline).toMatchObject({
      serverInfo: '{"name":"files","version":"1.0"}',
      instructions: '"Read first."',
      capabilities: '{"tools":{}}',
      prompts: [],
    });
    expect(offline?.tools.map((text) => JSON.parse(text))).toEqual([READ]);
  });

  test('what another program has written there does not count', async () => {
    using home = new Trusting({ firstUse: 'ask' });
    await introduced(home);
    const path = join(home.folder, 'trust/demo.identity.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace('files', 'other'));
    home.daemon();
    await home.unlock();
    const session = await open(home);
    expect(session.open.remote.offline).toMatchObject({ serverInfo: undefined, capabilities: undefined });
    expect(session.open.remote.offline?.tools).toHaveLength(1);
  });

  test('nothing is known while the credential store is not open', async () => {
    using home = new Trusting({ firstUse: 'ask' });
    await introduced(home);
    home.store = 'locked';
    home.daemon();
    const session = await open(home);
    expect([session.open.remote.offline, session.open.remote.isAgreed]).toEqual([undefined, false]);
  });
});
