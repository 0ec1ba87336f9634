// The authority of a session: what its certificates contain, and that they contain no more.
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { connect, TLSSocket } from 'node:tls';
import { inspect } from 'node:util';
import * as asn1 from 'asn1js';
import { expect, test } from 'vitest';
import { Authority, createSigner, generateKeys } from '../../../../src/egress/tls/authority.ts';
import { issueAuthority, issueServer, readPem, writePem } from '../../../../src/egress/tls/certificate.ts';

const now = Date.UTC(2026, 4, 1, 12, 0, 0, 789);
const HOUR = 3_600_000;
const create = (...permitted: string[]): Authority => Authority.create(permitted, now);

interface Extension {
  readonly critical: boolean;
  readonly value: string;
}

/** The extensions of a certificate: their values in hex, by their identifiers. */
function extensionsOf(der: Buffer): Record<string, Extension> {
  const [tbs] = children(asn1.fromBER(der).result);
  const [list] = children(children(tbs).at(-1));
  const all = children(list).map((one) => {
    const [id, ...rest] = children(one);
    const value = Buffer.from((rest.at(-1) as asn1.OctetString).valueBlock.valueHexView).toString('hex');
    return [(id as asn1.ObjectIdentifier).getValue(), { critical: rest.length === 2, value }] as const;
  });
  return Object.fromEntries(all);
}

function children(block: asn1.BaseBlock | undefined): asn1.BaseBlock[] {
  return (block as asn1.Sequence).valueBlock.value;
}

/** A handshake in memory: what the client sees of the server's certificates. */
async function handshake(
  authority: Authority,
  name: string,
): Promise<{ chain: X509Certificate[]; protocol: string }> {
  const [near, far] = duplexes();
  const server = new TLSSocket(far, { isServer: true, secureContext: authority.contextFor(name) });
  const client = connect({ socket: near, servername: name, ca: authority.certificate });
  await once(client, 'secureConnect');
  const own = client.getPeerX509Certificate();
  const chain = [own, own?.issuerCertificate, own?.issuerCertificate?.issuerCertificate];
  const protocol = client.getProtocol() ?? '';
  client.destroy();
  server.destroy();
  return { chain: chain.filter((one) => one !== undefined), protocol };
}

/** Two ends of a pipe. */
function duplexes(): [Duplex, Duplex] {
  const ends: Duplex[] = [1, 0].map(
    (other) =>
      new Duplex({
        read() {},
        write(chunk, _encoding, done) {
          ends[other]?.push(chunk);
          done();
        },
      }),
  );
  return ends as [Duplex, Duplex];
}

test('the certificate is its own authority, valid from an hour ago', () => {
  const authority = create('api.example.test');
  const certificate = new X509Certificate(authority.certificate);
  expect(certificate.raw.equals(authority.der)).toBe(true);
  expect(certificate.ca).toBe(true);
  expect(certificate.verify(certificate.publicKey)).toBe(true);
  expect(certificate.subject).toMatch(/^CN=Warder session [0-9a-f]{16}$/);
  expect(certificate.issuer).toBe(certificate.subject);
  expect(certificate.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
  expect(certificate.validFromDate.getTime()).toBe(Math.floor((now - HOUR) / 1000) * 1000);
  expect(certificate.validToDate.getTime()).toBe(Math.floor((now + 397 * 24 * HOUR) / 1000) * 1000);
});

test('serials are positive, 128 bits long, and differ', () => {
  const serials = Array.from({ length: 20 }, () => new X509Certificate(create('a.test').der).serialNumber);
  for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9A-F]{31}$/);
  expect(new Set(serials).size).toBe(serials.length);
});

test('[W-EGR-8] the authority is constrained to the sealed hosts, and excludes addresses', () => {
  const extensions = extensionsOf(create('a.test:8443', '*.b.test', 'b.test').der);
  const bound = [
    ...['a.test', 'b.test'].map((name) =>
      Buffer.concat([Buffer.of(0x30, name.length + 2, 0x82, name.length), Buffer.from(name)]),
    ),
    ...[8, 32].map((length) =>
      Buffer.concat([Buffer.of(0x30, length + 2, 0x87, length), Buffer.alloc(length)]),
    ),
  ].map((bytes) => bytes.toString('hex'));
  expect(extensions).toEqual({
    '2.5.29.14': { critical: false, value: expect.stringMatching(/^0414[0-9a-f]{40}$/) },
    '2.5.29.15': { critical: true, value: '03020204' },
    '2.5.29.19': { critical: true, value: '30060101ff020101' },
    '2.5.29.30': { critical: true, value: `3048a014${bound[0]}${bound[1]}a130${bound[2]}${bound[3]}` },
    '2.5.29.35': { critical: false, value: expect.stringMatching(/^30168014[0-9a-f]{40}$/) },
  });
});

test('a handshake presents the name alone, and the constrained signer', async () => {
  const authority = Authority.create(['api.example.test'], Date.now());
  const { chain, protocol } = await handshake(authority, 'api.example.test');
  const [own, link, ...more] = chain;
  const anchor = new X509Certificate(authority.der);
  expect(more).toEqual([]);
  expect(protocol).toBe('TLSv1.3');
  expect(own?.subjectAltName).toBe('DNS:api.example.test');
  expect(own?.subject ?? '').toBe('');
  expect(own?.ca).toBe(false);
  expect(own?.checkHost('api.example.test')).toBe('api.example.test');
  expect(extensionsOf(own?.raw ?? Buffer.alloc(0))).toMatchObject({
    '2.5.29.15': { critical: true, value: '03020780' },
    '2.5.29.17': { critical: true },
    '2.5.29.37': { critical: false, value: '300a06082b06010505070301' },
  });
  expect(link?.ca).toBe(true);
  expect(link?.verify(anchor.publicKey)).toBe(true);
  const [inner, outer] = [link, anchor].map((one) => extensionsOf(one?.raw ?? Buffer.alloc(0)));
  expect(inner?.['2.5.29.30']).toEqual(outer?.['2.5.29.30']);
  expect(inner?.['2.5.29.19']).toEqual({ critical: true, value: '30060101ff020100' });
});

test('[W-EGR-8] no certificate is made for a host without a sealed credential', () => {
  const authority = create('api.example.test:8443', '*.wild.test');
  for (const name of ['api.example.test', 'a.wild.test', 'a.b.wild.test']) {
    expect(authority.contextFor(name).context).toBeDefined();
  }
  for (const name of ['example.test', 'x.api.example.test', 'wild.test', 'notwild.test', '127.0.0.1', '']) {
    expect(() => authority.contextFor(name)).toThrow(RangeError);
  }
  expect(() => create()).toThrow(RangeError);
});

test('[W-EGR-8] no key is visible in an authority', () => {
  const authority = create('api.example.test');
  authority.contextFor('api.example.test');
  expect(Reflect.ownKeys(authority)).toEqual(['certificate', 'der']);
  const seen =
    inspect(authority, { depth: null, showHidden: true, getters: true }) + JSON.stringify(authority);
  expect(seen).not.toMatch(/private|KeyObject/i);
});

test('[W-EGR-7] a context is made once for each name, and the least recently used are dropped when there are too many', () => {
  const authority = create('*.wild.test');
  const first = authority.contextFor('first.wild.test');
  const second = authority.contextFor('second.wild.test');
  for (let index = 0; index < 254; index++) authority.contextFor(`${index}.wild.test`);
  expect(authority.contextFor('first.wild.test')).toBe(first);
  authority.contextFor('more.wild.test');
  expect(authority.contextFor('first.wild.test')).toBe(first);
  expect(authority.contextFor('second.wild.test')).not.toBe(second);
});

test('each session has its own keys', () => {
  const [one, other] = [create('a.test'), create('a.test')].map(({ der }) => new X509Certificate(der));
  expect(one?.verify(other?.publicKey ?? generateKeys().publicKey)).toBe(false);
  expect(one?.subject).not.toBe(other?.subject);
});

test('a certificate may end after 2050, whose years have four digits', () => {
  const validity = { notBefore: now, notAfter: Date.UTC(2060, 0) };
  const signer = createSigner('long', validity, ['a.test']);
  expect(new X509Certificate(signer.anchor).validTo).toBe('Jan  1 00:00:00 2060 GMT');
  const der = issueServer(signer, validity, ['a.test', 'b.test'], generateKeys().publicKey);
  expect(new X509Certificate(der).subjectAltName).toBe('DNS:a.test, DNS:b.test');
  expect(new X509Certificate(der).verify(signer.publicKey)).toBe(true);
});

test('an unconstrained authority is made only without a list of names', () => {
  const issuer = { name: 'free', ...generateKeys() };
  const parts = {
    issuer,
    subject: issuer,
    validity: { notBefore: now, notAfter: now + HOUR },
    pathLength: 0,
  };
  expect(extensionsOf(issueAuthority(parts))).not.toHaveProperty('2.5.29.30');
  expect(() => issueAuthority({ ...parts, permitted: [] })).toThrow(RangeError);
});

test('certificates as text, among other text', () => {
  const ders = [create('a.test').der, create('b.test').der];
  const text = `# a comment\r\n${ders.map(writePem).join('between\n').replaceAll('\n', '\r\n')}-----BEGIN X-----`;
  expect(readPem(text)).toEqual(ders);
  expect(readPem('')).toEqual([]);
  for (const line of writePem(ders[0] ?? Buffer.alloc(0)).split('\n'))
    expect(line.length).toBeLessThanOrEqual(64);
});
