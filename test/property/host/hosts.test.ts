// Every host, in every style of its format, with servers of every kind: whatever is imported, connected or disconnected,
// only that changes, no secret of it stays, and undoing it gives the bytes that were there. No style is refused.
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { editDocument, readDocument, type ServerEdit } from '../../../src/host/document.ts';
import { addServer, type HostServer, moveServer, profileOf, serversOf } from '../../../src/host/servers.ts';
import { type HostFile, hosts, type Shape } from '../../../src/host/table.ts';
import { applySplices, inverse, type Path } from '../../../src/host/text/edit.ts';
import { Choices, writeHostText } from '../../fixtures/host-text.ts';

const LAUNCH = { command: '/home/ada lovelace/.local/share/warder/bin/warder', args: ['run', 'x'] };
const NEW = 'warder-new';

/** Text that means something to a careless reader of one of the formats. */
const ODD_WORDS = [
  ...'-y|# no|// no|a: b|- x|"|\\|null|1.0|*a|&a|!x|{|[|%|@|`|yes|~|]|a\nb|"""|<<'.split('|'),
  ...['', "'", "''", '|', '$'.concat('{env:X}')],
];
const word = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 12 }), fc.constantFrom(...ODD_WORDS));
const name = fc
  .oneof(
    fc.stringMatching(/^[a-zA-Z0-9 ._@/é"'-]{1,12}$/),
    fc.constantFrom('toString', 'a.b', '1', 'null', 'true', '#', 'a: b', '"', 'mcpServers', 'servers', 'env'),
  )
  .filter((text) => text !== '__proto__' && text !== NEW && text.trim() === text);
const extra = fc.record(
  {
    timeout: fc.integer({ min: 0, max: 1e6 }),
    alwaysAllow: fc.array(word, { maxLength: 3 }),
    note: word,
    nested: fc.record({ deep: fc.record({ deeper: fc.array(fc.boolean(), { maxLength: 2 }) }) }),
  },
  { requiredKeys: [] },
);
const drawn = fc.record({
  kind: fc.constantFrom('local', 'local', 'local', 'remote', 'nested'),
  command: fc.constantFrom('npx', 'uvx', '/usr/bin/node', 'C:\\Program Files\\x.exe'),
  args: fc.array(word, { maxLength: 3 }),
  env: fc.dictionary(fc.stringMatching(/^[A-Z_]{1,8}$/), word, { maxKeys: 3 }),
  secrets: fc.subarray(['env', 'argument', 'header', 'url'] as const),
  isOff: fc.boolean(),
  isTyped: fc.boolean(),
  extra,
});
type Drawn = typeof drawn extends fc.Arbitrary<infer T> ? T : never;
const others = (letter: string) =>
  fc.dictionary(
    fc.stringMatching(new RegExp(`^${letter}[a-z]{1,6}$`)),
    fc.oneof(word, fc.integer(), fc.boolean(), extra),
    { maxKeys: 3 },
  );
const space = fc.record({
  servers: fc.uniqueArray(fc.tuple(name, drawn), { maxLength: 4, selector: ([id]) => id }),
  before: others('k'),
  after: others('l'),
  place: fc.nat(),
  folder: fc.constantFrom('/home/ada/src', 'C:\\src', 'a.b', '*'),
  choices: fc.array(fc.nat({ max: 5039 }), { maxLength: 60 }),
  what: fc.constantFrom('import', 'import', 'import all', 'connect', 'disconnect'),
  which: fc.nat(),
});

/** An entry in a host's form, with a secret in each of the places that were drawn. */
function entryOf(shape: Shape, id: string, one: Drawn, secret: string): Record<string, unknown> {
  const { kind, command, isTyped, isOff, secrets } = one;
  const args = secrets.includes('argument') ? [...one.args, `--api-key=${secret}`] : one.args;
  const env = secrets.includes('env') ? { ...one.env, API_TOKEN: secret } : one.env;
  const isRemote = kind === 'remote';
  const remote = {
    ...(isTyped && 'type' in shape.added ? { type: 'http' } : {}),
    [shape.url.at(-1) ?? '']: `https://mcp.example.com/mcp${secrets.includes('url') ? `?key=${secret}` : ''}`,
    ...(secrets.includes('header') ? { [shape.headers]: { Authorization: `Bearer ${secret}` } } : {}),
  };
  const local =
    shape.args === undefined
      ? { [shape.command]: [command, ...args] }
      : kind === 'nested'
        ? { [shape.command]: { path: command, args, env } }
        : { [shape.command]: command, [shape.args]: args };
  const variables = kind === 'nested' && shape.args !== undefined ? {} : { [shape.env]: env };
  const entry = {
    ...(isTyped ? shape.added : {}),
    ...one.extra,
    ...(isOff ? { [shape.off[0]]: shape.off[1] } : {}),
    ...(isRemote ? remote : { ...local, ...(isTyped || Object.keys(env).length > 0 ? variables : {}) }),
  };
  if (shape.named === undefined) return entry;
  return isTyped ? { [shape.named]: id, ...entry } : { ...entry, [shape.named]: id };
}

/** The files whose servers look differently, and the first host of each. */
const forms = [
  ...Map.groupBy(
    Object.entries(hosts).flatMap(([id, { files }]) => files.map((file): [string, HostFile] => [id, file])),
    ([, { format, servers, shape }]) => JSON.stringify([format, servers, shape]),
  ).values(),
].map(([first]) => first as [string, HostFile]);

test.each(forms)(
  'W-HOST-20 %s: only what is moved changes, its secrets are gone, and undoing is byte for byte',
  (_, file) => {
    const { shape, format } = file;
    fc.assert(
      fc.property(space, ({ servers, before, after, place, folder, choices, what, which }) => {
        const path: Path = (file.servers[place % file.servers.length] ?? []).map((key) =>
          key === '*' ? folder : key,
        );
        const entries = servers.map(
          ([id, one], index) => [id, entryOf(shape, id, one, secretOf(index))] as const,
        );
        const all =
          shape.named === undefined ? Object.fromEntries(entries) : entries.map(([, entry]) => entry);
        const inner = path.reduceRight<unknown>((value, key) => ({ [key]: value }), all) as object;
        const value = { ...before, ...inner, ...after };
        const text = writeHostText(format, value, new Choices(choices));
        const document = readDocument(text, format);
        // Line ends in strings of several lines, and strings that YAML folds, may be read as others than were written.
        if (format === 'json') expect(plain(document.value)).toEqual(plain(value));
        else fc.pre(isDeepStrictEqual(plain(document.value), plain(value)));

        const found = own(serversOf(document, file));
        const first = which % Math.max(1, found.length);
        const chosen =
          what === 'connect' ? [] : what === 'import all' ? found : found.slice(first, first + 1);
        const edits = chosen.map(
          (server): ServerEdit =>
            what === 'disconnect'
              ? { path: server.path, changes: [{ path: [], value: undefined }] }
              : moveServer(server, LAUNCH, shape),
        );
        if (what === 'connect') edits.push(addServer(document, file, NEW, LAUNCH));
        const { document: edited, splices } = editDocument(document, edits);

        expect(applySplices(text, splices)).toBe(edited.text);
        expect(applySplices(edited.text, inverse(splices))).toBe(text);
        const isOf =
          (list: readonly HostServer[]) =>
          (server: HostServer): boolean =>
            list.some((one) => isDeepStrictEqual(keyOf(one, shape), keyOf(server, shape)));
        const left = own(serversOf(edited, file));
        const moved = left.filter((one) => isOf(chosen)(one) || one.name === NEW);
        expect(left.filter((one) => !moved.includes(one)).map(content)).toEqual(
          found.filter((one) => !isOf(chosen)(one)).map(content),
        );
        expect(moved.length).toBe(what === 'connect' ? 1 : what === 'disconnect' ? 0 : chosen.length);
        for (const one of moved) expect(profileOf(one, [LAUNCH.command])).toBe('x');
        if (what !== 'connect')
          expect(moved.map(({ enabled }) => enabled)).toEqual(
            moved.length === 0 ? [] : chosen.map(({ enabled }) => enabled),
          );
        for (const [index, [id]] of servers.entries())
          if (chosen.some((one) => one.name === id)) expect(edited.text).not.toContain(secretOf(index));
      }),
      { numRuns: process.env.SLOW ? 3000 : 100 },
    );
  },
);

function secretOf(index: number): string {
  return `ghp_${String(index).repeat(4)}abcdefghijABCDEFGHIJ012345678901`;
}

/** The servers that a person has, without what is a part of the host. */
function own(servers: readonly HostServer[]): HostServer[] {
  return servers.filter(({ kind }) => kind !== 'other');
}

/** What tells a server from others. In a list its place changes with its neighbours. */
function keyOf({ name: id, path }: HostServer, { named }: Shape): unknown {
  return named === undefined ? path : id;
}

function content({ name: id, entry }: HostServer): unknown {
  return [id, entry];
}

/** A value as JSON has it, with the order of its members. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
