// A home with every host, its servers with secrets of every known shape: after an import none of them is to be found.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { editDocument, readDocument } from '../../src/host/document.ts';
import { pathsOf } from '../../src/host/host-paths.ts';
import { serversOf } from '../../src/host/servers.ts';
import { hosts } from '../../src/host/table.ts';
import { isTable, type Value } from '../../src/host/text/edit.ts';
import { Client } from '../fixtures/client.ts';
import { Home } from '../fixtures/home.ts';
import { startMcp } from '../fixtures/remote/mcp.ts';
import { Scan } from '../fixtures/scan.ts';

const ODD = 'pass "word\\ /+~%é=x';
const SHAPES = [
  'ghp_0123456789abcdefghijABCDEFGHIJ012345',
  'github_pat_11ABCDEFG0123456789_abcdefghijklmnop',
  'glpat-0123456789abcdefWXYZ',
  'sk-ant-api03-0123456789abcdefXYZ',
  ['sk', 'live', '0123456789abcdefXYZ'].join('_'),
  ['xoxb', '012345678901', 'abcdefXYZ'].join('-'),
  'wJalrXUtnFEMI/K7MDENG/bPxRfiCYzQ7LKmPqRs',
  'AIzaSyA0123456789abcdefghijklmnopqrstuv',
  'npm_0123456789abcdefghijABCDEFGHIJ012345',
  'ntn_0123456789abcdefghijABCD',
  'hf_0123456789abcdefghijABCD',
  'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIwODE1In0.c2lnbmF0dXJlLTQ3MTE',
  'AGE-SECRET-KEY-1QQPQYQSZQGPQYQSZQGP',
  'q8Zr2Lx9Vt4Kn7Wb1Ym6',
  'postgres://ada:pw-0123-0815@db.example.com/shop',
  ODD,
];

/** Members of an entry that take a secret from elsewhere, or say where to start. */
const UNUSED = ['env_keys', 'bearer_token_env_var', 'env_http_headers', 'cwd'];

interface Filled {
  readonly path: string;
  readonly text: string;
  readonly secrets: Readonly<Record<string, string>>;
}

/** The fixture of a host, whose servers are the small one and a remote one, with secrets in the first of each kind. */
function filled(id: string, number: number, home: string, script: string, url: string): Filled {
  const [file] = hosts[id]?.files ?? [];
  if (file === undefined) throw new Error(id);
  const { shape, format } = file;
  const secrets: { [name: string]: string } = {};
  let document = readDocument(
    readFileSync(join(import.meta.dirname, `../fixtures/hosts/${id}.${format}`), 'utf8'),
    format,
  );
  const kinds = new Set<string>();
  for (const { path, kind, entry } of serversOf(document, file)) {
    if (kind === 'other') continue;
    const isFirst = !kinds.has(kind);
    kinds.add(kind);
    const wanted: { [member: string]: Value } = {};
    for (const member of UNUSED) if (Object.hasOwn(entry, member)) wanted[member] = undefined;
    if (kind === 'remote') {
      // The others are alike in all hosts, and so one profile.
      const name = isFirst && number % 4 === 0 ? `${id} header` : 'header of all';
      secrets[name] = name === 'header of all' ? 'remote-of-all-0815' : `remote-${number}-47110815ABCdef`;
      wanted[shape.url.find((member) => Object.hasOwn(entry, member)) ?? ''] = url;
      wanted[shape.headers] = { Authorization: `Bearer ${secrets[name]}` };
    } else {
      const args = [script];
      const env: { [name: string]: string } = { LEVEL: 'info' };
      if (isFirst) {
        const secret = (SHAPES[number % SHAPES.length] ?? '').replace('0123', String(1000 + number));
        secrets[`${id} variable`] = secret;
        env[`TOKEN_${number}`] = secret;
      }
      if (isFirst && number % 5 === 0) {
        secrets[`${id} argument`] = `argument-${number}-47110815ABCdef`;
        args.push('--api-key', `argument-${number}-47110815ABCdef`);
      }
      const command = process.execPath;
      if (isTable(entry[shape.command])) wanted[shape.command] = { path: command, args, env };
      else {
        wanted[shape.command] = shape.args === undefined ? [command, ...args] : command;
        if (shape.args !== undefined) wanted[shape.args] = args;
        wanted[shape.env] = env;
      }
    }
    const changes = Object.entries(wanted).map(([member, value]) => ({ path: [member], value }));
    document = editDocument(document, [{ path, changes }]).document;
  }
  const path = pathsOf(file, { platform: 'linux', home, env: {}, project: home })[0] ?? '';
  return { path: path.replaceAll('*', 'x'), text: document.text, secrets };
}

test('W-HOST-28 after an import of every host no secret of it is in any file, output, argument or environment, raw or encoded, but where a server gets it; undo gives the bytes back', async () => {
  await using remote = await startMcp({
    before: ({ headers: { authorization = '' } }, response) => {
      if (authorization.startsWith('Bearer remote-')) return false;
      response.writeHead(401).end();
      return true;
    },
  });
  await using home = new Home();
  home.env.TMPDIR = join(home.dir, 'tmp');
  mkdirSync(home.env.TMPDIR);
  await home.done(['init', '--store', 'vault', '--key-file', join(home.dir, 'key')]);
  const script = join(import.meta.dirname, '../fixtures/servers/small.cjs');

  const files = Object.keys(hosts).map((id, number) => filled(id, number, home.dir, script, remote.url));
  const secrets = Object.assign({}, ...files.map((file) => file.secrets));
  for (const { path, text } of files) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { mode: 0o600 });
  }
  const scan = new Scan(secrets);
  const nameOf = ([program = '', ...words]: readonly string[]): string => {
    if (program === process.execPath && words[0] === script) return 'a server';
    // The process of a server, before its program: it waits there until its sandbox was measured.
    if (words[0] === '--warder-hold' && words.includes(script)) return 'a server';
    return program.endsWith('/bwrap') && words.includes(script)
      ? 'its sandbox'
      : [program, ...words].join(' ');
  };
  const watch = setInterval(() => scan.processes(home.dir, nameOf), 10);
  const run = async (...words: string[]): Promise<string> => {
    const { code, stdout, stderr } = await home.warder(words);
    scan.text(`output of ${words.join(' ')}`, Buffer.from(stdout + stderr).toString('latin1'));
    expect(code, stderr).toBe(0);
    return stdout;
  };
  await run('import');
  await run('import', '--json');
  const results = JSON.parse(await run('import', '--apply', '--yes', '--json'));
  expect(results.filter(({ error }: { error?: string }) => error !== undefined)).toEqual([]);
  expect(new Set(results.map(({ host }: { host: string }) => host)).size).toBe(files.length);
  {
    const launch = join(home.dir, '.local/share/warder/bin/warder');
    await using client = new Client([launch, 'run', results[0].profile], home.env, home.dir);
    await client.initialize();
    await client.request('tools/list');
    scan.text('what a host got', client.lines.join('\n'));
  }
  for (const words of [['hosts'], ['undo', '--list', '--json'], ['audit', 'list', '--json']])
    await run(...words);
  clearInterval(watch);
  scan.folder(home.dir);
  // A server whose hosts are not known gets the values themselves: in its environment, or where its arguments had them.
  const allowed = Object.keys(secrets).flatMap((name) =>
    name.endsWith(' argument')
      ? [`arguments of a server: ${name}`, `arguments of its sandbox: ${name}`]
      : [`environment of a server: ${name}`],
  );
  expect([...scan.found].filter((place) => !allowed.includes(place))).toEqual([]);
  expect([...scan.found]).toContainEqual(expect.stringContaining('environment of a server'));

  expect(await home.facts('undo', '--yes')).toHaveLength(files.length);
  for (const { path, text } of files) expect(readFileSync(path, 'utf8'), path).toBe(text);
  // What the scan is worth: it finds each secret again, in the hosts' files and nowhere else.
  const after = new Scan(secrets);
  after.folder(home.dir);
  const named = new Map(
    [...after.found]
      .map((place) => place.split(': ') as [string, string])
      .map(([path, name]) => [name, path]),
  );
  expect([...named.keys()].sort()).toEqual(Object.keys(secrets).sort());
  const paths = files.map(({ path }) => relative(home.dir, path));
  expect([...named.values()].filter((path) => !paths.includes(path))).toEqual([]);
});
