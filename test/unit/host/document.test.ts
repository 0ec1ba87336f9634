import { describe, expect, test } from 'vitest';
import { editDocument, type FormatName, readDocument, type ServerEdit } from '../../../src/host/document.ts';
import { decode } from '../../../src/host/text/decode.ts';
import { applySplices, inverse, valueAt } from '../../../src/host/text/edit.ts';

const entry = { command: '/w', args: ['run', 'x'] };
const added = (path: readonly string[]): ServerEdit => ({ path, changes: [{ path: [], value: entry }] });
const moved = (path: readonly (string | number)[], env = 'env'): ServerEdit => ({
  path,
  changes: [
    { path: ['command'], value: '/w' },
    { path: ['args'], value: ['run', 'x'] },
    { path: [env], value: undefined },
  ],
});
const removed = (path: readonly (string | number)[]): ServerEdit => ({
  path,
  changes: [{ path: [], value: undefined }],
});

function edit(text: string, format: FormatName, ...edits: ServerEdit[]): string {
  const { document, splices } = editDocument(readDocument(text, format), edits);
  expect(applySplices(text, splices)).toBe(document.text);
  expect(applySplices(document.text, inverse(splices))).toBe(text);
  return document.text;
}

describe('JSON', () => {
  test('a server is moved in its place; comments, order, commas and unknown members stay', () => {
    const text = `{
  // mine
  "theme": "dark",
  "mcpServers": {
    "a": { "command": "npx", "args": ["-y", "pkg"], "env": { "T": "s" }, "x": 1 }, // about a
    "b": {
      "type": "stdio", /* b */
      "command": "npx",
      "args": [
        "-y",
        "pkg" // what
      ],
      "env": {
        "T": "s"
      },
      "alwaysAllow": [],
    },
  },
}
`;
    expect(edit(text, 'json', moved(['mcpServers', 'a']), moved(['mcpServers', 'b']))).toBe(`{
  // mine
  "theme": "dark",
  "mcpServers": {
    "a": { "command": "/w", "args": ["run","x"], "x": 1 }, // about a
    "b": {
      "type": "stdio", /* b */
      "command": "/w",
      "args": [
        "run",
        "x"
      ],
      "alwaysAllow": [],
    },
  },
}
`);
  });

  test.each([
    [
      'the last member goes with the comma before it',
      '{"s":{"a":{"command":"n","args":[],"env":{"T":"s"}}}}',
      '{"s":{"a":{"command":"/w","args":["run","x"]}}}',
    ],
    [
      'on a line of its own',
      '{\n\t"s": {\n\t\t"a": {\n\t\t\t"command": "n", // c\n\t\t\t"args": [], // d\n\t\t\t"env": {} // e\n\t\t}\n\t}\n}',
      undefined,
    ],
    [
      'CRLF',
      '{\r\n  "s": {\r\n    "a": {\r\n      "command": "n",\r\n      "args": ["1"],\r\n      "env": {\r\n        "T": "s"\r\n      }\r\n    }\r\n  }\r\n}\r\n',
      '{\r\n  "s": {\r\n    "a": {\r\n      "command": "/w",\r\n      "args": ["run","x"]\r\n    }\r\n  }\r\n}\r\n',
    ],
    [
      'a byte order mark',
      '\uFEFF{"s": {"a": {"command": "n", "env": {}}}}',
      '\uFEFF{"s": {"a": {"command": "/w", "args": ["run","x"]}}}',
    ],
  ])('a member is removed or added: %s', (_, text, expected) => {
    const after = edit(text, 'json', moved(['s', 'a']));
    if (expected !== undefined) expect(after).toBe(expected);
  });

  test.each([
    ['{}', '{"mcpServers":{"x":{"command":"/w","args":["run","x"]}}}'],
    ['{"a": 1}', '{"a": 1, "mcpServers": {"x":{"command":"/w","args":["run","x"]}}}'],
    [
      '{\n  "mcpServers": {}\n}\n',
      '{\n  "mcpServers": {\n    "x": {\n      "command": "/w",\n      "args": [\n        "run",\n        "x"\n      ]\n    }\n  }\n}\n',
    ],
    [
      '{\n\t"mcpServers": {\n\t\t"a": {} // last\n\t\t// end\n\t}\n}',
      '{\n\t"mcpServers": {\n\t\t"a": {}, // last\n\t\t// end\n\t\t"x": {\n\t\t\t"command": "/w",\n\t\t\t"args": [\n\t\t\t\t"run",\n\t\t\t\t"x"\n\t\t\t]\n\t\t}\n\t}\n}',
    ],
    [
      '{\n  "b": 1, // one\n}',
      '{\n  "b": 1, // one\n  "mcpServers": {\n    "x": {\n      "command": "/w",\n      "args": [\n        "run",\n        "x"\n      ]\n    }\n  }\n}',
    ],
    [
      '',
      '{\n  "mcpServers": {\n    "x": {\n      "command": "/w",\n      "args": [\n        "run",\n        "x"\n      ]\n    }\n  }\n}\n',
    ],
  ])('a server is added to %j', (text, expected) => {
    expect(edit(text, 'json', added(['mcpServers', 'x']))).toBe(expected);
    expect(readDocument(edit(expected, 'json', removed(['mcpServers', 'x'])), 'json').value).toEqual(
      text === '' || text === '{}' || text.includes('mcp') ? expect.anything() : expect.anything(),
    );
  });

  test.each([
    ['broken', '{"s": {"a": {"command": "n"', /line 1/],
    ['a name twice', '{"s": {"a": {}, "a": {"command": "n"}}}', /"s.a" twice/],
    ['the servers twice', '{"s": {"a": {}}, "s": {"b": {}}}', /"s" twice/],
    ['a member twice', '{"s": {"a": {"command": "n", "command": "m"}}}', /"s.a.command" twice/],
    ['no object', '[1]', /no object/],
    ['servers that are a list', '{"s": [1]}', /no object/],
    ['deep nesting', `${'['.repeat(200_000)}`, /./],
  ])('nothing is written where the file is odd: %s', (_, text, message) => {
    expect(() => edit(text, 'json', added(['s', 'a']))).toThrow(message);
  });

  test('a member "__proto__" is a member like any other', () => {
    const text = '{"__proto__": {"command": "evil"}, "s": {"a": {"command": "n"}}}';
    expect(edit(text, 'json', moved(['s', 'a']))).toContain('"__proto__": {"command": "evil"}');
  });

  test('5 MB are edited', () => {
    const text = JSON.stringify({
      history: 'x'.repeat(5_000_000),
      s: { a: { command: 'n', args: [], env: {} } },
    });
    expect(edit(text, 'json', moved(['s', 'a']))).toContain('"command":"/w"');
  });
});

test.each([
  ['yaml', `history: |\n${`  ${'x'.repeat(97)}\n`.repeat(50_000)}s:\n  a:\n    command: n\n    args: []\n`],
  ['toml', `history = "${'x'.repeat(5_000_000)}"\n[s.a]\ncommand = "n"\nargs = []\n`],
] as const)('W-HOST-20 5 MB of %s are edited, and back', (format, text) => {
  expect(edit(text, format, moved(['s', 'a']))).toContain('/w');
});

describe('YAML', () => {
  test.each([
    'command: !mine n\n    args: []',
    'command: n\n    args: !mine [a]',
    'command: n\n    args: &a [b]',
  ])('W-HOST-20 what a tag or an anchor gives another meaning is not edited: %s', (members) => {
    expect(() => edit(`s:\n  a:\n    ${members}\n`, 'yaml', moved(['s', 'a']))).toThrow(
      /anchor, or a tag of its own/,
    );
  });

  test('W-HOST-20 tags of YAML, and those of others beside the server, stay', () => {
    const rest = 'when: !!timestamp 2001-12-14\n  b: !!js/function "x"\nc: !mine {d: 1}\n';
    const text = `s:\n  a:\n    command: !!str n\n    args: []\n    ${rest}`;
    expect(edit(text, 'yaml', moved(['s', 'a']))).toContain(rest);
  });

  const goose = `# goose
GOOSE_MODEL: x
extensions:
  developer: {type: builtin, enabled: true}
  github: # mine
    type: stdio
    cmd: npx
    args:
    - -y   # yes
    - pkg
    envs:
      T: s # secret
    enabled: true
  last:
    cmd: "uvx"
    args: [a]
`;

  test('a server is moved in its place', () => {
    const changes = [
      { path: ['cmd'], value: '/w' },
      { path: ['args'], value: ['run', 'x'] },
      { path: ['envs'], value: undefined },
    ];
    expect(edit(goose, 'yaml', { path: ['extensions', 'github'], changes })).toBe(`# goose
GOOSE_MODEL: x
extensions:
  developer: {type: builtin, enabled: true}
  github: # mine
    type: stdio
    cmd: "/w"
    args:
    - "run"
    - "x"
    enabled: true
  last:
    cmd: "uvx"
    args: [a]
`);
  });

  test('a server is added at the end, and removed', () => {
    const after = edit(goose, 'yaml', added(['extensions', 'x']));
    expect(after).toBe(`${goose}  x:\n    command: "/w"\n    args:\n      - "run"\n      - "x"\n`);
    expect(edit(after, 'yaml', removed(['extensions', 'x']))).toBe(goose);
    expect(edit('a: 1\n', 'yaml', added(['extensions', 'x']))).toContain('extensions:\n  x:\n');
    expect(edit('extensions: {}\n', 'yaml', added(['extensions', 'x']))).toBe(
      'extensions: {x: {"command":"/w","args":["run","x"]}}\n',
    );
    expect(edit('extensions:\n  a:\n    cmd: x\nb: 1\n', 'yaml', removed(['extensions', 'a']))).toBe(
      'extensions: {}\nb: 1\n',
    );
    expect(edit('', 'yaml', added(['extensions', 'x']))).toContain('extensions:\n  x:\n    command: "/w"');
  });

  test.each([
    ['its first key behind the dash', 'mcpServers:\n  - env: {T: s}\n    name: a\n    command: n\n'],
    [
      'a comment behind the dash',
      'mcpServers:\n  - # a\n    name: a\n    command: n\n    env:\n      T: s # mine\n  # end\n',
    ],
    ['brackets', 'mcpServers: [{name: a, command: n, env: {T: s}}, # a\n  {name: b}]\n'],
    ['no command', 'mcpServers:\n- name: a\n  url: u\n'],
    ['an empty string of several lines', 'mcpServers:\n  - name: a\n    args:\n      - |\n\n# end\n'],
    ['a head and an end', '%YAML 1.2\n---\nmcpServers:\n  - {name: a, command: n}\n...\n'],
  ])('a server of a list is moved and removed: %s', (_, text) => {
    const after = edit(text, 'yaml', moved(['mcpServers', 0]));
    const first = valueAt(readDocument(after, 'yaml').value, ['mcpServers', 0]);
    expect(first).toMatchObject({ name: 'a', ...entry });
    expect(after).not.toMatch(/T: s/);
    const rest = readDocument(edit(after, 'yaml', removed(['mcpServers', 0])), 'yaml').value;
    expect(valueAt(rest, ['mcpServers', 0, 'name'])).not.toBe('a');
  });

  test('a list of servers', () => {
    const text =
      'name: c\r\nmcpServers:\r\n  - name: a\r\n    command: npx\r\n    args:\r\n      - -y\r\n    env:\r\n      T: s\r\n  # b\r\n  - name: b\r\n    command: npx\r\n';
    expect(edit(text, 'yaml', moved(['mcpServers', 0]))).toBe(
      'name: c\r\nmcpServers:\r\n  - name: a\r\n    command: "/w"\r\n    args:\r\n      - "run"\r\n      - "x"\r\n  # b\r\n  - name: b\r\n    command: npx\r\n',
    );
    const after = edit(text, 'yaml', {
      path: ['mcpServers', 2],
      changes: [{ path: [], value: { name: 'x', ...entry } }],
    });
    expect(after.startsWith(text)).toBe(true);
    expect(edit(after, 'yaml', removed(['mcpServers', 2]))).toBe(text);
    expect(edit(text, 'yaml', removed(['mcpServers', 0]))).not.toContain('name: a');
  });

  test.each([
    ['broken', 'a: [', /line/],
    ['keys twice', 'extensions:\n  a: {cmd: x}\n  a: {cmd: y}\n', /line 3/],
    ['an alias', 'b: &b {cmd: x}\nextensions:\n  a: *b\n', /alias/],
    [
      'an anchor that others use',
      'extensions:\n  a:\n    command: &c npx\n    args: []\n  b:\n    command: *c\n',
      /anchor/,
    ],
    ['two documents', 'a: 1\n---\nextensions: {}\n', /line/],
  ])('nothing is written where the file is odd: %s', (_, text, message) => {
    expect(() => edit(text, 'yaml', moved(['extensions', 'a']))).toThrow(message);
  });
});

describe('TOML', () => {
  const codex = `# codex
model = "o3" # mine
big = 1_000

[mcp_servers.a]
command = "npx" # run
args = ["-y", "pkg"]
startup_timeout_sec = 20

[mcp_servers.a.env]
T = "s"

[mcp_servers."b c"] # b
command = "n"
env = { T = "s" }

[tools]
web = true
`;

  test('a server is moved in its place, with its table of variables', () => {
    const after = edit(codex, 'toml', moved(['mcp_servers', 'a']), moved(['mcp_servers', 'b c']));
    expect(after).toContain('[mcp_servers.a]\ncommand = "/w" # run\n');
    expect(after).toContain('startup_timeout_sec = 20');
    expect(after).not.toContain('"s"');
    expect(after.slice(0, 40)).toBe(codex.slice(0, 40));
    expect(after.endsWith('[tools]\nweb = true\n')).toBe(true);
  });

  const entryOf = (text: string): unknown => valueAt(readDocument(text, 'toml').value, ['mcp_servers', 'a']);

  test.each([
    [
      'an inline table',
      '[mcp_servers]\na = { command = "n", args = [], env = { T = "s" }, x = 1 } # a\nb = { command = "n" }\n',
    ],
    [
      'inline tables in one',
      'mcp_servers = { a = { command = "n", env = { T = "s" }, x = 1 }, b = { command = "n" } }\n',
    ],
    ['dotted keys', '[mcp_servers]\na.command = "n" # a\na.env.T = "s"\na.x = 1\nb.command = "n"\n'],
    [
      'dotted keys from the root',
      'mcp_servers.a.command = "n"\r\nmcp_servers.a.env = { T = "s" }\r\nmcp_servers.a.x = 1\r\nmcp_servers.b.command = "n"\r\n',
    ],
    [
      'line ends of both kinds',
      'm = 1\r\n[mcp_servers.a]\ncommand = "n"\r\nenv = { T = "s" }\nx = 1\r\n[mcp_servers.b]\ncommand = "n"\n',
    ],
    [
      'the midst of lists of tables',
      '[[hooks]]\nname = "a"\n[hooks.env]\nT = 1\n[[hooks]]\n[mcp_servers.a]\ncommand = "n"\nx = 1\n[mcp_servers.a.env]\nT = "s"\n[[hooks]]\n[mcp_servers.b]\ncommand = "n"\n',
    ],
    [
      'strings of several lines',
      `i = """\n[mcp_servers.a]\n\\"""\n"""\nj = '''[x]\n'''''\n[mcp_servers.a]\ncommand = "n"\nx = 1\nenv = { T = """s"""" }\n[mcp_servers.b]\ncommand = "n"\n`,
    ],
    [
      'a table that only the ones below it make',
      '[mcp_servers.a.env]\nT = "s"\n[mcp_servers.b]\ncommand = "n"\n',
    ],
  ])('a server is moved, added and removed in %s', (_, text) => {
    const after = edit(text, 'toml', moved(['mcp_servers', 'a']));
    expect(entryOf(after)).toMatchObject(entry);
    expect(entryOf(after)).not.toHaveProperty('env');
    const more = edit(after, 'toml', added(['mcp_servers', 'c d']));
    expect(readDocument(more, 'toml').value).toMatchObject({ mcp_servers: { 'c d': entry } });
    const less = edit(more, 'toml', removed(['mcp_servers', 'a']));
    expect(valueAt(readDocument(less, 'toml').value, ['mcp_servers'])).toEqual({
      b: { command: 'n' },
      'c d': entry,
    });
  });

  test('a server is added and removed', () => {
    const after = edit(codex, 'toml', added(['mcp_servers', 'x']));
    expect(readDocument(after, 'toml').value).toMatchObject({ mcp_servers: { x: entry } });
    expect(edit(after, 'toml', removed(['mcp_servers', 'x']))).toBeDefined();
    expect(edit('', 'toml', added(['mcp_servers', 'x']))).toContain('[mcp_servers.x]');
    expect(edit('model = "x"\r\n', 'toml', added(['mcp_servers', 'x']))).toContain('model = "x"\r\n');
  });

  test.each([
    ['broken', '[a', /not valid TOML/],
    [
      'a server in two places',
      '[mcp_servers.a]\ncommand = "n"\n[other]\n[mcp_servers.a.env]\n',
      /a form that is not edited/,
    ],
    ['a key twice', '[mcp_servers.a]\n[mcp_servers.a]\n', /not valid TOML/],
  ])('nothing is written where the file is odd: %s', (_, text, message) => {
    expect(() => edit(text, 'toml', moved(['mcp_servers', 'a']))).toThrow(message);
  });
});

test('a file that is no UTF-8 is not read', () => {
  expect(() => decode(Buffer.from([0xff, 0xfe, 0x7b, 0]))).toThrow('is not a text in UTF-8');
  expect(() => decode(Buffer.from('{"a\0"'))).toThrow('is not a text in UTF-8');
  expect(() => decode(Buffer.alloc(17 * 2 ** 20))).toThrow('is longer than 16 MiB');
  expect(decode(Buffer.from('\uFEFF{}'))).toBe('\uFEFF{}');
});
