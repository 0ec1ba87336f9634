// `warder status`, and the checks of `warder doctor` on the gate and the locks.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { expect, test } from 'vitest';
import {
  checkCertificates,
  checkLocks,
  checkProxyLogin,
} from '../../../src/commands/doctor/settings-checks.ts';
import { statusCommand } from '../../../src/commands/status.ts';
import { Locks } from '../../../src/credential/locks.ts';
import { WarderError } from '../../../src/errors.ts';
import { LANDLOCK_LAYERS, REQUIRED_LAYERS } from '../../../src/sandbox/layers.ts';
import type { Result, SessionStatus } from '../../../src/wire/control.ts';
import { daemonStatus } from '../../fixtures/daemon-status.ts';
import { FakeCli } from '../../fixtures/fake-cli.ts';

type Credentials = Result<'status'>['credentials'];

async function shown(cli: FakeCli, parts: Partial<Result<'status'>>): Promise<string[]> {
  await cli.run(statusCommand, ['status'], { answers: { status: () => daemonStatus(parts) } });
  return cli.out;
}

const nothing: Credentials = { locked: false, guarded: false, revoked: [], doubted: [] };

test('without a lock, revocations or refusals nothing is printed about them', async () => {
  using cli = new FakeCli();
  expect((await shown(cli, {})).join('\n')).not.toMatch(/locked|revoked|expired/);
});

test('W-SEAL-5 a lock and revocations are shown', async () => {
  using cli = new FakeCli();
  const credentials = { ...nothing, locked: true, revoked: ['a/token', 'b/token'] };
  const out = await shown(cli, { credentials });
  expect(out.slice(out.indexOf('sessions | 0') + 1)).toEqual([
    'locked | no credential is used: "warder unlock"',
    'revoked | a/token',
    ' | b/token',
  ]);
});

test('a credential that a host refused is shown, with the time', async () => {
  using cli = new FakeCli();
  const now = new Date();
  const two = (number: number): string => String(number).padStart(2, '0');
  const doubt = { name: 'github/token', version: 'x', host: 'api.github.com' };
  const out = await shown(cli, {
    credentials: {
      ...nothing,
      doubted: [
        { ...doubt, status: 401, since: now.toISOString() },
        { ...doubt, name: 'b/token', status: 403, since: new Date(2024, 1, 3, 4, 5).toISOString() },
      ],
    },
  });
  expect(out.slice(-2)).toEqual([
    `\ngithub/token may have expired: api.github.com answered 401 at ${two(now.getHours())}:${two(now.getMinutes())}`,
    '\nb/token may have expired, or lack a permission: api.github.com answered 403 on 2024-02-03 at 04:05',
  ]);
});

test('the network of each session is shown, shortened', async () => {
  using cli = new FakeCli();
  const session: SessionStatus = {
    ...{
      id: 's1',
      profile: 'demo',
      host: { pid: 1 },
      server: { pid: 2 },
      since: '',
      calls: 0,
      inflight: 0,
      loop_ms: 0,
      gate_loop_ms: 0,
    },
    ...{ sandbox: 'on', layers: ['environment'], network: [] },
  };
  const out = await shown(cli, {
    sessions: [
      session,
      { ...session, network: ['a.b'] },
      { ...session, network: ['a.b', '*.c.d', 'e.f:8443', '10.0.0.0/8'] },
      { ...session, sandbox: 'off' },
    ],
  });
  const column = (line: string | undefined): string | undefined => line?.split(' | ').at(-1);
  const head = out.findIndex((line) => line.startsWith('SESSION'));
  expect(out.slice(head, head + 5).map(column)).toEqual(['NETWORK', 'none', 'a.b', 'a.b, *.c.d +2', 'all']);
});

test('the sandbox of a session is full, or what it lacks is named; no line is long', async () => {
  using cli = new FakeCli();
  const host = 'a-host-with-quite-a-long-name.example.com';
  const session = (
    layers: readonly string[],
    parts: Partial<Pick<SessionStatus, 'sandbox' | 'network'>> = {},
  ): SessionStatus => ({
    ...{
      id: '0123456789abcdef',
      profile: 'a-name-of-20-letters',
      host: { pid: 1234567, exe: '/bin/claude' },
    },
    ...{ server: { pid: 1234568 }, since: new Date().toISOString(), calls: 1234, inflight: 2 },
    ...{ loop_ms: 0, gate_loop_ms: 0, sandbox: 'on', network: [], ...parts, layers: [...layers] },
  });
  const full = [...REQUIRED_LAYERS, 'cgroups'];
  const out = await shown(cli, {
    sessions: [
      session(full),
      session(full, { network: [host, 'b.example.com'] }),
      session([...full, 'egress-gate'], { network: [host, 'b.example.com'] }),
      session(REQUIRED_LAYERS),
      session([...LANDLOCK_LAYERS, 'signals']),
      session(LANDLOCK_LAYERS),
      session(['seatbelt-unmeasured', 'environment-unmeasured']),
      session(['environment'], { sandbox: 'off' }),
      session(['remote']),
    ],
  });
  const head = out.findIndex((line) => line.startsWith('SESSION'));
  const rows = out.slice(head + 1, head + 10);
  expect(rows.map((line) => line.split(' | ')[6])).toEqual([
    ...['full', 'not full', 'full', 'not full', 'landlock', 'not full', 'seatbelt', 'off', 'remote'],
  ]);
  expect(rows[2]).toMatch(new RegExp(`^01234567 .* 1234, 2 open .* ${host} \\+1$`));
  expect(out.slice(head + 10)).toEqual(
    ['egress-gate', 'cgroups', 'signals'].map(
      (layer) => `\nsession 01234567 (a-name-of-20-letters) runs without these layers: ${layer}`,
    ),
  );
  expect(Math.max(...rows.map((row) => row.length))).toBeLessThan(150);
});

test('[W-EGR-12] a session that held up the others is named', async () => {
  using cli = new FakeCli();
  const session = (id: string, loop_ms: number, gate_loop_ms: number): SessionStatus => ({
    ...{ id, profile: 'demo', host: { pid: 1 }, server: {}, since: '', calls: 0, inflight: 0 },
    ...{ loop_ms, gate_loop_ms, sandbox: 'on', layers: [], network: [] },
  });
  const out = await shown(cli, {
    sessions: [session('s1', 50, 0), session('s2', 80, 3), session('s3', 0, 51), session('s4', 60, 70)],
  });
  expect(out.filter((line) => line.includes('held up'))).toEqual([
    '\nsession s2 (demo) held up all others for 80 ms',
    '\nsession s3 (demo) held up all others by its gate for 51 ms',
    '\nsession s4 (demo) held up all others for 60 ms, by its gate for 70 ms',
  ]);
});

test('the JSON output is the answer of the daemon', async () => {
  using cli = new FakeCli();
  const credentials = { ...nothing, revoked: ['a/token'] };
  const answers = { status: () => daemonStatus({ credentials }) };
  await cli.run(statusCommand, ['status'], { answers, json: true });
  expect(cli.values).toMatchObject([{ credentials }]);
});

/** A place with these settings. */
function settings(cli: FakeCli, text: string): FakeCli['places'] {
  mkdirSync(cli.places.config, { recursive: true, mode: 0o700 });
  writeFileSync(join(cli.places.config, 'warder.yaml'), text, { mode: 0o600 });
  return cli.places;
}

test('doctor reads the certificates that the settings name', () => {
  using cli = new FakeCli();
  expect(checkCertificates(cli.places)).toEqual([]);
  const file = join(cli.dir, 'ca.pem');
  const places = settings(cli, `egress: {ca: ${file}}`);
  expect(checkCertificates(places)).toMatchObject([
    {
      name: 'egress.ca',
      state: 'fail',
      detail: expect.stringContaining('(ENOENT)'),
      hint: expect.any(String),
    },
  ]);
  writeFileSync(file, 'no certificate');
  expect(checkCertificates(places)).toMatchObject([
    { state: 'fail', detail: `there is no certificate in ${file}` },
  ]);
  writeFileSync(file, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
  expect(checkCertificates(places)).toMatchObject([
    { state: 'fail', detail: expect.stringContaining('can be read') },
  ]);
  writeFileSync(file, rootCertificates.slice(0, 2).join('\n'));
  expect(checkCertificates(places)).toEqual([
    { name: 'egress.ca', state: 'ok', detail: `${file}, 2 certificates` },
  ]);
  settings(cli, 'egress: {ca: relative.pem}');
  expect(checkCertificates(places)).toEqual([]);
});

test("doctor reports a missing value of the proxy's credential", async () => {
  using cli = new FakeCli();
  const control = (names: readonly string[] | WarderError) => ({
    async request(): Promise<never> {
      if (names instanceof WarderError) throw names;
      return { credentials: names.map((name) => ({ name })), missing: [] } as never;
    },
    closed: Promise.resolve(),
    async [Symbol.asyncDispose]() {},
  });
  expect(await checkProxyLogin(cli.places, control([]))).toEqual([]);
  const places = settings(cli, 'egress: {proxy: "http://proxy:3128", login: proxy/login}');
  expect(await checkProxyLogin(places, control(['proxy/login']))).toMatchObject([{ state: 'ok' }]);
  expect(await checkProxyLogin(places, control(['other']))).toMatchObject([
    { name: 'egress.login', state: 'fail', hint: expect.stringContaining('set --name proxy/login') },
  ]);
  expect(await checkProxyLogin(places, control(new WarderError('vault-locked', 'locked')))).toEqual([]);
});

test('W-SEAL-5 doctor reports locks, and a lock file that cannot be read', () => {
  using cli = new FakeCli();
  const { places } = cli;
  mkdirSync(places.state, { recursive: true, mode: 0o700 });
  const open = (): Locks => new Locks(places, { debug() {}, info() {}, warn() {}, error() {} });
  expect(checkLocks(places)).toEqual({ name: 'locks', state: 'ok', detail: 'nothing is locked' });
  open().revoke('a/token');
  expect(checkLocks(places)).toMatchObject({ state: 'ok', detail: 'nothing is locked; revoked: a/token' });
  open().lock(undefined);
  expect(checkLocks(places)).toMatchObject({
    state: 'warn',
    detail: 'all credentials are locked; revoked: a/token',
    hint: 'run "warder unlock"',
  });
  writeFileSync(join(places.state, 'locks.json'), 'x');
  expect(checkLocks(places)).toMatchObject({
    state: 'fail',
    detail: expect.stringContaining('cannot be read: all credentials are locked'),
    hint: expect.stringContaining('warder unlock'),
  });
});
