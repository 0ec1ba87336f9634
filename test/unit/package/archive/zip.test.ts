import { expect, test } from 'vitest';
import { readWhole, readZip, type ZipBounds, ZipError } from '../../../../src/package/archive/zip.ts';
import { type ArchivedFile, zip } from '../../../fixtures/wheel.ts';

const BOUNDS: ZipBounds = { entries: 50, unpacked: 2e6, ratio: { most: 100, above: 1e6 } };

/** Reads an archive whole. */
async function readAll(archive: Buffer, bounds = BOUNDS): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const entry of await readZip(archive, bounds))
    files.set(entry.name, (await readWhole(entry)).toString());
  return files;
}

/** An archive with its end record changed. */
function changed(files: readonly ArchivedFile[], change: (end: Buffer) => void): Buffer {
  const archive = zip(files);
  change(archive.subarray(archive.length - 22));
  return archive;
}

/** The end of a ZIP64 archive of the files. `change` changes its long record. */
function zip64(files: readonly ArchivedFile[], change: (record: Buffer) => void = () => {}): Buffer {
  const archive = zip(files);
  const end = archive.subarray(archive.length - 22);
  const size = end.readUInt32LE(12);
  const start = end.readUInt32LE(16);
  const record = Buffer.alloc(56);
  record.writeUInt32LE(0x06064b50, 0);
  record.writeBigUInt64LE(44n, 4);
  record.writeBigUInt64LE(BigInt(files.length), 24);
  record.writeBigUInt64LE(BigInt(files.length), 32);
  record.writeBigUInt64LE(BigInt(size), 40);
  record.writeBigUInt64LE(BigInt(start), 48);
  change(record);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(archive.length - 22), 8);
  locator.writeUInt32LE(1, 16);
  const last = Buffer.from(end);
  last.writeUInt16LE(0xffff, 8);
  last.writeUInt16LE(0xffff, 10);
  last.writeUInt32LE(0xffffffff, 12);
  last.writeUInt32LE(0xffffffff, 16);
  return Buffer.concat([archive.subarray(0, -22), record, locator, last]);
}

test('files are read, stored or deflated, with folders and permissions, also of a ZIP64 archive', async () => {
  const big = 'x'.repeat(100_000);
  const files: ArchivedFile[] = [
    { name: 'a/', mode: 0o040755 },
    { name: 'a/b.py', content: 'hello', claim: { flags: 0x800 } },
    { name: 'a/c', content: big, deflate: true, mode: 0o104755 },
    { name: 'é', content: '', deflate: true },
    { name: 'without-a-type', content: '1', mode: 0o755 },
    { name: 'without-a-mode', content: '2', mode: 0 },
  ];
  const entries = await readZip(zip(files), BOUNDS);
  expect(entries.map(({ name, folder, executable }) => [name, folder, executable])).toEqual([
    ['a', true, false],
    ['a/b.py', false, false],
    ['a/c', false, true],
    ['é', false, false],
    ['without-a-type', false, true],
    ['without-a-mode', false, false],
  ]);
  const expected = [
    ['a', ''],
    ['a/b.py', 'hello'],
    ['a/c', big],
    ['é', ''],
    ['without-a-type', '1'],
    ['without-a-mode', '2'],
  ] as const;
  expect(await readAll(zip(files))).toEqual(new Map(expected));
  expect(await readAll(zip64(files))).toEqual(new Map(expected));
});

test('sizes behind the content, as a program writes that did not know them before', async () => {
  const descriptor = Buffer.alloc(16);
  const file: ArchivedFile = {
    name: 'a',
    content: 'hello',
    claim: { flags: 8 },
    localClaim: { crc: 0, size: 0 },
    behind: descriptor,
  };
  const archive = zip([file]);
  // The packed size in the header before the content, which the fixture fills in.
  archive.writeUInt32LE(0, 18);
  expect(await readAll(archive)).toEqual(new Map([['a', 'hello']]));
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
  '..\\evil',
  'C:/evil',
  'c:evil',
  'a\0b',
  'a\nb',
  '',
  '/',
  `a/${'x'.repeat(300)}`,
  'x/'.repeat(100),
])('W-PKG-13 a file of the name %j is refused', async (name) => {
  await expect(readAll(zip([{ name, content: 'x' }]))).rejects.toThrow(ZipError);
});

const second = Buffer.from([0x75, 0x70, 6, 0, 1, 0, 0, 0, 0, 0x62]);

test.each<[string, ArchivedFile[]]>([
  ['a symbolic link', [{ name: 'link', content: '/etc', mode: 0o120777 }]],
  ['a device', [{ name: 'device', mode: 0o060644 }]],
  ['a FIFO', [{ name: 'fifo', mode: 0o010644 }]],
  ['a folder that is a file', [{ name: 'a/', mode: 0o100644 }]],
  ['a folder with a content', [{ name: 'a/', content: 'x', mode: 0o040755 }]],
  ['the same name twice', [{ name: 'a' }, { name: 'a' }]],
  [
    'the same folder twice',
    [
      { name: 'a/', mode: 0o040755 },
      { name: 'a/', mode: 0o040755 },
    ],
  ],
  ['the same name in another case', [{ name: 'A' }, { name: 'a' }]],
  ['the same folder in another case', [{ name: 'A/b' }, { name: 'a/c' }]],
  ['the same name in another form of its accents', [{ name: 'é' }, { name: 'e\u0301' }]],
  ['a file that is a folder', [{ name: 'a' }, { name: 'a/b' }]],
  ['a folder that becomes a file', [{ name: 'a/b' }, { name: 'a' }]],
  ['an encrypted file', [{ name: 'a', claim: { flags: 1 } }]],
  ['a strongly encrypted file', [{ name: 'a', claim: { flags: 0x41 } }]],
  ['masked headers', [{ name: 'a', claim: { flags: 0x2000 } }]],
  ['an unknown compression', [{ name: 'a', claim: { method: 12 } }]],
  ['a size of ZIP64 that is nowhere', [{ name: 'a', claim: { size: 0xffffffff } }]],
  ['a name that is not UTF-8', [{ name: 'x', bytes: Buffer.from([0x66, 0xff]) }]],
  ['a second name', [{ name: 'a', extra: second }]],
  [
    'more content than it says',
    [{ name: 'a', content: 'x'.repeat(1e5), deflate: true, claim: { size: 10 } }],
  ],
  ['less content than it says', [{ name: 'a', content: 'x', deflate: true, claim: { size: 10 } }]],
  ['a content, though it says none', [{ name: 'a', content: 'x', deflate: true, claim: { size: 0 } }]],
  ['another checksum', [{ name: 'a', content: 'x', claim: { crc: 1 } }]],
  ['content that is not deflated', [{ name: 'a', content: 'xyz', claim: { method: 8 } }]],
  ['another name before the content', [{ name: 'a', content: 'x', localName: 'b' }]],
  ['another size before the content', [{ name: 'a', content: 'x', localClaim: { size: 2 } }]],
  ['another checksum before the content', [{ name: 'a', content: 'x', localClaim: { crc: 2 } }]],
  ['encryption said before the content alone', [{ name: 'a', content: 'x', localClaim: { flags: 1 } }]],
  [
    'files that share bytes',
    [
      { name: 'a', content: 'x' },
      { name: 'a', content: 'x', offset: 0 },
    ],
  ],
  ['bytes that belong to no file', [{ name: 'a', content: 'x', behind: Buffer.alloc(9) }, { name: 'b' }]],
  ['a content beyond the archive', [{ name: 'a', content: 'x', offset: 4000 }]],
])('W-PKG-13 an archive with %s is refused', async (_what, files) => {
  await expect(readAll(zip(files))).rejects.toThrow(ZipError);
});

test('W-PKG-13 overlapping files of one name each, as in a bomb, are refused', async () => {
  // The second entry names the local header of the first; the name would have to be the same.
  const bomb = zip([
    { name: 'a', content: 'x'.repeat(1e5), deflate: true },
    { name: 'b', localName: 'a', content: 'x'.repeat(1e5), deflate: true, offset: 0 },
  ]);
  await expect(readAll(bomb)).rejects.toThrow(ZipError);
});

test.each<[string, Buffer, Partial<ZipBounds>]>([
  ['files', zip(Array.from({ length: 51 }, (_each, index) => ({ name: String(index) }))), {}],
  ['bytes', zip([{ name: 'a', content: 'x'.repeat(1001) }]), { unpacked: 1000 }],
  ['of what deflate can do', zip([{ name: 'a', content: 'x'.repeat(1.1e6), deflate: true }]), {}],
])(
  'W-PKG-13 an archive with too many %s is refused before anything is unpacked',
  async (_what, archive, less) => {
    await expect(readZip(archive, { ...BOUNDS, ...less })).rejects.toThrow(
      /it has more than|would be more than/,
    );
  },
);

test('W-PKG-13 what is cut, joined, or disagrees with its own end is refused', async () => {
  const files: ArchivedFile[] = [{ name: 'a', content: 'x' }];
  const good = zip(files);
  const comment = Buffer.concat([good, Buffer.alloc(0xffff, 'c')]);
  comment.writeUInt16LE(0xffff, good.length - 2);
  expect(await readAll(comment)).toEqual(new Map([['a', 'x']]));
  const inComment = Buffer.concat([good, good]);
  inComment.writeUInt16LE(good.length, good.length - 2);
  for (const archive of [
    Buffer.alloc(0),
    Buffer.from('PK'),
    Buffer.from('hello'),
    good.subarray(0, -1),
    good.subarray(0, 30),
    good.subarray(5),
    Buffer.concat([good, Buffer.from('x')]),
    Buffer.concat([good, good]),
    Buffer.concat([Buffer.from('#!/bin/sh\n'), good]),
    inComment,
    zip(files, 2),
    zip([{ name: 'a' }, { name: 'b' }], 1),
    zip(files, 0xffff),
    changed(files, (end) => void end.writeUInt16LE(2, 8)),
    changed(files, (end) => void end.writeUInt32LE(1, 12)),
    changed(files, (end) => void end.writeUInt32LE(0, 16)),
    changed(files, (end) => void end.writeUInt16LE(1, 4)),
    zip64(files, (record) => void record.writeBigUInt64LE(2n, 32)),
    zip64(files, (record) => void record.writeBigUInt64LE(2n ** 53n, 48)),
    zip64(files, (record) => void record.writeBigUInt64LE(1n, 40)),
    zip64(files, (record) => void record.writeBigUInt64LE(2n ** 60n, 4)),
    zip64(files, (record) => void record.writeUInt32LE(0, 0)),
  ])
    await expect(readAll(archive)).rejects.toThrow(ZipError);
});
