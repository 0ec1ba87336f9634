// Whatever a file looks like: a server is moved, added or removed, nothing else changes, and undoing that gives the bytes
// that were there.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { stringify as yamlText } from 'yaml';
import { editDocument, type FormatName, readDocument, type ServerEdit } from '../../../src/host/document.ts';
import { applySplices, inverse } from '../../../src/host/text/edit.ts';

const name = fc
  .stringMatching(/^[a-zA-Z0-9 ._@/é"'-]{1,12}$/)
  .filter((text) => text !== '__proto__' && text.trim() === text);
const word = fc.string({ unit: 'grapheme', maxLength: 12 });
const server = fc.record(
  {
    command: fc.constantFrom('npx', 'uvx', '/usr/bin/node', 'C:\\x'),
    args: fc.array(word, { maxLength: 3 }),
    env: fc.dictionary(fc.stringMatching(/^[A-Z_]{1,8}$/), word, { maxKeys: 3 }),
    disabled: fc.boolean(),
    timeout: fc.integer({ min: 0, max: 1e6 }),
    note: word,
  },
  { requiredKeys: ['command'] },
);
const servers = fc.dictionary(name, server, { minKeys: 1, maxKeys: 4 });
const rest = fc.dictionary(fc.stringMatching(/^k[a-z]{1,6}$/), fc.oneof(word, fc.integer(), fc.boolean()), {
  maxKeys: 3,
});
const style = fc.record({
  indent: fc.constantFrom(undefined, '  ', '    ', '\t'),
  crlf: fc.boolean(),
  mark: fc.boolean(),
  comments: fc.array(fc.nat(), { maxLength: 6 }),
  commas: fc.boolean(),
});

/** Puts comments at the ends of lines, and commas where none is needed. */
function decorate(
  text: string,
  { crlf, mark, comments, commas }: typeof style extends fc.Arbitrary<infer T> ? T : never,
  sign: string,
): string {
  const lines = text.split('\n');
  const isJson = sign === '//';
  for (const at of comments) {
    const index = at % lines.length;
    const line = lines[index] ?? '';
    if (isJson ? lines.length > 1 : line.trim() === '' || /^[\w"' .-]+:\s*$/.test(line))
      lines[index] = `${line} ${sign} , } ] "about ${at}`;
  }
  let whole = lines.join('\n');
  if (commas && isJson) whole = whole.replace(/([\]}"\w])(\n\s*[}\]])/g, '$1,$2');
  return (mark ? '\uFEFF' : '') + (crlf ? whole.replaceAll('\n', '\r\n') : whole);
}

const FORMS: readonly {
  format: FormatName;
  sign: string;
  key: string;
  write(value: object, indent: string | undefined): string;
}[] = [
  {
    format: 'json',
    sign: '//',
    key: 'mcpServers',
    write: (value, indent) => JSON.stringify(value, null, indent),
  },
  {
    format: 'yaml',
    sign: '#',
    key: 'extensions',
    write: (value, indent) => yamlText(value, { indent: indent === '    ' ? 4 : 2, lineWidth: 0 }),
  },
  {
    format: 'toml',
    sign: '#',
    key: 'mcp_servers',
    write: (value) => tomlText(value as Record<string, unknown>),
  },
];

function tomlText({ mcp_servers: all, ...others }: Record<string, unknown>): string {
  const value = (one: unknown): string =>
    Array.isArray(one)
      ? `[${one.map(value).join(', ')}]`
      : JSON.stringify(one).replaceAll('\u007f', '\\u007f');
  const lines = Object.entries(others).map(([key, one]) => `${key} = ${value(one)}`);
  for (const [id, { env, ...entry }] of Object.entries(all as Record<string, Record<string, object>>)) {
    lines.push(
      '',
      `[mcp_servers.${JSON.stringify(id)}]`,
      ...Object.entries(entry).map(([key, one]) => `${key} = ${value(one)}`),
    );
    if (env !== undefined)
      lines.push(
        '',
        `[mcp_servers.${JSON.stringify(id)}.env]`,
        ...Object.entries(env).map(([key, one]) => `${key} = ${value(one)}`),
      );
  }
  return `${lines.join('\n')}\n`;
}

test.each(FORMS)(
  'W-HOST-20 $format: an edit and its undoing give the same bytes, and no other server changes',
  ({ format, sign, key, write }) => {
    fc.assert(
      fc.property(
        rest,
        servers,
        style,
        fc.nat(),
        fc.constantFrom('move', 'add', 'remove', 'all'),
        (others, all, look, which, what) => {
          const text = decorate(write({ ...others, [key]: all }, look.indent), look, sign);
          const document = readDocument(text, format);
          expect(document.value).toMatchObject({ [key]: expect.anything() });
          const names = Object.keys(all);
          const chosen = names[which % names.length] ?? '';
          const move = (one: string): ServerEdit => ({
            path: [key, one],
            changes: [
              { path: ['command'], value: '/home/a b/warder' },
              { path: ['args'], value: ['run', 'x'] },
              { path: ['env'], value: undefined },
            ],
          });
          const fresh = 'warder-new';
          const edits: ServerEdit[] =
            what === 'add'
              ? [
                  {
                    path: [key, fresh],
                    changes: [{ path: [], value: { command: '/w', args: ['run', 'x'] } }],
                  },
                ]
              : what === 'remove'
                ? [{ path: [key, chosen], changes: [{ path: [], value: undefined }] }]
                : (what === 'all' ? names : [chosen]).map(move);
          const { document: after, splices } = editDocument(document, edits);
          expect(applySplices(text, splices)).toBe(after.text);
          expect(applySplices(after.text, inverse(splices))).toBe(text);
          const now = (((after.value ?? {}) as Record<string, unknown>)[key] ?? {}) as Record<
            string,
            Record<string, unknown>
          >;
          for (const [one, entry] of Object.entries(all)) {
            if (edits.some(({ path }) => path[1] === one)) {
              if (what === 'remove') expect(Object.hasOwn(now, one)).toBe(false);
              else
                expect({ ...now[one] }).toEqual({
                  ...entry,
                  env: undefined,
                  command: '/home/a b/warder',
                  args: ['run', 'x'],
                });
            } else expect(now[one]).toEqual(entry);
          }
          if (look.crlf && what !== 'add') expect(/(?<!\r)\n/.test(after.text)).toBe(false);
        },
      ),
      { numRuns: process.env.SLOW ? 2000 : 200 },
    );
  },
);
