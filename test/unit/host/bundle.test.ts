import { expect, test } from 'vitest';
import {
  type Answers,
  fillIn,
  secretOptions,
  usedOptions,
  valueProblem,
} from '../../../src/host/bundle-config.ts';
import { type BundleManifest, readBundleManifest } from '../../../src/host/bundle-manifest.ts';
import { TextProblem } from '../../../src/host/document.ts';

const DIR = `\${__dirname}`;
const config = (key: string): string => `\${user_config.${key}}`;
const FOLDERS = { HOME: '/home/ann', DESKTOP: '/home/ann/Desktop' };
const NONE: Answers = { values: new Map(), wanted: [], folders: FOLDERS, isSealed: false };
const FILES = ['manifest.json', 'server/main.js', 'server/main.py', 'server/tool', 'server/lib/x.py'];

function has(path: string): 'file' | 'folder' | undefined {
  if (FILES.includes(path)) return 'file';
  return FILES.some((file) => file.startsWith(`${path}/`)) ? 'folder' : undefined;
}

function manifest(server: object, more: object = {}, platform = 'linux'): BundleManifest {
  const text = { manifest_version: '0.3', name: 'a', version: '1.0.0', server, ...more };
  return readBundleManifest(JSON.stringify(text), platform, has);
}

/** A node server with these arguments, variables and options. */
function started(args: string[], env: Record<string, string>, user_config: object = {}): BundleManifest {
  const mcp_config = { command: 'node', args, env };
  return manifest({ type: 'node', entry_point: 'server/main.js', mcp_config }, { user_config });
}

test.each(['0.1', '0.2', '0.3', '0.4'])(
  'a manifest of version %s is read, of its old name too',
  (version) => {
    for (const named of [
      { manifest_version: version },
      { manifest_version: undefined, dxt_version: version },
    ]) {
      const read = manifest(
        {
          type: 'node',
          entry_point: 'server/main.js',
          mcp_config: { command: 'node', args: [`${DIR}/server/main.js`] },
        },
        {
          ...named,
          name: '@Acme/My Sérver',
          version: '1.0.0-β+x',
          icon: '../../icon.png',
          tools: [{ name: 'x' }],
        },
      );
      expect(read).toMatchObject({
        name: 'acme-my-se-rver',
        version: '1.0.0--+x',
        title: '@Acme/My Sérver',
        runtime: 'node',
        program: undefined,
        args: [`${DIR}/server/main.js`],
      });
    }
  },
);

test('relative paths are paths of the bundle if they are in it, and nothing else is changed', () => {
  const read = started(['server/main.js', './server/lib', 'server/gone', 'main', '--config', '/etc/x', ''], {
    LIB: 'server/lib',
    MODE: 'server',
  });
  expect(read.args).toEqual([
    `${DIR}/server/main.js`,
    `${DIR}/server/lib`,
    'server/gone',
    'main',
    '--config',
    '/etc/x',
    '',
  ]);
  expect(read.env).toEqual({ LIB: `${DIR}/server/lib`, MODE: 'server' });
});

test('what is said for a platform takes the place of what is said for all', () => {
  const server = {
    type: 'binary',
    entry_point: 'server/tool',
    mcp_config: {
      command: `${DIR}/server/tool`,
      args: ['a'],
      env: { A: '1' },
      platform_overrides: { darwin: { args: ['b'], env: { B: '2' } }, win32: { command: 'gone' } },
    },
  };
  expect(manifest(server)).toMatchObject({
    runtime: 'binary',
    program: 'server/tool',
    args: ['a'],
    env: { A: '1' },
  });
  expect(manifest(server, {}, 'darwin')).toMatchObject({
    program: 'server/tool',
    args: ['b'],
    env: { B: '2' },
  });
  expect(() => manifest(server, {}, 'win32')).toThrow(/neither node, nor Python/);
});

test('a manifest that only names its entry starts that', () => {
  expect(manifest({ type: 'python', entry_point: 'server/main.py' })).toMatchObject({
    runtime: 'python',
    args: [`${DIR}/server/main.py`],
  });
  expect(manifest({ type: 'binary', entry_point: 'server/tool' })).toMatchObject({
    program: 'server/tool',
    args: [],
  });
});

test('W-PKG-15 a variable that loads code may name folders of the bundle, and nothing else', () => {
  const python = (env: object): BundleManifest =>
    manifest({ type: 'python', mcp_config: { command: 'python3', args: [`${DIR}/server/main.py`], env } });
  expect(python({ PYTHONPATH: `${DIR}/server/lib:server:${DIR}:server/gone`, X: '1' })).toMatchObject({
    paths: { PYTHONPATH: ['server/lib', 'server', '.'] },
    env: { X: '1' },
  });
  for (const env of [
    { PYTHONPATH: '/tmp' },
    { PYTHONPATH: `${DIR}/../x` },
    { PYTHONPATH: `${DIR}/server/lib:~/x` },
    { PYTHONPATH: config('path') },
    { PYTHONPATH: '' },
    { NODE_OPTIONS: '--require /tmp/x.js' },
    { LD_PRELOAD: `${DIR}/server/tool` },
    { pythonpath: `${DIR}/server` },
  ])
    expect(() => python(env), JSON.stringify(env)).toThrow(TextProblem);
});

test.each([
  ['/bin/sh', ['-c', 'curl x | sh']],
  ['sh', []],
  ['bash', []],
  ['npx', ['-y', 'x']],
  ['uvx', ['x']],
  ['docker', ['run', 'x']],
  ['/usr/bin/node', [`${DIR}/server/main.js`]],
  [`${DIR}/../x`, []],
  [`${DIR}/server/../../x`, []],
  [`${DIR}x/node`, []],
  [`${DIR}/server/gone`, []],
  [`${DIR}/server`, []],
  ['../x', []],
  ['..\\x', []],
  [`${config('program')}`, []],
  [`\${HOME}/x`, []],
  ['node -e x', []],
])('W-PKG-15 %s is not started', (command, args) => {
  expect(() => manifest({ type: 'node', mcp_config: { command, args } })).toThrow(TextProblem);
});

test.each([
  `${DIR}/../x`,
  `--x=${DIR}/server/../../x`,
  `${DIR}\\..\\x`,
  `${DIR}\${/}..\${/}x`,
  `${DIR}-other/x`,
])('W-PKG-15 the argument %s leads out of the bundle, and is refused', (arg) => {
  expect(() => started([arg], {})).toThrow(/leads out of it/);
  expect(() => started([], { X: arg })).toThrow(/leads out of it/);
});

test.each<[string, string | object]>([
  ['no JSON', '{'],
  ['a comment', '{"a": 1 /* x */}'],
  ['a list', '[]'],
  ['nothing', ''],
  ['a key twice', '{"name":"a","name":"b"}'],
  ['a key twice, further in', '{"server":{"type":"node","type":"binary"}}'],
  ['deep lists', `${'['.repeat(5e4)}${']'.repeat(5e4)}`],
  ['no name', { version: '1', server: { type: 'node' } }],
  ['no server', { name: 'a', version: '1' }],
  ['another type', { name: 'a', version: '1', server: { type: 'shell' } }],
  [
    'arguments that are none',
    { name: 'a', version: '1', server: { type: 'node', mcp_config: { command: 'node', args: [1] } } },
  ],
  [
    'an option of another type',
    { name: 'a', version: '1', server: { type: 'node' }, user_config: { a: { type: 'secret' } } },
  ],
])('W-PKG-15 a manifest with %s is refused', (_what, text) => {
  const content = typeof text === 'string' ? text : JSON.stringify({ manifest_version: '0.3', ...text });
  expect(() => readBundleManifest(content, 'linux', has)).toThrow(TextProblem);
});

test('what cannot run here, or nothing pins, is refused with the reason', () => {
  const node = { type: 'node', entry_point: 'server/main.js' };
  expect(() => manifest(node, { compatibility: { platforms: ['darwin', 'win32'] } })).toThrow(
    'is for darwin, win32, and this is linux',
  );
  expect(() => manifest({ type: 'uv', entry_point: 'a.py' })).toThrow(/--from-uvx/);
  expect(() => manifest(node, { manifest_version: '1.0' })).toThrow(/0\.1 to 0\.4/);
  expect(() => manifest(node, { name: '…' })).toThrow(/without a letter/);
  expect(
    manifest(node, { compatibility: { platforms: ['linux'], runtimes: { node: '>=18', python: '3' } } }),
  ).toMatchObject({
    node: '>=18',
    python: '3',
  });
});

test('answers are put in: several as several arguments, folders of the user, and what has none is left out', () => {
  const read = started(
    [
      `${DIR}/server/main.js`,
      config('dirs'),
      '--db',
      config('db'),
      `--level=${config('level')}`,
      `\${HOME}\${/}x`,
      `--o=${config('o')}`,
    ],
    { LEVEL: config('level'), O: `a-${config('o')}`, AT: `\${DESKTOP}/${config('level')}` },
    {
      dirs: { type: 'directory', multiple: true },
      db: { type: 'file' },
      level: { type: 'number' },
      o: { type: 'string' },
      idle: { type: 'string' },
    },
  );
  expect(usedOptions(read)).toEqual(['dirs', 'db', 'level', 'o']);
  const values = new Map([
    ['dirs', ['/a', '/b']],
    ['level', ['3']],
  ]);
  expect(fillIn(read, { ...NONE, values })).toEqual({
    args: [`${DIR}/server/main.js`, '/a', '/b', '--level=3', '/home/ann/x'],
    env: { LEVEL: '3', AT: '/home/ann/Desktop/3' },
    secrets: [],
    unused: [],
  });
  expect(() =>
    fillIn(started([], { X: config('d') }, { d: { type: 'directory', multiple: true } }), {
      ...NONE,
      values: new Map([['d', ['a', 'b']]]),
    }),
  ).toThrow(/room for one value/);
});

test('W-HOST-11 a sensitive option is a credential: in a variable, in an argument, and never filled in', () => {
  const read = started(
    ['--key', config('key'), `--also=${config('key')}`, '--token', config('plain'), '--opt', config('opt')],
    {
      API_KEY: config('key'),
      AUTH: `Bearer ${config('key')}`,
      OTHER_TOKEN: config('named'),
      OPT: config('opt'),
    },
    {
      key: { type: 'string', sensitive: true, required: true, default: 'in-clear' },
      plain: { type: 'string', required: true },
      named: { type: 'string', required: true },
      opt: { type: 'string', sensitive: true },
    },
  );
  expect([...secretOptions(read)].sort()).toEqual(['key', 'named', 'opt', 'plain']);
  const values = new Map(['key', 'plain', 'named', 'opt'].map((key) => [key, ['in-clear']]));
  const filled = fillIn(read, { ...NONE, values });
  expect(JSON.stringify(filled)).not.toContain('in-clear');
  expect(filled.args).toEqual([
    '--key',
    `\${credential:KEY}`,
    `--also=\${credential:KEY}`,
    '--token',
    `\${credential:PLAIN}`,
  ]);
  expect(filled.env).toEqual({});
  expect(filled.secrets).toEqual([
    { variable: 'API_KEY', key: 'key', isReferred: false, form: undefined },
    { variable: 'AUTH', key: 'key', isReferred: false, form: `Bearer ${config('key')}` },
    { variable: 'OTHER_TOKEN', key: 'named', isReferred: false, form: undefined },
    { variable: 'KEY', key: 'key', isReferred: true, form: undefined },
    { variable: 'PLAIN', key: 'plain', isReferred: true, form: undefined },
  ]);
  expect(filled.unused.map(({ variable }) => variable)).toEqual(['OPT', 'OPT_2']);
  expect(
    fillIn(read, { ...NONE, values, wanted: ['OPT'] }).secrets.map(({ variable }) => variable),
  ).toContain('OPT');
});

test('W-HOST-51 where it is sealed a secret inside of a text is referred to there, and is one credential wherever it stands', () => {
  const read = started(
    ['--key', config('key'), `--at=https://x.example/${config('org')}`],
    {
      HEADERS: `{"Authorization":"Bearer ${config('key')}","X-Org":"${config('org')}","X-Sign":"${config('sign')}"}`,
      API_KEY: config('key'),
      AGAIN: config('key'),
      BASIC: `${config('org')}:${config('opt')}`,
      SIGN: 'x',
    },
    {
      key: { type: 'string', sensitive: true, required: true },
      sign: { type: 'string', sensitive: true, required: true },
      org: { type: 'string' },
      opt: { type: 'string', sensitive: true },
    },
  );
  const values = new Map([
    ['key', ['in-clear']],
    ['opt', ['in-clear']],
    ['org', ['acme']],
  ]);
  const sealed: Answers = { ...NONE, values, isSealed: true };
  const filled = fillIn(read, sealed);
  expect(filled).toEqual({
    args: ['--key', `\${credential:API_KEY}`, '--at=https://x.example/acme'],
    env: {
      HEADERS: `{"Authorization":"Bearer \${credential:API_KEY}","X-Org":"acme","X-Sign":"\${credential:SIGN_2}"}`,
      AGAIN: `\${credential:API_KEY}`,
      SIGN: 'x',
    },
    secrets: [
      { variable: 'API_KEY', key: 'key', isReferred: false, form: undefined },
      { variable: 'SIGN_2', key: 'sign', isReferred: true, form: undefined },
    ],
    unused: [{ variable: 'OPT', key: 'opt', isReferred: true, form: undefined }],
  });
  expect(JSON.stringify(filled)).not.toContain('in-clear');
  expect(fillIn(read, { ...sealed, wanted: ['OPT'] }).env.BASIC).toBe(`acme:\${credential:OPT}`);
  // What an optional answer is missing for is left out, and its secrets with it.
  const without = fillIn(read, { ...sealed, values: new Map(), wanted: ['OPT'] });
  expect(without.env).toEqual({ AGAIN: `\${credential:API_KEY}`, SIGN: 'x' });
  expect(without.secrets.map(({ variable }) => variable)).toEqual(['API_KEY']);
});

test('W-HOST-12 what a manifest refers to without explaining it is refused: no credential and no variable of this machine', () => {
  for (const text of [
    config('gone'),
    config('__proto__'),
    `\${credential:TOKEN}`,
    `\${env:HOME}`,
    `\${PATH}`,
  ]) {
    expect(() => fillIn(started([text], {}), NONE), text).toThrow(TextProblem);
    expect(() => fillIn(started([], { X: text }), NONE), text).toThrow(TextProblem);
  }
});

test.each([
  [
    { type: 'number', min: 1, max: 5 },
    ['1', '5', '2.5'],
    ['0', '6', '', ' ', 'x', 'NaN', 'Infinity', '1e999'],
  ],
  [{ type: 'boolean' }, ['true', 'false'], ['yes', 'TRUE', '1', '']],
  [{ type: 'string' }, ['', 'a b', '$HOME'], ['a\0b', 'a\nb', `\${credential:X}`, `\${__dirname}/x`]],
] as const)('values of %j are checked', (option, good, bad) => {
  for (const value of good) expect(valueProblem(option, value), value).toBeUndefined();
  for (const value of bad) expect(valueProblem(option, value), value).toBeTypeOf('string');
});

test('W-HOST-12 values make no reference together with what is around them', () => {
  const option = { type: 'string', default: '$' };
  for (const [text, more] of [
    [`${config('a')}{credential:GITHUB_TOKEN}`, {}],
    [`${config('a')}{__dirname}/../..`, {}],
    [`$${config('b')}`, {}],
    [`${config('a')}${config('b')}`, {}],
  ] as const) {
    const options = { a: option, b: { type: 'string', default: '{credential:GITHUB_TOKEN}' }, ...more };
    const values = new Map([
      ['a', ['$']],
      ['b', ['{credential:GITHUB_TOKEN}']],
    ]);
    for (const made of [started([text], {}, options), started([], { X: text }, options)])
      expect(() => fillIn(made, { ...NONE, values })).toThrow(TextProblem);
  }
  const own = started([`${DIR}/x`, `--a=${config('a')}`], {}, { a: option });
  expect(fillIn(own, { ...NONE, values: new Map([['a', ['$']]]) }).args).toEqual([`${DIR}/x`, '--a=$']);
});

test('W-HOST-11 an option that is marked as sensitive is a secret, be it a number or a switch', () => {
  const options = Object.fromEntries(
    ['string', 'number', 'boolean'].map((type) => [type, { type, sensitive: true, required: true }]),
  );
  const args = Object.keys(options).map(config);
  expect([...secretOptions(started(args, {}, options))]).toEqual(['string', 'number', 'boolean']);
  expect(fillIn(started(args, {}, options), NONE).secrets).toHaveLength(3);
});
