// X.509 certificates, version 3 (RFC 5280), of the two kinds that the gate needs: an authority constrained to some
// hosts, and a server's certificate. Keys are ECDSA over P-256, signatures ecdsa-with-SHA256 (RFC 5758).
import { createHash, type KeyObject, randomBytes, sign } from 'node:crypto';
import * as asn1 from 'asn1js';

/** Keys, and the common name that they sign under. */
export interface Issuer {
  readonly name: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** The period in which a certificate is valid: milliseconds since 1970, cut to seconds. */
export interface Validity {
  readonly notBefore: number;
  readonly notAfter: number;
}

type Block = asn1.BaseBlock;

const OID = {
  commonName: '2.5.4.3',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectKey: '2.5.29.14',
  keyUsage: '2.5.29.15',
  alternativeName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  authorityKey: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
};
/** The tags of a general name (4.2.1.6). */
const DNS_NAME = 2;
const ADDRESS = 7;
/** Bits of the key usage, from the left (4.2.1.3). */
const DIGITAL_SIGNATURE = 0x80;
const CERT_SIGN = 0x04;
/** UTCTime ends here (4.1.2.5). */
const YEAR_2050 = Date.UTC(2050, 0);

/** The contents of an authority's certificate. */
export interface AuthorityParts {
  /** Who signs; the same as the subject for a trust anchor. */
  readonly issuer: Issuer;
  readonly subject: Pick<Issuer, 'name' | 'publicKey'>;
  readonly validity: Validity;
  /** How many authorities may follow below this one (`pathLenConstraint`). */
  readonly pathLength: number;
  /**
   * Lower-case names without a leading dot, which RFC 5280 has for URIs only: each stands for itself and all below
   * it. No server may then be certified by its address. Without names the authority is not constrained.
   */
  readonly permitted?: readonly string[] | undefined;
}

/** The certificate (DER) of an authority. */
export function issueAuthority({ issuer, subject, validity, pathLength, permitted }: AuthorityParts): Buffer {
  if (permitted?.length === 0)
    throw new RangeError('an authority without permitted names is not constrained');
  const extensions = [
    extension(
      OID.basicConstraints,
      true,
      sequence(new asn1.Boolean({ value: true }), new asn1.Integer({ value: pathLength })),
    ),
    extension(OID.keyUsage, true, keyUsage(CERT_SIGN)),
    extension(OID.subjectKey, false, new asn1.OctetString({ valueHex: keyId(subject.publicKey) })),
    extension(OID.authorityKey, false, sequence(tagged(0, keyId(issuer.publicKey)))),
  ];
  if (permitted !== undefined)
    extensions.push(extension(OID.nameConstraints, true, nameConstraints(permitted)));
  return issue(issuer, validity, subject.name, subject.publicKey, extensions);
}

/**
 * A server's certificate (DER) for DNS names. Its subject is empty, so that its names stand in one place only, which
 * is marked critical then (4.2.1.6).
 */
export function issueServer(
  issuer: Issuer,
  validity: Validity,
  names: readonly string[],
  key: KeyObject,
): Buffer {
  const hosts = names.map((name) => tagged(DNS_NAME, Buffer.from(name, 'ascii')));
  return issue(issuer, validity, undefined, key, [
    extension(OID.keyUsage, true, keyUsage(DIGITAL_SIGNATURE)),
    extension(OID.extendedKeyUsage, false, sequence(oid(OID.serverAuth))),
    extension(OID.alternativeName, true, sequence(...hosts)),
    extension(OID.subjectKey, false, new asn1.OctetString({ valueHex: keyId(key) })),
    extension(OID.authorityKey, false, sequence(tagged(0, keyId(issuer.publicKey)))),
  ]);
}

/** A certificate as text (RFC 7468), with a newline at its end. */
export function writePem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

/** The certificates (DER) in a text; what stands between and around them is passed over. */
export function readPem(text: string): Buffer[] {
  const found = text.matchAll(/-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g);
  return Array.from(found, ([, base64 = '']) => Buffer.from(base64, 'base64'));
}

function issue(
  issuer: Issuer,
  { notBefore, notAfter }: Validity,
  name: string | undefined,
  key: KeyObject,
  extensions: Block[],
) {
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const tbs = sequence(
    explicit(0, new asn1.Integer({ value: 2 })),
    new asn1.Integer({ valueHex: serial() }),
    algorithm,
    distinguishedName(issuer.name),
    sequence(time(notBefore), time(notAfter)),
    distinguishedName(name),
    asn1.fromBER(key.export({ type: 'spki', format: 'der' })).result,
    explicit(3, sequence(...extensions)),
  );
  const signature = sign('sha256', Buffer.from(tbs.toBER()), issuer.privateKey);
  return Buffer.from(sequence(tbs, algorithm, new asn1.BitString({ valueHex: signature })).toBER());
}

function nameConstraints(permitted: readonly string[]): Block {
  const names = permitted.map((name) => sequence(tagged(DNS_NAME, Buffer.from(name, 'ascii'))));
  // Permitted names constrain names only: addresses, IPv4 and IPv6, are excluded by a mask that matches all of them.
  const addresses = [8, 32].map((length) => sequence(tagged(ADDRESS, Buffer.alloc(length))));
  return sequence(explicit(0, ...names), explicit(1, ...addresses));
}

/** 128 bits, of which the first two are 01: positive, and always of the same length. */
function serial(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes;
}

/** Any method that tells keys apart is allowed (4.2.1.2). */
function keyId(key: KeyObject): Buffer {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest()
    .subarray(0, 20);
}

function distinguishedName(name: string | undefined): Block {
  if (name === undefined) return sequence();
  const attribute = sequence(oid(OID.commonName), new asn1.Utf8String({ value: name }));
  return sequence(new asn1.Set({ value: [attribute] }));
}

function time(at: number): Block {
  const valueDate = new Date(Math.floor(at / 1000) * 1000);
  return at < YEAR_2050 ? new asn1.UTCTime({ valueDate }) : new asn1.GeneralizedTime({ valueDate });
}

function keyUsage(bits: number): Block {
  return new asn1.BitString({ valueHex: Buffer.of(bits), unusedBits: Math.clz32(bits & -bits) ^ 31 });
}

function extension(id: string, critical: boolean, value: Block): Block {
  const wrapped = new asn1.OctetString({ valueHex: value.toBER() });
  // DER omits defaults: `critical` is written only where it is true.
  return critical
    ? sequence(oid(id), new asn1.Boolean({ value: true }), wrapped)
    : sequence(oid(id), wrapped);
}

function sequence(...value: Block[]): asn1.Sequence {
  return new asn1.Sequence({ value });
}

function oid(value: string): Block {
  return new asn1.ObjectIdentifier({ value });
}

function explicit(tagNumber: number, ...value: Block[]): Block {
  return new asn1.Constructed({ idBlock: { tagClass: 3, tagNumber }, value });
}

function tagged(tagNumber: number, valueHex: Buffer): Block {
  return new asn1.Primitive({ idBlock: { tagClass: 3, tagNumber }, valueHex });
}
