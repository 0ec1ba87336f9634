// A trust store for Java in the format JKS, version 2 (sun.security.provider.JavaKeyStore of OpenJDK): big-endian,
// strings as a length of two bytes and modified UTF-8, which is ASCII here. It contains certificates only, so nothing
// in it is secret; its password protects against damage, not against reading, and is the one that Java ships with.
import { createHash } from 'node:crypto';

export const PASSWORD = 'changeit';

const MAGIC = 0xfeedfeed;
const VERSION = 2;
const TRUSTED_CERTIFICATE = 2;
const WHITENER = 'Mighty Aphrodite';

/** A trust store of certificates (DER). */
export function writeKeystore(certificates: readonly Buffer[]): Buffer {
  const parts = [word(MAGIC), word(VERSION), word(certificates.length)];
  for (const [index, der] of certificates.entries()) {
    const made = Buffer.alloc(8); // 1970: nobody asks when an entry was made
    parts.push(
      word(TRUSTED_CERTIFICATE),
      text(`warder-${index}`),
      made,
      text('X.509'),
      word(der.length),
      der,
    );
  }
  const password = Buffer.from(PASSWORD, 'utf16le').swap16();
  const digest = createHash('sha1').update(password).update(WHITENER);
  for (const part of parts) digest.update(part);
  return Buffer.concat([...parts, digest.digest()]);
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(`\0\0${value}`, 'ascii');
  bytes.writeUInt16BE(value.length);
  return bytes;
}
