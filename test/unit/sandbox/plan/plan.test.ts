// The plan: its contents, their order, and what it refuses. Only data goes in, and only data comes out.
import { describe, expect, test } from 'vitest';
import { WarderError } from '../../../../src/errors.ts';
import type { ListedPath, PlanInputs } from '../../../../src/sandbox/plan/inputs.ts';
import { byDepth } from '../../../../src/sandbox/plan/path.ts';
import { destinationOf, makePlan, type Plan, type Step } from '../../../../src/sandbox/plan/plan.ts';
import { secretPlaces } from '../../../../src/sandbox/plan/secret-places.ts';
import { summarizePlan } from '../../../../src/sandbox/summary.ts';

const GIB = 1024 ** 3;
const home = '/home/me';
const warder = [`${home}/.config/warder`, `${home}/.local/state/warder`];
const read = (path: string, more: Partial<ListedPath> = {}): ListedPath => ({
  requested: path,
  path,
  folder: true,
  write: false,
  implied: false,
  ...more,
});
const write = (path: string, more: Partial<ListedPath> = {}): ListedPath =>
  read(path, { write: true, ...more });
const there = (path: string, kind: 'never' | 'when-listed' = 'never', folder = true) => ({
  path,
  kind,
  folder,
});

function inputs(more: Partial<PlanInputs> = {}): PlanInputs {
  return {
    profile: 'notes',
    uid: 1000,
    gid: 1000,
    user: 'me',
    home,
    program: { file: '/usr/bin/node', path: '/usr/bin/node', args: ['-v'] },
    unread: undefined,
    unlisted: [],
    cwd: undefined,
    env: { PATH: '/usr/bin' },
    listed: [],
    roots: [],
    files: [],
    links: [],
    system: [
      { path: '/usr', kind: 'folder' },
      { path: '/bin', kind: 'link', target: 'usr/bin' },
      { path: '/etc/ssl/certs', kind: 'folder' },
      { path: '/etc/ld.so.cache', kind: 'file' },
    ],
    hiddenProc: [],
    secrets: secretPlaces([home, '/root'], warder),
    hidden: [
      there(`${home}/.ssh`),
      there(`${home}/.npmrc`, 'when-listed', false),
      there(`${home}/.config/gh`, 'when-listed'),
      ...warder.map((path) => there(path)),
    ],
    homes: [home, '/root'],
    unixSockets: undefined,
    foreignSocket: undefined,
    network: [],
    memory: undefined,
    memoryBestEffort: false,
    keptHome: undefined,
    homeSize: undefined,
    processes: undefined,
    mayPlant: [],
    guarded: [],
    machine: { memory: 16 * GIB },
    devices: undefined,
    ...more,
  };
}

function refusal(more: Partial<PlanInputs>): WarderError {
  try {
    makePlan(inputs(more));
  } catch (error) {
    if (error instanceof WarderError) return error;
    throw error;
  }
  throw new Error('not refused');
}

const steps = <Kind extends Step['kind']>(
  { steps: all }: Plan,
  kind: Kind,
): Extract<Step, { kind: Kind }>[] =>
  all.filter((step): step is Extract<Step, { kind: Kind }> => step.kind === kind);
const at = (made: Plan, path: string): Step['kind'][] =>
  made.steps.filter((step) => destinationOf(step) === path).map((step) => step.kind);

describe('a plan', () => {
  test('contains the system, a user table with one user, and private folders, but nothing of the home', () => {
    const made = makePlan(inputs());
    expect(steps(made, 'bind')).toEqual([
      { kind: 'bind', path: '/etc/ssl/certs', folder: true, write: false },
      { kind: 'bind', path: '/proc/sys', folder: true, write: false },
      { kind: 'bind', path: '/usr', folder: true, write: false },
    ]);
    expect(steps(made, 'copy')).toEqual([{ kind: 'copy', at: '/etc/ld.so.cache' }]);
    expect(steps(made, 'tmpfs').map((step) => step.at)).toEqual(['/dev/shm', home, '/tmp']);
    expect(steps(made, 'file').find((step) => step.at === '/etc/passwd')?.text).toBe(
      'me:x:1000:1000::/home/me:/bin/sh\n',
    );
    expect(made.steps.map(destinationOf)).not.toContain('/etc/shadow');
    expect(made).toMatchObject({
      uid: 1000,
      gid: 1000,
      cwd: home,
      env: { HOME: home, TMPDIR: '/tmp', USER: 'me' },
    });
  });

  test('W-BOX-30 has a kept home at a place of its own, with nothing mounted below it', () => {
    const keptHome = '/state/homes/notes';
    const made = makePlan(inputs({ keptHome, homeSize: 5 << 20, cwd: { requested: home, path: home } }));
    expect(steps(made, 'home')).toEqual([{ kind: 'home', path: keptHome, at: '/run/home' }]);
    expect(made).toMatchObject({ home: '/run/home', cwd: '/run/home', kept: keptHome, homeBytes: 5 << 20 });
    expect(made.env.HOME).toBe('/run/home');
    expect(made.steps.map(destinationOf).filter((path) => path.startsWith('/run/home/'))).toEqual([]);
    expect(made.planting.folders).toEqual([]);
    expect(steps(makePlan(inputs({ homeSize: 5 << 20 })), 'tmpfs')).toContainEqual({
      kind: 'tmpfs',
      at: home,
      bytes: 5 << 20,
    });
  });

  test('puts each folder before its contents, and makes the root read-only last', () => {
    const made = makePlan(inputs({ listed: [read(`${home}/a/b`), read('/data'), write(`${home}/a`)] }));
    const places = made.steps.filter((step) => step.kind !== 'remount-read-only').map(destinationOf);
    expect(places).toEqual(places.toSorted(byDepth));
    expect(made.steps.at(-1)).toEqual({ kind: 'remount-read-only', at: '/' });
    expect(steps(made, 'remount-read-only').map((step) => step.at)).toContain('/dev');
  });

  const parts = (folder: string, ...names: string[]): ListedPath =>
    read(folder, {
      implied: true,
      entries: names.map((name) => ({ path: `${folder}/${name}`, folder: true })),
      omitted: ['.env', '.git'],
    });

  test('W-BOX-2 contains a package’s folder in part: entry by entry, in a folder that is otherwise empty', () => {
    const made = makePlan(inputs({ listed: [parts(`${home}/app`, 'dist', 'src')] }));
    expect(steps(made, 'bind').filter(({ path }) => path.startsWith(home))).toEqual([
      { kind: 'bind', path: `${home}/app/dist`, folder: true, write: false },
      { kind: 'bind', path: `${home}/app/src`, folder: true, write: false },
    ]);
    expect(at(made, `${home}/app`)).toEqual(['tmpfs', 'remount-read-only']);
    expect(
      makePlan(inputs({ listed: [parts('/srv/a', 'x')], cwd: { requested: '/srv/a', path: '/srv/a' } })).cwd,
    ).toBe('/srv/a');
    expect(summarizePlan(made)).toMatchObject({
      read: [`${home}/app`],
      hidden: [`${home}/app/.env`, `${home}/app/.git`],
    });
  });

  test('a line of the profile adds to a package’s folder, and replaces the part of it', () => {
    const made = makePlan(
      inputs({ listed: [parts('/srv/a', 'data'), write('/srv/a/data'), read('/srv/a/.env')] }),
    );
    expect(steps(made, 'bind').filter(({ path }) => path.startsWith('/srv'))).toEqual([
      { kind: 'bind', path: '/srv/a/.env', folder: true, write: false },
      { kind: 'bind', path: '/srv/a/data', folder: true, write: true },
    ]);
    const whole = makePlan(inputs({ listed: [read('/srv/a'), read('/srv/a', { implied: true })] }));
    expect(at(whole, '/srv/a')).toEqual(['bind']);
  });

  test('contains a token’s folder if the profile lists it, and what Warder supplies from its own folders', () => {
    const tree = `${home}/.local/state/warder/packages/x`;
    const made = makePlan(
      inputs({ listed: [read(`${home}/.config/gh`)], roots: [{ path: tree, folder: true }] }),
    );
    expect(at(made, `${home}/.config/gh`)).toEqual(['bind']);
    expect(at(made, tree)).toEqual(['bind']);
  });

  test('a line that allows writing wins over a line that allows reading, and a program’s folder changes neither', () => {
    const made = makePlan(
      inputs({ listed: [read(`${home}/p`), write(`${home}/p`), read(`${home}/p/.venv`, { implied: true })] }),
    );
    expect(steps(made, 'bind').filter((step) => step.path.startsWith(home))).toEqual([
      { kind: 'bind', path: `${home}/p`, folder: true, write: true },
    ]);
  });

  test('moves the private folders if their usual paths are in the sandbox', () => {
    const made = makePlan(inputs({ listed: [read('/tmp'), read('/srv/me')], home: '/srv/me' }));
    expect(made).toMatchObject({
      home: '/run/home',
      tmp: '/run/tmp',
      cwd: '/run/home',
      env: { HOME: '/run/home', TMPDIR: '/run/tmp' },
    });
    expect(makePlan(inputs({ home: '/' })).home).toBe('/run/home');
    expect(makePlan(inputs({ home: '/usr/share/daemon' })).home).toBe('/run/home');
  });

  test('keeps a HOME that the profile sets to a listed folder, and sets Node’s heap limit', () => {
    const { env } = makePlan(
      inputs({
        env: { HOME: '/data/home', TMPDIR: '/elsewhere' },
        listed: [write('/data')],
        memory: 512 << 20,
      }),
    );
    expect(env).toEqual({
      HOME: '/data/home',
      TMPDIR: '/tmp',
      USER: 'me',
      NODE_OPTIONS: '--max-old-space-size=384',
    });
  });

  test('recreates the links that lead to a folder, unless they exist already', () => {
    const links = [
      { at: '/bin', to: '/usr/bin' },
      { at: `${home}/src`, to: '/data/src' },
      { at: '/usr/bin/node', to: '/usr/bin/node22' },
    ];
    const made = makePlan(inputs({ links, listed: [read('/data/src', { requested: `${home}/src` })] }));
    expect(steps(made, 'link').map(({ at: place, to }) => [place, to])).toEqual([
      ['/bin', 'usr/bin'],
      [`${home}/src`, '/data/src'],
    ]);
  });

  test('W-BOX-27 no mount point is made through a link that appeared while the paths were looked at', () => {
    const raced = { at: `${home}/w/ref`, to: `/oldroot${home}/.config` };
    const listed = [read(`${home}/w/ref/lib`)];
    expect(refusal({ listed, links: [raced] }).message).toContain(`"${home}/w/ref" was replaced with a link`);
    const deeper = { at: `${home}/w/ref/x/y`, to: '/usr' };
    expect(refusal({ links: [raced, deeper] }).message).toContain('was replaced with a link');
    expect(steps(makePlan(inputs({ links: [raced] })), 'link').map((step) => step.at)).toContain(raced.at);
  });

  test('W-BOX-25 root has another uid, and cannot reach the kernel’s settings', () => {
    const made = makePlan(
      inputs({
        uid: 0,
        gid: 0,
        user: 'root',
        home: '/root',
        hiddenProc: [{ path: '/proc/mtrr', folder: false }],
        devices: '/run/w/devices',
      }),
    );
    expect(made).toMatchObject({ uid: 1000, gid: 1000, env: { USER: 'user' } });
    expect(at(made, '/proc/sys')).toEqual(['bind']);
    expect(at(made, '/proc/mtrr')).toEqual(['hide']);
    expect(steps(made, 'device')).toContainEqual({
      kind: 'device',
      path: '/run/w/devices/null',
      at: '/dev/null',
    });
  });

  test('limits: the profile’s, otherwise defaults that fit the machine', () => {
    expect(makePlan(inputs({ memory: 1 << 20, processes: 7 })).limits).toEqual({
      files: 8192,
      processes: { max: 7, required: true },
      memory: { max: 1 << 20, required: true },
    });
    expect(makePlan(inputs({ machine: { memory: 2 * GIB } })).limits.memory).toEqual({
      max: GIB,
      required: false,
    });
  });
});

test('a summary has what check shows: what is listed, not what every sandbox has', () => {
  const made = makePlan(
    inputs({
      uid: 0,
      gid: 0,
      hiddenProc: [{ path: '/proc/mtrr', folder: false }],
      listed: [read(`${home}/src`), write('/data')],
    }),
  );
  expect(summarizePlan(made)).toMatchObject({
    command: ['/usr/bin/node', '-v'],
    variables: ['HOME', 'NODE_OPTIONS', 'PATH', 'TMPDIR', 'USER'],
    read: [`${home}/src`],
    write: ['/data'],
    hidden: [],
    home,
    tmp: '/tmp',
  });
  expect(summarizePlan(made).hidden).not.toContain('/proc/mtrr');
});

describe('W-BOX-3 refuses', () => {
  test.each([
    ['a secret place by name', read(`${home}/.ssh`)],
    ['a path in a secret place', read(`${home}/.ssh/config`, { folder: false })],
    ['a link to a secret place', read(`${home}/.gnupg`, { requested: `${home}/innocent` })],
    ['the real path of a secret place', read('/data/keys')],
    ['Warder’s configuration', read(`${home}/.config/warder/profiles`)],
    ['Warder’s state', write(`${home}/.local/state/warder/audit`)],
    ['a secret place in another home', read('/root/.ssh')],
    ['a socket of the system', read('/run/docker.sock', { folder: false })],
    ['the root', read('/')],
    ['all homes', read('/home')],
    ['the configuration of the system', read('/etc')],
    ['the password file', read('/etc/shadow', { folder: false })],
    ['the sandbox’s own user table', read('/etc/passwd', { folder: false })],
    ['the kernel’s files', read('/proc/sys/kernel')],
    ['devices', read('/dev/kvm', { folder: false })],
    ['the home', read(home)],
    ['another home', read('/root')],
    ['a folder of all programs', read(`${home}/.config`)],
    ['a folder of all programs that does not exist yet elsewhere', read('/root/.local/share')],
    ['a folder above a secret place, for reading', read(`${home}/.cargo`)],
    ['a folder above the real path of a secret place', read('/data')],
    ['a folder of the system above a secret place', read('/var/lib')],
    ['a program’s folder above a secret place', read('/data', { implied: true })],
    ['writing to the home', write(home)],
    ['writing to a file among others', write(`${home}/data/notes.db`, { folder: false })],
    ['writing above a secret place that does not exist yet', write(`${home}/.local/share`)],
    ['writing to the system', write('/usr/local/lib')],
  ])('%s', (_, listed) => {
    const error = refusal({ listed: [listed], hidden: [there(`${home}/.ssh`), there('/data/keys')] });
    expect(error.code).toBe('profile-invalid');
    expect(error.message).toContain(`"${listed.requested}"`);
    expect(error.hint).toMatch(/\w/);
  });

  test.each([
    ['what programs outside obey', `${home}/p/.git/hooks`, '.git/hooks'],
    ['a path in it', `${home}/.config/autostart/x`, '.config/autostart'],
    ['it in another case', `${home}/p/.VSCode`, '.vscode'],
  ])('writing to %s, unless the profile says that it may', (_, path, name) => {
    expect(refusal({ listed: [write(path)] }).hint).toContain(`may-plant: [${name}]`);
    expect(makePlan(inputs({ listed: [write(path)], mayPlant: [name] })).planting.mayPlant).toEqual([name]);
    expect(refusal({ mayPlant: ['.git/hook'] }).message).toContain('".git/hook", which is not protected');
  });

  test('a program or a working folder that would not be in the sandbox', () => {
    expect(refusal({ program: { file: '/srv/x', path: '/srv/x', args: [] } }).message).toContain(
      'its program "/srv/x"',
    );
    expect(refusal({ cwd: { requested: '/srv', path: '/srv' } }).hint).toContain('sandbox.read');
    expect(makePlan(inputs({ cwd: { requested: '/srv', path: '/srv' }, listed: [read('/srv')] })).cwd).toBe(
      '/srv',
    );
  });
});

describe('with hosts', () => {
  const named = (made: Plan): string | undefined =>
    steps(made, 'file').find((step) => step.at === '/etc/resolv.conf')?.text;

  test('W-EGR-2 names are resolved by the sandbox’s own name server; without hosts there is none', () => {
    expect(named(makePlan(inputs({ network: ['api.example.com'] })))).toBe(
      'nameserver 127.0.0.1\noptions timeout:2 attempts:2\n',
    );
    expect(named(makePlan(inputs()))).toBeUndefined();
    expect(refusal({ listed: [read('/etc/resolv.conf', { folder: false })] }).code).toBe('profile-invalid');
  });

  test('W-EGR-8 a supplied file is new, or covers an existing file, or replaces a copy', () => {
    const data = Buffer.from('roots');
    const paths = ['/run/warder/ca.pem', '/etc/ssl/certs/ca-certificates.crt', '/etc/ld.so.cache'];
    const made = makePlan(inputs({ files: paths.map((path) => ({ path, data })) }));
    expect(steps(made, 'supplied')).toEqual([
      { kind: 'supplied', at: paths[2], data, over: false },
      { kind: 'supplied', at: paths[1], data, over: true },
      { kind: 'supplied', at: paths[0], data, over: false },
    ]);
    expect(at(made, '/etc/ld.so.cache')).toEqual(['supplied']);
    const order = made.steps.map(destinationOf);
    expect(order.indexOf('/etc/ssl/certs')).toBeLessThan(order.indexOf('/etc/ssl/certs/ca-certificates.crt'));
  });

  test('a supplied file covers a file that the profile lists', () => {
    const path = '/srv/roots.pem';
    const made = makePlan(
      inputs({ listed: [read(path, { folder: false })], files: [{ path, data: Buffer.from('roots') }] }),
    );
    expect(at(made, path)).toEqual(['bind', 'supplied']);
    expect(steps(made, 'supplied')).toMatchObject([{ over: true }]);
  });

  test('a summary lists them', () => {
    const network = ['api.example.com', '*.example.org:8443'];
    expect(summarizePlan(makePlan(inputs({ network }))).network).toEqual(network);
    expect(summarizePlan(makePlan(inputs())).network).toEqual([]);
  });
});
