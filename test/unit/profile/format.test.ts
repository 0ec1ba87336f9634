import { describe, expect, test } from 'vitest';
import { WarderError } from '../../../src/errors.ts';
import { allowedEgress, expandHome, parseProfile } from '../../../src/profile/format.ts';
import { policyOf } from '../../fixtures/policy.ts';

const FILE = '/config/profiles/github.yaml';

function parse(text: string) {
  return parseProfile(text, FILE, 'github');
}

/** The error of a text that is not a valid profile. */
function refusal(text: string): WarderError {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof WarderError) return error;
    throw error;
  }
  throw new Error('the profile was taken');
}

/** A profile with a valid server, and the given text after it. */
function withServer(text: string): string {
  return `server: {command: node}\n${text}`;
}

describe('a valid profile', () => {
  test('can have every key of the format', () => {
    const profile = parse(`
description: GitHub issues and pull requests
server:
  package: npm:@modelcontextprotocol/server-github@2025.4.8
  args: []
  cwd: ~/src
env:
  LOG_LEVEL: info
credentials:
  GITHUB_PERSONAL_ACCESS_TOKEN:
    from: keychain
    name: github/token
    deliver: sealed
    hosts: [api.github.com]
  OTHER:
    from: {command: [op, read, "op://dev/github/token"], ttl: 15m}
    deliver: env
sandbox:
  read: [~/src]
  write: [~/src/scratch]
  may-plant: [.git/hooks]
  network: [api.github.com, "*.githubusercontent.com", "db.example.com:5432", 10.0.0.0/8, "fd00:1::/32"]
  memory: 512MiB
policy:
  default: ask
  tools:
    "get_*": allow
    "delete_*": deny
    create_issue:
      allow: {properties: {owner: {const: acme}}}
      else: ask
audit:
  arguments: redacted
  results: digest
`);
    expect(profile).toEqual({
      name: 'github',
      description: 'GitHub issues and pull requests',
      server: {
        kind: 'package',
        package: 'npm:@modelcontextprotocol/server-github@2025.4.8',
        bin: undefined,
        args: [],
        cwd: '~/src',
        start: 'lazy',
      },
      env: { LOG_LEVEL: 'info' },
      credentials: [
        {
          variable: 'GITHUB_PERSONAL_ACCESS_TOKEN',
          from: 'keychain',
          name: 'github/token',
          deliver: 'sealed',
          hosts: ['api.github.com'],
          confirm: false,
        },
        {
          variable: 'OTHER',
          from: { command: ['op', 'read', 'op://dev/github/token'], ttl: 900_000 },
          name: 'github/OTHER',
          deliver: 'env',
          hosts: [],
          confirm: false,
        },
      ],
      sandbox: {
        off: false,
        read: ['~/src'],
        write: ['~/src/scratch'],
        mayPlant: ['.git/hooks'],
        network: [
          'api.github.com',
          '*.githubusercontent.com',
          'db.example.com:5432',
          '10.0.0.0/8',
          'fd00:1::/32',
        ],
        home: { kept: false, size: undefined },
        memory: 536_870_912,
        memoryBestEffort: false,
      },
      policy: {
        default: 'ask',
        tools: {
          'get_*': 'allow',
          'delete_*': 'deny',
          create_issue: { allow: { properties: { owner: { const: 'acme' } } }, else: 'ask' },
        },
        resources: {},
        prompts: {},
        methods: {},
      },
      audit: { arguments: 'redacted', results: 'digest', durability: 'write' },
    });
  });

  test('defaults to ask, to a sealed credential with a name of its own, and to the store chosen at init', () => {
    const profile = parse('server: {command: node}\ncredentials: {TOKEN: {hosts: [api.github.com]}}');
    expect(profile.policy).toEqual(policyOf({ default: 'ask' }));
    expect(profile.credentials).toMatchObject([
      { variable: 'TOKEN', from: 'store', name: 'github/TOKEN', deliver: 'sealed' },
    ]);
    expect(profile.sandbox).toBeUndefined();
  });

  test('restricts a sealed credential by host, place, path, method, time and number of uses', () => {
    const [credential] = parse(
      withServer(
        'credentials: {T: {hosts: [api.github.com], as: bearer, paths: ["/repos/acme/**"], methods: [GET, POST], confirm: true, lifetime: 8h, max-uses: 10}}',
      ),
    ).credentials;
    expect(credential).toMatchObject({
      as: 'bearer',
      paths: ['/repos/acme/**'],
      methods: ['GET', 'POST'],
      confirm: true,
      lifetime: 28_800_000,
      maxUses: 10,
    });
  });

  test('keeps the spelling of numbers and booleans where text is expected', () => {
    const { env, server } = parse(
      'server: {command: node, args: [8080, true, "007"]}\nenv: {PORT: 8080, DEBUG: true}',
    );
    expect(env).toEqual({ PORT: '8080', DEBUG: 'true' });
    expect(server).toMatchObject({ args: ['8080', 'true', '007'] });
  });

  test('may be remote', () => {
    expect(parse('server: {url: "https://mcp.example.com/mcp"}').server).toEqual({
      kind: 'url',
      url: 'https://mcp.example.com/mcp',
      headers: {},
      auth: { type: 'oauth', flow: 'code' },
      allowPrivate: [],
      insecureLoopback: false,
    });
  });

  test('lets its server reach the listed hosts and those of its sealed credentials', () => {
    const profile = parse(
      withServer(
        'credentials: {A: {hosts: [a.b, c.d]}, B: {hosts: [c.d]}, C: {deliver: env}}\nsandbox: {network: [e.f, a.b]}',
      ),
    );
    expect(allowedEgress(profile)).toEqual({ network: ['e.f', 'a.b'], sealed: ['a.b', 'c.d'] });
    expect(allowedEgress(parse(withServer('')))).toEqual({ network: [], sealed: [] });
  });

  test.each([
    'api.github.com',
    '*.githubusercontent.com',
    '*.example.com:8443',
    'db.example.com:5432',
    'localhost:5432',
    'a--b.example.com',
    '10.0.0.0/8',
    '127.0.0.0/8',
    '127.0.0.1/32',
    '169.254.169.254/32',
    'fd00::/16',
    '::1/128',
    '2001:db8::/32',
  ])('may list %s in its network', (entry) => {
    expect(parse(withServer(`sandbox: {network: ["${entry}"]}`)).sandbox?.network).toHaveLength(1);
  });

  test('replaces ~ by the home folder, at the beginning of a path only', () => {
    expect(expandHome('~', '/home/me')).toBe('/home/me');
    expect(expandHome('~/src', '/home/me')).toBe('/home/me/src');
    expect(expandHome('/a/~/b', '/home/me')).toBe('/a/~/b');
  });
});

describe('an invalid profile', () => {
  test('W-PROF-1 an unknown key is refused with file, line, column and the closest known key', () => {
    const error = refusal('server:\n  command: node\n  arsg: []\n');
    expect(error.code).toBe('profile-invalid');
    expect(error.exit).toBe(65);
    expect(error.message).toBe(
      `profile "github" is broken: ${FILE}:3:3: server.arsg: unknown key; did you mean "args"?`,
    );
  });

  test.each([
    ['servr: {command: node}', 'servr: unknown key; did you mean "server"?'],
    [withServer('polcy: {}'), 'polcy: unknown key; did you mean "policy"?'],
    [withServer('credentials: {T: {hosts: [a.b], max_uses: 1}}'), 'did you mean "max-uses"?'],
    [withServer('credentials: {T: {DELIVER: env}}'), 'did you mean "deliver"?'],
    [withServer('sandbox: {nework: []}'), 'did you mean "network"?'],
    [withServer('audit: {zzzzzzzz: 1}'), 'unknown key; known here: arguments, results, durability'],
    [
      withServer('policy: {tools: {a: {allow: {}, esle: ask}}}'),
      'policy.tools.a.esle: unknown key; did you mean "else"?',
    ],
    [
      withServer('credentials: {T: {from: {comand: [x]}}}'),
      'T.from.comand: unknown key; did you mean "command"?',
    ],
  ])('%j: the closest known key is suggested at every depth', (text, what) => {
    expect(refusal(text).message).toContain(what);
  });

  test('all diagnostics are reported at once, in the order of the file', () => {
    const { message } = refusal('server: {comand: node}\nenv: {A: 1.10}\npolicy: {default: alow}\n');
    expect(message.split('\n').map((line) => line.replace(/^.*yaml:/, ''))).toEqual([
      '1:10: server.comand: unknown key; did you mean "command"?',
      '2:10: env.A: is not text',
      '3:19: policy.default: must be allow or ask or deny, not "alow"; did you mean "allow"?',
    ]);
  });

  test('of fifty diagnostics only the first are listed', () => {
    const env = Array.from({ length: 50 }, (_, i) => `  A${i}: 1.0`).join('\n');
    const { message } = refusal(withServer(`env:\n${env}`));
    expect(message.split('\n')).toHaveLength(13);
    expect(message).toContain('and 38 more');
  });

  test.each([
    ['', 'server: is missing'],
    ['# nothing', 'server: is missing'],
    ['just text', 'must be a map, not text'],
    ['- a', 'must be a map, not a list'],
    ['server: {command: node', '1:23: flow map'],
    ['server:\n\tcommand: node', '2:1: tabs are not allowed'],
    ['server: {command: node}\nserver: {command: sh}', '2:1: the key "server" appears twice'],
    ['server:\n  command: a\n  "command": b', '3:3: the key "\\"command\\"" appears twice'],
    ['server: {command: node}\n---\nserver: {command: sh}', '2:1: the file contains more than one document'],
    ['%YAML 1.1\n---\nserver: {command: yes}', '1:1: directives are not supported'],
    ['%TAG ! tag:x,2000:\n---\nserver: {command: yes}', '1:1: directives are not supported'],
    ['server: !x {command: node}', 'server: tags and anchors are not supported'],
    ['server: {command: !!str node}', 'server.command: tags and anchors'],
    ['server: &a {command: node}', 'server: tags and anchors are not supported'],
    ['server: *a', 'server: aliases are not supported'],
    ['server: {<<: {command: node}}', 'server."<<": unknown key'],
    ['server: {command: node, __proto__: {x: 1}}', '"__proto__" cannot be a key'],
    ['? [a]\n: 1', 'a key must be plain text'],
    [withServer('policy: {tools: {1: allow}}'), 'a key must be plain text'],
    ['server: {command: "a\\uD800"}', 'contains a lone surrogate'],
    ['server: {command: "a\\0"}', 'contains a NUL character'],
    ['server: {command: ""}', 'server.command: must be text on one line'],
    ['server: {command: "a\\nb"}', 'server.command: must be text on one line'],
    ['server: {command: [node]}', 'server.command: must be text, not a list'],
    ['server:', 'server: must be a map, not empty'],
    ['server: {}', 'server: needs one of "package", "command" and "url"'],
    ['server: {command: node, url: "https://x.y"}', 'server.url: cannot be combined with "command"'],
    ['server: {command: node, bin: x}', 'server.bin: needs "package"'],
    ['server: {command: ./x}', 'server.command: is a relative path, and there is no "cwd"'],
    ['server: {command: node, cwd: src}', 'server.cwd: must be an absolute path'],
    ['server: {command: node, cwd: ~me}', 'server.cwd: must be an absolute path'],
    ['server: {command: node, args: --x}', 'server.args: must be a list, not text'],
    ['server: {command: node, args: [[x]]}', 'server.args[0]: must be text'],
    ['server: {command: node, args: [~]}', 'server.args[0]: is not text'],
    ['server: {package: left-pad}', 'server.package: must be npm:name@version'],
    ['server: {package: "npm:../x@1.0.0"}', 'server.package: must be npm:name@version'],
    [
      withServer('description: "a\\u001b[2Jb"'),
      'description: must be text on one line, without control characters',
    ],
    [withServer('env: {A: 1.10}'), 'env.A: is not text'],
    [withServer('env: {A: 0x1f}'), 'env.A: is not text'],
    [withServer('env: {A: 1e3}'), 'env.A: is not text'],
    [withServer('env: {A: True}'), 'env.A: is not text'],
    [withServer('env: {A: }'), 'env.A: is not text'],
    [withServer('env: {A: [x]}'), 'env.A: must be text'],
    [withServer('env: {"A B": x}'), 'must be letters, digits and "_"'],
    [withServer('env: {"A=B": x}'), 'must be letters, digits and "_"'],
    [withServer('env: {CREDENTIALS_DIRECTORY: /x}'), 'is set by Warder itself'],
    [
      withServer('env: {T_FILE: /x}\ncredentials: {T: {deliver: file}}'),
      'env.T_FILE: is set by Warder itself',
    ],
    [withServer('env: {T: x}\ncredentials: {T: {deliver: env}}'), 'env.T: is a credential too'],
    [withServer('credentials: {PATH: {deliver: env}}'), 'credentials.PATH: is set for every server'],
    [
      withServer('credentials: {WARDER_SESSION: {hosts: [a.b]}}'),
      'credentials.WARDER_SESSION: is set by Warder itself',
    ],
    [withServer('credentials: [T]'), 'credentials: must be a map, not a list'],
    [withServer('credentials: {T: }'), 'credentials.T: must be a map, not empty'],
    [withServer('credentials: {T: {from: keychian}}'), 'did you mean "keychain"?'],
    [withServer('credentials: {T: {from: {command: []}}}'), 'T.from.command: is empty'],
    [withServer('credentials: {T: {from: {command: op read}}}'), 'T.from.command: must be a list, not text'],
    [withServer('credentials: {T: {from: {command: [op], ttl: 15}}}'), 'T.from.ttl: must be text'],
    [withServer('credentials: {T: {from: {command: [op], ttl: 10ms}}}'), 'T.from.ttl: must be at least 1s'],
    [withServer('credentials: {T: {name: ../x}}'), 'T.name: must be words'],
    [withServer('credentials: {T: {name: a//b}}'), 'T.name: must be words'],
    [withServer('credentials: {T: {deliver: envv}}'), 'T.deliver: must be sealed or env or file'],
    [withServer('credentials: {T: {hosts: [API.github.com]}}'), 'T.hosts[0]: must be a host in lower case'],
    [withServer('credentials: {T: {hosts: ["*"]}}'), 'T.hosts[0]: must be a host'],
    [withServer('credentials: {T: {hosts: ["*.com"]}}'), 'T.hosts[0]: must be a host'],
    [withServer('credentials: {T: {hosts: ["https://x.y"]}}'), 'T.hosts[0]: must be a host'],
    [withServer('credentials: {T: {hosts: ["x.y:70000"]}}'), 'T.hosts[0]: has a port above 65535'],
    [withServer('credentials: {T: {hosts: []}}'), 'T.hosts: is empty'],
    [withServer('sandbox: {network: [API.github.com]}'), 'sandbox.network[0]: must be a host'],
    [withServer('sandbox: {network: ["https://a.b"]}'), 'sandbox.network[0]: must be a host'],
    [withServer('sandbox: {network: ["a.b."]}'), 'sandbox.network[0]: must be a host'],
    [withServer('sandbox: {network: ["*"]}'), 'sandbox.network[0]: must be a host'],
    [withServer('sandbox: {network: ["*.com"]}'), 'sandbox.network[0]: must be a host'],
    [withServer('sandbox: {network: ["a.b:0"]}'), 'sandbox.network[0]: must be a host'],
    [withServer('sandbox: {network: ["a.b:65536"]}'), 'sandbox.network[0]: has a port above 65535'],
    [withServer('sandbox: {network: ["a.b:53"]}'), 'sandbox.network[0]: is the DNS port'],
    [withServer('sandbox: {network: ["*.a.b:53"]}'), 'sandbox.network[0]: is the DNS port'],
    [withServer('sandbox: {network: ["[fd00::1]:443"]}'), 'sandbox.network[0]: is an address'],
    [withServer('sandbox: {network: [10.0.0.1]}'), 'sandbox.network[0]: is an address'],
    [withServer('sandbox: {network: ["10.0.0.1:443"]}'), 'sandbox.network[0]: is an address'],
    [withServer('sandbox: {network: [a.1]}'), 'sandbox.network[0]: is neither a name nor an address range'],
    [
      withServer('sandbox: {network: [a.b, 10.0.0.1/8]}'),
      'sandbox.network[1]: has bits set after the first 8',
    ],
    [withServer('sandbox: {network: [0.0.0.0/0]}'), 'sandbox.network[0]: is wider than /8'],
    [withServer('sandbox: {network: ["::/0"]}'), 'sandbox.network[0]: is wider than /16'],
    [withServer('sandbox: {network: [10.0.0.0/33]}'), 'sandbox.network[0]: must be an address range'],
    [withServer('sandbox: {network: [10.0.0/24]}'), 'sandbox.network[0]: must be an address range'],
    [withServer('sandbox: {network: [224.0.0.0/8]}'), 'sandbox.network[0]: contains no address'],
    [withServer('credentials: {T: {hosts: [10.0.0.0/8]}}'), 'T.hosts[0]: must be a host'],
    [withServer('credentials: {T: {hosts: [a.b], as: cookie}}'), 'T.as: must be bearer or basic'],
    [withServer('credentials: {T: {hosts: [a.b], paths: [repos]}}'), 'T.paths[0]: must begin with "/"'],
    [withServer('credentials: {T: {hosts: [a.b], methods: [get]}}'), 'T.methods[0]: must be a method'],
    [withServer('credentials: {T: {hosts: [a.b], lifetime: 8}}'), 'T.lifetime: must be text'],
    [withServer('credentials: {T: {hosts: [a.b], max-uses: 0}}'), 'T.max-uses: must be at least 1'],
    [withServer('sandbox: {off: yes}'), 'sandbox.off: must be true or false, not text'],
    [withServer('sandbox: {off: true, read: [/a]}'), 'sandbox.read: has no effect with "off: true"'],
    [withServer('sandbox: {read: [src]}'), 'sandbox.read[0]: must be an absolute path'],
    [withServer('sandbox: {memory: 512}'), 'sandbox.memory: must be a size such as 512MiB'],
    [withServer('sandbox: {memory: {most: 512M}}'), 'sandbox.memory'],
    [withServer('sandbox: {home: keep}'), 'sandbox.home: must be kept'],
    [withServer('env: {HOME: /srv}\nsandbox: {home: kept}'), 'env.HOME: takes the place of the home'],
    [withServer('sandbox: {home: {kept: true, size: 5B}}'), 'sandbox.home.size: must be at least 1MiB'],
    [withServer('sandbox: {memory: {best-effort: true}}'), 'sandbox.memory'],
    [withServer('sandbox: {memory: {most: 5B}}'), 'sandbox.memory: must be at least 1MiB'],
    [withServer('sandbox: {memory: 512M}'), 'sandbox.memory: must be a size such as 512MiB'],
    [withServer('sandbox: {memory: 5B}'), 'sandbox.memory: must be at least 1MiB'],
    [withServer('sandbox: {processes: 0}'), 'sandbox.processes: must be at least 1'],
    [withServer('policy: {tools: {a: {allow: {}}}}'), 'policy.tools.a.else: is missing'],
    [
      withServer('policy: {tools: {a: {allow: {}, else: allow}}}'),
      'policy.tools.a.else: must be ask or deny',
    ],
    [withServer('policy: {prompts: {a: alow}}'), 'did you mean "allow"?'],
    [
      withServer('policy: {methods: {a: {allow: {}, else: ask}}}'),
      'policy.methods.a: must be allow, ask or deny',
    ],
    [withServer('policy: {resources: {"": allow}}'), 'must be text on one line'],
    [
      withServer('policy: {tools: {a: {allow: {const: 9007199254740993}, else: ask}}}'),
      'cannot be represented exactly',
    ],
    [withServer('policy: {tools: {"": allow}}'), 'must be text on one line'],
    [withServer('audit: {arguments: none}'), 'audit.arguments: must be redacted or digest'],
  ])('%j is refused', (text, what) => {
    const error = refusal(text);
    expect(error.code).toBe('profile-invalid');
    expect(error.message).toContain(what);
  });

  test('an ambiguous value is refused with a hint', () => {
    expect(refusal(withServer('env: {A: 1.10}')).hint).toBe('put the value in quotes');
  });

  test('W-PROF-2 a file of nested aliases, a deep one and a long one are refused without being expanded', () => {
    const bomb = [
      'a: &a [x, x]',
      ...'bcdefghijklmnop'
        .split('')
        .map((c, i) => `${c}: &${c} [*${'abcdefghijklmno'[i]}, *${'abcdefghijklmno'[i]}]`),
    ].join('\n');
    expect(refusal(bomb).message).toContain('anchors are not supported');
    expect(refusal('['.repeat(100_000)).message).toContain('nested too deeply');
    expect(refusal(`server: {command: node}\nx: ${'['.repeat(40)}${']'.repeat(40)}`).message).toContain(
      'nested too deeply',
    );
    expect(refusal(`# ${'x'.repeat(256 * 1024)}`).message).toContain('longer than 256 KiB');
  });

  test.each([
    '../evil',
    'a/b',
    'a\\b',
    '/etc/passwd',
    '',
    '.',
    '..',
    'A',
    'a.yaml',
    '-a',
    'a b',
    'a\0',
    'é',
    'a'.repeat(64),
  ])('W-PROF-3 the name %j is refused', (name) => {
    expect(() => parseProfile('server: {command: node}', FILE, name)).toThrow(
      expect.objectContaining({ code: 'name-invalid' }),
    );
  });

  test.each([
    ...[
      'LD_PRELOAD',
      'LD_LIBRARY_PATH',
      'LD_AUDIT',
      'DYLD_INSERT_LIBRARIES',
      'NODE_OPTIONS',
      'NODE_PATH',
      'NODE_COMPILE_CACHE',
      'PYTHONPATH',
    ],
    ...[
      'PYTHONSTARTUP',
      'PYTHONHOME',
      'PERL5LIB',
      'PERL5OPT',
      'RUBYOPT',
      'RUBYLIB',
      'JAVA_TOOL_OPTIONS',
      '_JAVA_OPTIONS',
    ],
    ...['BASH_ENV', 'ENV', 'GIT_SSH_COMMAND', 'GIT_CONFIG_COUNT', 'ld_preload', 'Node_Options'],
  ])('W-PROF-4 the loader variable %s is refused, as a literal and as a credential', (name) => {
    for (const text of [`env: {${name}: x}`, `credentials: {${name}: {deliver: env}}`]) {
      const error = refusal(withServer(text));
      expect(error.code).toBe('profile-invalid');
      expect(error.message).toContain(`${name}: makes programs load or run other code`);
    }
  });

  test.each([
    'hosts: [a.b]',
    'as: bearer',
    'paths: [/a]',
    'methods: [GET]',
    'confirm: true',
    'lifetime: 1h',
    'max-uses: 1',
  ])('W-PROF-5 %s is refused where it would have no effect', (constraint) => {
    for (const deliver of ['env', 'file']) {
      const { message } = refusal(withServer(`credentials: {T: {deliver: ${deliver}, ${constraint}}}`));
      expect(message).toContain(`has no effect with "deliver: ${deliver}"`);
    }
  });
});

describe('a sealed credential that could not be kept from the server', () => {
  const sealed = (text: string, rest = '') => refusal(withServer(`credentials:\n  T: {${text}}\n${rest}`));

  test.each(['deliver: sealed', ''])('W-SEAL-9 without a host is refused with a hint: {%s}', (text) => {
    const error = sealed(text);
    expect(error.message).toContain(
      'is sealed, but "hosts" is missing: it lists where the credential may be used',
    );
    expect(error.message).toContain(text === '' ? ':3:3: credentials.T: ' : ':3:7: credentials.T.deliver: ');
    expect(error.hint).toMatch(/list the hosts, or use "deliver: env"/);
  });

  test('W-SEAL-9 without a sandbox is refused with a hint', () => {
    for (const text of ['hosts: [api.github.com]', 'hosts: [api.github.com], deliver: sealed', '']) {
      const error = sealed(text, 'sandbox: {off: true}');
      expect(error.message).toContain('cannot be sealed without a sandbox: the server could take it');
      expect(error.message).not.toContain('no "hosts"');
      expect(error.hint).toMatch(/remove "off: true", or use "deliver: env"/);
    }
  });

  test.each([
    ['db.example.com:5432', 'PostgreSQL'],
    ['*.example.com:22', 'SSH'],
    ['mail.example.com:465', 'mail'],
    ['cache.example.com:6379', 'Redis'],
    ['ns.example.com:53', 'DNS'],
    ['api.example.com:80', 'HTTP without TLS'],
  ])('W-SEAL-9 for %s is refused: no secret can be put into %s', (host, protocol) => {
    const error = sealed(`hosts: [api.example.com, "${host}"]`);
    expect(error.message).toContain(`credentials.T.hosts[1]: is the port of ${protocol}`);
    expect(error.hint).toContain('list the host under "sandbox.network"');
  });

  test('a host with an unusual port is accepted, and so is a well-known port for a credential that the server holds', () => {
    parse(withServer('credentials: {T: {hosts: ["api.example.com:8443"]}}'));
    parse(withServer('credentials: {T: {deliver: env}}\nsandbox: {network: ["db.example.com:5432"]}'));
  });
});

test.each([
  'sandbox: {seccomp: strict}',
  'sandbox: {network: [a.b], firewall: true}',
  'credentials: {T: {hosts: [a.b], geofence: eu}}',
  'policy: {rate-limit: 5}',
  'limits: {calls: 10}',
])('W-PROF-6 a protection that this version does not know is refused, not left out: %s', (text) => {
  expect(refusal(withServer(text)).message).toContain('unknown key');
});
