import { decode, encode, RECURSION_DESIRED } from 'dns-packet';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Allowlist } from '../../../src/egress/allowlist.ts';
import { canonicalAddress, dialRefusal } from '../../../src/egress/dial/address.ts';
import { answerQuery } from '../../../src/egress/names/dns-server.ts';
import { VirtualAddresses } from '../../../src/egress/names/virtual-addresses.ts';
import { parseClientHello } from '../../../src/egress/tls/client-hello.ts';
import { extension, hello, names as namesIn, protocols, records } from '../../fixtures/hello.ts';

const runs = { numRuns: process.env.SLOW === undefined ? 300 : 20_000 };

const label = fc.constantFrom('a', 'b', 'api', 'x-1');
const name = fc.array(label, { minLength: 2, maxLength: 4 }).map((labels) => `${labels.join('.')}.test`);
const port = fc.constantFrom(22, 80, 443, 5432);
const range = fc.constantFrom(
  '10.0.0.0/8',
  '10.1.0.0/16',
  '127.0.0.0/8',
  'fd00::/16',
  '169.254.0.0/16',
  '64:ff9b::/96',
);
const entry = fc.oneof(
  range,
  fc
    .tuple(fc.constantFrom('', '*.'), name, fc.option(port))
    .map(([star, host, at]) => `${star}${host}${at === null ? '' : `:${at}`}`),
);

test('an additional entry never removes access, and a range gives none to names [W-EGR-1]', () => {
  fc.assert(
    fc.property(
      fc.array(entry),
      fc.array(entry),
      entry,
      name,
      port,
      fc.ipV4(),
      (list, sealed, more, host, at, address) => {
        const before = new Allowlist(
          list,
          sealed.filter((one) => !one.includes('/')),
        );
        const after = new Allowlist(
          [...list, more],
          sealed.filter((one) => !one.includes('/')),
        );
        if (before.allows(host, at)) expect(after.allows(host, at)).toBe(true);
        if (before.lists(host)) expect(after.lists(host)).toBe(true);
        if (before.opens(address)) expect(after.opens(address)).toBe(true);
        expect(after.ports).toEqual(expect.arrayContaining([...before.ports]));
        if (more.includes('/')) expect(after.allows(host, at)).toBe(before.allows(host, at));
        else expect(after.opens(address)).toBe(before.opens(address));
        // What is allowed is resolved, and listened for.
        if (after.allows(host, at))
          expect([after.lists(host), after.ports.includes(at)]).toEqual([true, true]);
      },
    ),
    runs,
  );
});

test('only a plain name is allowed [W-EGR-1]', () => {
  const allowed = new Allowlist(['*.wild.test', 'api.test']);
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ unit: 'binary' }), fc.string()),
      fc.constantFrom('', '.wild.test', 'api.test'),
      (text, tail) => {
        const asked = text + tail;
        if (allowed.allows(asked, 443)) {
          expect(asked).toMatch(/^(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?\.)*(?:wild|api)\.test\.?$/i);
        }
      },
    ),
    runs,
  );
});

/** IANA's registries of special-purpose addresses for IPv4 and IPv6, read 2026-11-25, and their spaces' other parts. */
const SPECIAL =
  `0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.0.0/29
  192.0.0.8/32 192.0.0.9/32 192.0.0.10/32 192.0.0.170/31 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24
  192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4 255.255.255.255/32 224.0.0.0/4
  ::1/128 ::/128 ::ffff:0:0/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32 2001:1::1/128
  2001:1::2/128 2001:1::3/128 2001:2::/48 2001:3::/32 2001:4:112::/48 2001:10::/28 2001:20::/28 2001:30::/28
  2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8
  ::/8 100::/8 200::/7 400::/6 800::/5 1000::/4 4000::/3 6000::/3 8000::/3 a000::/3 c000::/3 e000::/4 f000::/5 f800::/6`
    .split(/\s+/)
    .map((text) => {
      const [address = '', bits] = text.split('/');
      return { text, first: toBits(address), length: Number(bits) };
    });

/** What IPv4 has, as NAT64 writes it (RFC 6052 2.1). */
const TRANSLATED = SPECIAL.filter(({ first }) => first.length === 32).map(({ text, first, length }) => ({
  text: `${text} in 64:ff9b::/96`,
  first: toBits('64:ff9b::').slice(0, 96) + first,
  length: 96 + length,
}));

test.each([...SPECIAL, ...TRANSLATED])('no address of $text is allowed [W-EGR-3]', ({ first, length }) => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), (random) => {
      const size = first.length;
      const rest = random
        .toString(2)
        .padStart(128, '0')
        .slice(128 - size + length);
      const address = toText(first.slice(0, length) + (length === size ? '' : rest));
      expect(
        dialRefusal(address, new Set(), () => false),
        address,
      ).toBeDefined();
    }),
    { numRuns: runs.numRuns / 10 },
  );
});

test('an allowed address is public, and the same in every spelling [W-EGR-3]', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => {
      const reason = dialRefusal(address, new Set(), () => false);
      const usual = canonicalAddress(address);
      if (usual !== undefined) {
        expect(dialRefusal(usual, new Set(), () => false)).toBe(reason);
        expect(dialRefusal(address.toUpperCase(), new Set(), () => false)).toBe(reason);
        expect(dialRefusal(usual, new Set([usual]), () => false)).toBeDefined();
      }
      if (reason !== undefined) return;
      const bits = toBits(usual ?? '');
      expect(
        SPECIAL.some(
          ({ first, length }) => first.length === bits.length && bits.startsWith(first.slice(0, length)),
        ),
      ).toBe(false);
    }),
    runs,
  );
});

test('any text is an address or refused', () => {
  const part = fc.constantFrom(
    '0',
    '1',
    '255',
    '256',
    '07',
    '0x1',
    '.',
    ':',
    '::',
    'ffff',
    '%',
    'eth0',
    '[',
    ']',
    ' ',
    '\n',
    '/8',
  );
  fc.assert(
    fc.property(
      fc.array(part, { maxLength: 16 }).map((parts) => parts.join('')),
      (text) => {
        const passes = dialRefusal(text, new Set(), () => true) === undefined;
        if (passes) expect(text).toMatch(/^[0-9a-f:.]+$/i);
        if (canonicalAddress(text) === undefined) expect(passes).toBe(false);
        else expect(canonicalAddress(canonicalAddress(text) ?? '')).toBe(canonicalAddress(text));
      },
    ),
    runs,
  );
});

test('any bytes get a short response or none [W-EGR-2] [W-EGR-7]', () => {
  const allowed = new Allowlist(['api.test', '*.wild.test']);
  const query = fc
    .tuple(
      fc.constantFrom('api.test', 'x.wild.test', 'other.test', 'A.b.Wild.Test'),
      fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 4 }),
    )
    .map(([asked, changes]) => {
      const bytes = encode({
        type: 'query',
        id: 1,
        flags: RECURSION_DESIRED,
        questions: [{ type: 'A', name: asked }],
      });
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      return bytes;
    });
  fc.assert(
    fc.property(fc.oneof(query, fc.uint8Array({ maxLength: 600 }).map(Buffer.from)), (bytes) => {
      const names = new VirtualAddresses(allowed);
      const { reply, refusedName } = answerQuery(Buffer.from(bytes), names);
      if (refusedName !== undefined) expect(refusedName).toMatch(/^[\x21-\x7e]{1,253}$/);
      if (reply === undefined) return;
      expect(reply.length).toBeLessThanOrEqual(Math.max(12, bytes.length + 16));
      expect(reply.readUInt16BE(0)).toBe(Buffer.from(bytes).readUInt16BE(0));
      const { answers = [], questions = [] } = decode(reply);
      for (const one of answers) {
        expect(names.nameAt((one as { data: string }).data)).toBe(questions[0]?.name.toLowerCase());
        expect(allowed.lists(one.name)).toBe(true);
      }
    }),
    runs,
  );
});

const message = fc
  .record({
    host: fc.option(name, { nil: undefined }),
    list: fc.array(fc.constantFrom('h2', 'http/1.1', 'acme-tls/1'), { maxLength: 3 }),
    other: fc.uint8Array({ maxLength: 200 }),
    session: fc.nat(32),
  })
  .map(({ host, list, other, session }) => ({
    expected: { kind: 'hello', name: host, protocols: list },
    bytes: hello(
      Buffer.concat([
        extension(0x4a4a, Buffer.from(other)),
        ...(host === undefined ? [] : [namesIn(host)]),
        ...(list.length === 0 ? [] : [protocols(...list)]),
      ]),
      { session },
    ),
  }));

test('a hello is read the same from any records, in any pieces [W-EGR-4]', () => {
  fc.assert(
    fc.property(
      message,
      fc.integer({ min: 1, max: 600 }),
      fc.uint8Array(),
      fc.nat(),
      ({ expected, bytes }, size, behind, cut) => {
        const wire = records(bytes, size);
        expect(parseClientHello(wire)).toEqual(expected);
        expect(parseClientHello(Buffer.concat([wire, behind]))).toEqual(expected);
        expect(parseClientHello(wire.subarray(0, cut % wire.length))).toEqual({ kind: 'incomplete' });
      },
    ),
    runs,
  );
});

test('once any bytes are classified, further bytes change nothing [W-EGR-4]', () => {
  const noisy = fc
    .tuple(
      message,
      fc.integer({ min: 1, max: 600 }),
      fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 3 }),
    )
    .map(([{ bytes }, size, changes]) => {
      const wire = records(bytes, size);
      for (const [at, value] of changes) if (at < wire.length) wire[at] = value;
      return wire;
    });
  fc.assert(
    fc.property(fc.oneof(noisy, fc.uint8Array({ maxLength: 300 }).map(Buffer.from)), (bytes) => {
      let told: ReturnType<typeof parseClientHello> = { kind: 'incomplete' };
      for (let length = 0; length <= bytes.length; length++) {
        const now = parseClientHello(Buffer.from(bytes.subarray(0, length)));
        if (told.kind !== 'incomplete') expect(now).toEqual(told);
        told = now;
      }
      if (told.kind === 'hello' && told.name !== undefined)
        expect(told.name).toMatch(/^[a-z0-9_-][a-z0-9._-]*$/);
    }),
    runs,
  );
});

/** The bits of an address, written by hand: no test should believe the library that it tests. */
function toBits(address: string): string {
  if (!address.includes(':')) {
    return address
      .split('.')
      .map((part) => Number(part).toString(2).padStart(8, '0'))
      .join('');
  }
  const [head = '', tail = ''] = address.split('::');
  const parts = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const zeros = address.includes('::') ? 8 - parts(head).length - parts(tail).length : 0;
  return [...parts(head), ...Array<string>(zeros).fill('0'), ...parts(tail)]
    .map((part) => Number.parseInt(part, 16).toString(2).padStart(16, '0'))
    .join('');
}

function toText(bits: string): string {
  const size = bits.length === 32 ? 8 : 16;
  const numbers = Array.from({ length: bits.length / size }, (_, at) =>
    Number.parseInt(bits.slice(at * size, (at + 1) * size), 2),
  );
  return size === 8 ? numbers.join('.') : numbers.map((number) => number.toString(16)).join(':');
}
