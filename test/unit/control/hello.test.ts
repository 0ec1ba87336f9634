import { expect, test } from 'vitest';
import { parseHello } from '../../../src/control/hello.ts';

const run = { wire: 1, kind: 'run', profile: 'github', pid: 42, cwd: '/' };
const parse = (value: unknown) =>
  parseHello(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)));
const code = (code: string) => expect.objectContaining({ code });

test('a launcher and the command line are distinguished', () => {
  expect(parse(run)).toEqual(run);
  expect(parse({ wire: 1, kind: 'control' })).toEqual({ wire: 1, kind: 'control' });
});

test('another wire version is reported before any other error', () => {
  for (const wire of [0, 2, 99]) {
    expect(() => parse({ wire, something: 'new' })).toThrow(code('daemon-version'));
  }
  expect(() => parse({ ...run, wire: 2 })).toThrow(
    expect.objectContaining({ hint: expect.stringContaining('warder stop') }),
  );
});

test.each([
  ['not JSON', '{'],
  ['not an object', '7'],
  ['null', 'null'],
  ['no version', { kind: 'control' }],
  ['a version that is not a number', { ...run, wire: '1' }],
  ['another kind', { wire: 1, kind: 'root' }],
  ['no process', { ...run, pid: 0 }],
  ['no folder', { ...run, cwd: undefined }],
  ['a profile that is not a string', { ...run, profile: ['github'] }],
])('W-WIRE-2 a HELLO is refused: %s', (_what, value) => {
  expect(() => parse(value)).toThrow(code('wire-malformed'));
});

test.each([{ command: 'sh' }, { args: ['-c', 'id'] }, { env: { PATH: '/tmp' } }, { path: '/tmp/x.yaml' }])(
  'W-WIRE-2 a HELLO names a profile and nothing to run: %j',
  (extra) => {
    expect(() => parse({ ...run, ...extra })).toThrow(code('wire-malformed'));
    expect(() => parse({ wire: 1, kind: 'control', ...extra })).toThrow(code('wire-malformed'));
  },
);

test.each(['../etc/passwd', 'a/b', '.', '', '-rf', 'A', 'a.yaml', 'a\u0000b', 'x'.repeat(64), 'é'])(
  'W-WIRE-2 a path is not a valid profile name: %j',
  (profile) => {
    expect(() => parse({ ...run, profile })).toThrow(code('name-invalid'));
  },
);

test('bytes that are not UTF-8 are not a HELLO', () => {
  expect(() => parseHello(Buffer.from([0x22, 0xff, 0x22]))).toThrow(code('wire-malformed'));
});
