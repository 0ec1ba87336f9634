// Real clients, with the trust files of a sandbox and outside of any: each accepts what the session's authority
// signed for the sealed hosts, and refuses what such an authority signs for another.
import { execFile } from 'node:child_process';
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createSecureContext, type SecureContext } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Authority } from '../../../src/egress/tls/authority.ts';
import { trustFiles, trustVariables } from '../../../src/egress/trust.ts';
import { TestAuthority } from '../../fixtures/authority.ts';
import { randomAddress } from '../../fixtures/upstream.ts';

const run = promisify(execFile);
const clients = join(import.meta.dirname, '../..', 'fixtures', 'clients');
const folder = mkdtempSync(join(tmpdir(), 'warder-trust-'));
const address = randomAddress();

const session = Authority.create(['api.sealed.test', '*.wild.test'], Date.now());
// The session's authority signs for nobody else. This one has the same constraints and is trusted in the same way,
// and signs for anyone.
const bound = new TestAuthority('Bound', ['api.bound.test', 'wild.test']);
const machine = new TestAuthority("The machine's");
const stranger = new TestAuthority('Stranger');

const issued = (by: TestAuthority, name: string): SecureContext => createSecureContext(by.issue([name]));
/** The context of each name. */
const CONTEXTS: Readonly<Record<string, SecureContext>> = {
  'api.sealed.test': session.contextFor('api.sealed.test'),
  'far.below.wild.test': session.contextFor('far.below.wild.test'),
  'api.bound.test': issued(bound, 'api.bound.test'),
  'machine.test': issued(machine, 'machine.test'),
  'outside.test': issued(bound, 'outside.test'),
  'notwild.test': issued(bound, 'notwild.test'),
  'sealed.test': issued(bound, 'sealed.test'),
  'stranger.test': issued(stranger, 'stranger.test'),
  'neighbour.test': Authority.create(['neighbour.test'], Date.now()).contextFor('neighbour.test'),
};
const GOOD = ['api.sealed.test', 'far.below.wild.test', 'api.bound.test'];
const BAD = ['outside.test', 'notwild.test', 'sealed.test', 'stranger.test', 'neighbour.test'];

const server = createServer(
  { SNICallback: (name, done) => done(null, CONTEXTS[name]) },
  (request, response) => void response.writeHead(request.url === '/' ? 200 : 404).end(),
);
const paths = {
  bundle: join(folder, 'ca.pem'),
  session: join(folder, 'session.pem'),
  keystore: join(folder, 'trust.jks'),
};
const env = {
  PATH: process.env.PATH,
  HOME: folder,
  GOCACHE: join(folder, 'go'),
  GO111MODULE: 'off',
  RESOLVE: address,
  ...trustVariables(paths),
};

beforeAll(async () => {
  const system = Buffer.from(machine.ca);
  const files = trustFiles({ system, roots: [], added: [session.certificate, bound.ca] });
  for (const name of ['bundle', 'session', 'keystore'] as const) writeFileSync(paths[name], files[name]);
  writeFileSync(
    join(folder, 'hosts'),
    Object.keys(CONTEXTS)
      .map((name) => `${address} ${name}\n`)
      .join(''),
  );
  mkdirSync(env.GOCACHE);
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

/** What a client does with each name: `ok`, or why it refuses. */
async function request(
  names: readonly string[],
  command: string,
  ...args: string[]
): Promise<Record<string, string>> {
  const { port } = server.address() as AddressInfo;
  const urls = names.map((name) => `https://${name}:${port}/`);
  const { stdout } = await run(command, [...args, ...urls], { env, cwd: clients });
  const lines = stdout.matchAll(/^(ok|refused) https:\/\/([^:]+):\d+\/ ?(.*)$/gm);
  return Object.fromEntries(
    Array.from(lines, ([, word = '', name = '', why = '']) => [name, word === 'ok' ? word : why]),
  );
}

/** Runs a client against the good and the bad names, and checks its results. */
async function expectOutcomes(good: readonly string[], command: string, ...args: string[]): Promise<void> {
  const answers = await request([...good, ...BAD], command, ...args);
  const refused = expect.stringMatching(/certificat|permitted subtree|name constraints/i);
  expect(answers).toEqual({
    ...Object.fromEntries(good.map((name) => [name, 'ok'])),
    ...Object.fromEntries(BAD.map((name) => [name, refused])),
  });
}

function has(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((place) => {
    try {
      accessSync(join(place, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

test.each(['https', 'fetch'])(
  '[W-EGR-8] node %s accepts the sealed hosts of its session, and no other',
  async (kind) => {
    await expectOutcomes(GOOD, process.execPath, 'fetch.mjs', kind);
  },
);

test.each([
  ['urllib', '/usr/bin/python3', 'fetch.py', 'urllib'],
  ['ssl of Python 3.13', '/usr/bin/python3', 'fetch.py', 'strict'],
  ['requests', '/usr/bin/python3', 'fetch.py', 'requests'],
  ['httpx', '/usr/bin/python3', 'fetch.py', 'httpx'],
  ['curl', '/bin/sh', 'fetch.sh', 'curl'],
  ['git', '/bin/sh', 'fetch.sh', 'git'],
])(
  '[W-EGR-8] %s accepts the sealed hosts of its session and those of the machine, and no other',
  async (_name, ...command) => {
    const [program = '', ...args] = command;
    await expectOutcomes([...GOOD, 'machine.test'], program, ...args);
  },
);

test.for(['client', 'connection'])(
  'java takes the sealed hosts of its session and those of the machine: %s',
  async (kind, context) => {
    context.skip(!has('java'), 'no java here');
    const hosts = `-Djdk.net.hosts.file=${join(folder, 'hosts')}`;
    await expectOutcomes([...GOOD, 'machine.test'], 'java', hosts, 'Fetch.java', kind);
  },
);

test('go accepts the sealed hosts of its session and those of the machine', async (context) => {
  context.skip(!has('go'), 'no go here');
  await expectOutcomes([...GOOD, 'machine.test'], 'go', 'run', 'fetch.go');
});
