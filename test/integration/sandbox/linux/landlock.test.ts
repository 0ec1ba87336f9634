// The weaker sandbox, Landlock's: what it refuses, which layers are measured, and who cannot use it. It is available only
// to ordinary users.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Order, Outcome } from '../../../fixtures/hostile/driver.ts';
import { people, World } from '../../../fixtures/hostile/world.ts';

const PYTHON = '/usr/bin/python3';
const ordinary = people.filter(({ uid }) => uid !== 0);

/** Escapes that Landlock and the filter refuse, in Python. */
const attempts: readonly [id: string, name: string, given: (world: World) => unknown][] = [
  [
    'W-BOX-1',
    'read',
    ({ secret, home, state }) => ({
      paths: [
        secret,
        `${home}/notes`,
        `${home}/.config/warder`,
        `${state}/daemon.log`,
        '/etc/shadow',
        '/root',
        '/home',
        '/var',
        '/proc/1/status',
        '/sys',
      ],
    }),
  ],
  ['W-BOX-4', 'links', ({ secret, folder, writable }) => ({ secret, folder, writable })],
  [
    'W-BOX-5',
    'write',
    ({ folder, home }) => ({
      paths: ['/tmp/x', '/etc/x', `${folder}/file`, `${folder}/new`, `${home}/.bashrc`],
    }),
  ],
  ['W-BOX-7', 'trace', () => ({})],
  ['W-BOX-7', 'memory_of_others', () => ({})],
  ['W-BOX-8', 'connect_path', ({ sockets }) => ({ paths: sockets })],
  ['W-BOX-8', 'datagram_path', ({ sockets }) => ({ paths: sockets })],
  ['W-BOX-8', 'abstract', ({ abstract }) => ({ name: abstract })],
  [
    'W-BOX-9',
    'tcp',
    ({ port }) => ({
      to: [
        ['127.0.0.1', port],
        ['192.0.2.1', 80],
      ],
    }),
  ],
  ['W-BOX-9', 'names', () => ({ names: ['example.com'] })],
  ['W-BOX-10', 'families', () => ({})],
  ['W-BOX-12', 'namespaces', () => ({})],
  ['W-BOX-13', 'setid', ({ writable }) => ({ writable })],
  ['W-BOX-14', 'descriptors', () => ({})],
];

describe.each(ordinary)('as $name', (person) => {
  let world: World;
  let own: NonNullable<Order['privateFolders']>;
  const run = async (orders: readonly Partial<Order>[]): Promise<Outcome[]> =>
    world.run(orders.map((order) => ({ privateFolders: own, ...order })));

  beforeAll(async () => {
    world = await new World(person).listen();
    own = { home: join(world.servers, 'own/home'), tmp: join(world.servers, 'own/tmp') };
    for (const folder of Object.values(own)) mkdirSync(folder, { recursive: true });
    world.give(join(world.servers, 'own'));
  });

  afterAll(async () => {
    await world[Symbol.asyncDispose]();
  });

  test('W-BOX-23 files, sockets and calls are refused under Landlock as well', async () => {
    const sandbox = { read: [world.folder], write: [world.writable] };
    const outcomes = await run(
      attempts.map(([, name, given]) => ({
        file: PYTHON,
        args: [`${world.servers}/escape.py`, name, JSON.stringify(given(world))],
        sandbox,
      })),
    );
    const told = outcomes.map(({ stdout, error }, at) => ({
      name: attempts[at]?.[1],
      error,
      ...JSON.parse(stdout || '{}'),
    }));
    expect(told.filter(({ escaped }) => escaped !== false)).toEqual([]);
  });

  test('W-BOX-23 the layers show that it is the weaker sandbox', async () => {
    const [outcome] = await run([
      {
        file: '/bin/sh',
        args: ['-c', 'read line; echo "$line"; echo hello >"$HOME/x"; cat "$TMPDIR/../home/x"; pwd'],
        input: 'asked\n',
      },
    ]);
    expect(outcome?.stdout.split('\n')).toEqual(['asked', 'hello', own.home, '']);
    expect(outcome?.layers).toEqual(
      expect.arrayContaining(['landlock', 'no-new-privileges', 'system-calls']),
    );
    expect(outcome?.layers).not.toContain('files');
    expect(outcome?.layers).not.toContain('network');
    expect(outcome?.limits).toMatchObject({ core: 0, files: 8192, processes: { enforcedBy: 'none' } });
  });

  test('Node works under Landlock', async () => {
    const [outcome] = await run([
      { file: process.execPath, args: ['-e', 'console.log(1 + 1, process.cwd())'] },
    ]);
    expect(outcome).toMatchObject({ stdout: `2 ${own.home}\n`, code: 0 });
  });

  test('W-BOX-2 a package’s folder has nothing private under Landlock either', async () => {
    const app = join(world.servers, 'app');
    mkdirSync(app);
    for (const name of ['package.json', '.env', 'index.sh']) {
      writeFileSync(join(app, name), `cat ${app}/.env; cat ${app}/package.json`, { mode: 0o644 });
    }
    const [outcome] = await run([{ file: '/bin/sh', args: [join(app, 'index.sh')] }]);
    expect(outcome?.stdout).toBe(`cat ${app}/.env; cat ${app}/package.json`);
    expect(outcome?.stderr).toMatch(/\.env: Permission denied/);
  });

  test('W-BOX-23 nothing starts without Landlock', async () => {
    const [outcome] = await run([{ file: '/bin/true', machine: { landlock: 0 } }]);
    expect(outcome?.error).toMatchObject({ code: 'sandbox-unavailable' });
  });
});

test('W-BOX-23 root cannot use the weaker sandbox', async () => {
  const [person] = people;
  if (person?.uid !== 0) return;
  await using world = new World(person);
  const own = { home: world.writable, tmp: world.folder };
  const [outcome] = await world.run([{ file: '/bin/true', privateFolders: own }]);
  expect(outcome?.error).toMatchObject({
    code: 'sandbox-unavailable',
    message: expect.stringContaining('root'),
  });
});
