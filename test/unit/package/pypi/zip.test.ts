import { expect, test } from 'vitest';
import { readZip, ZipError } from '../../../../src/package/pypi/zip.ts';
import { type ArchivedFile, zip } from '../../../fixtures/wheel.ts';

test('files are read, stored or deflated, with folders and permissions', () => {
  const big = 'x'.repeat(100_000);
  const entries = readZip(
    zip([
      { name: 'a/', mode: 0o040755 },
      { name: 'a/b.py', content: 'hello' },
      { name: 'a/c', content: big, deflate: true, mode: 0o100755 },
      { name: 'é', content: '', deflate: true },
      { name: 'unix-mode-unknown', content: '1', mode: 0 },
    ]),
  );
  expect(entries.map(({ name, folder, executable }) => [name, folder, executable])).toEqual([
    ['a', true, true],
    ['a/b.py', false, false],
    ['a/c', false, true],
    ['é', false, false],
    ['unix-mode-unknown', false, false],
  ]);
  expect(entries[1]?.read().toString()).toBe('hello');
  expect(entries[2]?.read().toString()).toBe(big);
  expect(entries[3]?.read()).toHaveLength(0);
});

test.each([
  '../evil',
  'a/../../evil',
  '/etc/passwd',
  'a//b',
  './a',
  'a/.',
  '..',
  'a\\..\\b',
  'C:/evil',
  'a\0b',
  'a\nb',
  '',
  `a/${'x'.repeat(300)}`,
])('W-PKG-9 a file of the name %j is refused', (name) => {
  expect(() => readZip(zip([{ name, content: 'x' }]))).toThrow(ZipError);
});

test.each<[string, ArchivedFile[]]>([
  ['a symbolic link', [{ name: 'link', content: '/etc', mode: 0o120777 }]],
  ['a device', [{ name: 'device', mode: 0o060644 }]],
  ['a folder that is a file', [{ name: 'a/', mode: 0o100644 }]],
  ['the same name twice', [{ name: 'a' }, { name: 'a' }]],
  ['the same name in another case', [{ name: 'A/b' }, { name: 'a/B' }]],
  ['an encrypted file', [{ name: 'a', claim: { flags: 1 } }]],
  ['an unknown compression', [{ name: 'a', claim: { method: 12 } }]],
  ['ZIP64 sizes', [{ name: 'a', claim: { size: 0xffffffff } }]],
])('W-PKG-9 an archive with %s is refused', (_what, files) => {
  expect(() => readZip(zip(files))).toThrow(ZipError);
});

test.each<[string, ArchivedFile]>([
  ['more content than it says', { name: 'a', content: 'x'.repeat(1e6), deflate: true, claim: { size: 10 } }],
  ['less content than it says', { name: 'a', content: 'x', deflate: true, claim: { size: 10 } }],
  [
    'content that is not empty, though it says so',
    { name: 'a', content: 'x', deflate: true, claim: { size: 0 } },
  ],
  ['another checksum', { name: 'a', content: 'x', claim: { crc: 1 } }],
  ['another name before the content', { name: 'a', content: 'x', localName: 'b' }],
  ['content that is not deflated', { name: 'a', content: 'xyz', claim: { method: 8 } }],
])('W-PKG-9 a file with %s is refused when it is read', (_what, file) => {
  const [entry] = readZip(zip([file]));
  expect(() => entry?.read()).toThrow(ZipError);
});

test('W-PKG-9 what is cut, joined or no archive is refused', () => {
  const good = zip([{ name: 'a', content: 'x' }]);
  const bad = [
    Buffer.alloc(0),
    Buffer.from('hello'),
    good.subarray(0, good.length - 1),
    good.subarray(5),
    Buffer.concat([good, Buffer.from('x')]),
    Buffer.concat([good, good]),
    zip([{ name: 'a' }], 2),
    zip([{ name: 'a' }, { name: 'b' }], 1),
    zip([{ name: 'a' }], 0xffff),
  ];
  for (const archive of bad) {
    expect(() => readZip(archive).map((entry) => entry.read())).toThrow(ZipError);
  }
});
