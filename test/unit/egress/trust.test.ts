// The trust files and variables of a sandbox.
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Authority } from '../../../src/egress/tls/authority.ts';
import { readPem } from '../../../src/egress/tls/certificate.ts';
import { PASSWORD, writeKeystore } from '../../../src/egress/tls/keystore.ts';
import {
  BUNDLE_PATH,
  KEYSTORE_PATH,
  SESSION_PATH,
  systemBundle,
  trustFiles,
  trustVariables,
} from '../../../src/egress/trust.ts';
import { TestAuthority } from '../../fixtures/authority.ts';

const session = Authority.create(['api.example.test'], Date.now());
const machine = new TestAuthority("The machine's").ca;
const extra = new TestAuthority('Extra').ca;
const ders = (...pems: string[]): Buffer[] => pems.flatMap(readPem);

let folder: string;
beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'warder-bundle-')));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The certificates in a trust store, as Java reads it. Throws where its digest does not fit. */
function readKeystore(store: Buffer): Buffer[] {
  const hash = createHash('sha1')
    .update(Buffer.from(PASSWORD, 'utf16le').swap16())
    .update('Mighty Aphrodite');
  if (!hash.update(store.subarray(0, -20)).digest().equals(store.subarray(-20))) throw new Error('damaged');
  let at = 0;
  const bytes = (length: number): Buffer => {
    at += length;
    return store.subarray(at - length, at);
  };
  const number = (): number => bytes(4).readUInt32BE();
  const text = (): string => bytes(bytes(2).readUInt16BE()).toString();
  expect([number(), number()]).toEqual([0xfeedfeed, 2]);
  const aliases = new Set<string>();
  const found = Array.from({ length: number() }, () => {
    expect(number()).toBe(2);
    aliases.add(text());
    bytes(8);
    expect(text()).toBe('X.509');
    return bytes(number());
  });
  expect(aliases.size).toBe(found.length);
  expect(at).toBe(store.length - 20);
  return found;
}

test("the bundle and the keystore contain the session's authority, those of the settings, and the machine's roots", () => {
  const system = Buffer.from(`# Root of the machine\n${machine}`);
  const files = trustFiles({ system, roots: [], added: [session.certificate, extra] });
  const all = ders(session.certificate, extra, machine);
  expect(readPem(files.bundle.toString())).toEqual(all);
  expect(files.bundle.includes('# Root of the machine')).toBe(true);
  expect(readKeystore(files.keystore)).toEqual(all);
  expect(readPem(files.session.toString())).toEqual(ders(session.certificate, extra));
});

test("a machine without roots gets Node's", () => {
  const files = trustFiles({ system: undefined, roots: rootCertificates, added: [session.certificate] });
  const all = ders(session.certificate, ...rootCertificates);
  expect(all.length).toBeGreaterThan(100);
  expect(readPem(files.bundle.toString())).toEqual(all);
  expect(readKeystore(files.keystore)).toEqual(all);
});

test('a PEM text without a final newline does not run into the next', () => {
  const files = trustFiles({
    system: Buffer.from(machine.trim()),
    roots: [],
    added: [session.certificate.trim(), extra.trim()],
  });
  expect(readPem(files.bundle.toString())).toEqual(ders(session.certificate, extra, machine));
});

test('[W-EGR-8] only certificates get into the files of a sandbox', () => {
  const key = '-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n';
  const files = trustFiles({ system: Buffer.from(machine), roots: [], added: [key + extra] });
  for (const file of Object.values(files)) expect(file.includes('PRIVATE')).toBe(false);
});

test('an empty keystore is valid', () => {
  expect(readKeystore(writeKeystore([]))).toEqual([]);
});

test('the first bundle that contains a certificate is the machine’s, by its real path', () => {
  const real = join(folder, 'real.pem');
  const empty = join(folder, 'empty.pem');
  const link = join(folder, 'link.pem');
  const directory = join(folder, 'directory');
  writeFileSync(real, machine);
  writeFileSync(empty, '# nothing\n');
  symlinkSync('real.pem', link);
  mkdirSync(directory);
  const missing = join(folder, 'missing');
  expect(systemBundle([missing, empty, directory, link, empty])).toEqual({
    path: real,
    data: Buffer.from(machine),
  });
  expect(systemBundle([missing])).toBeUndefined();
});

test('each client has its own variable; those that add to their roots read the small file', () => {
  const variables = trustVariables();
  const names = (value: string): string[] =>
    Object.keys(variables).filter((name) => variables[name] === value);
  expect(names(SESSION_PATH).sort()).toEqual(['DENO_CERT', 'NODE_EXTRA_CA_CERTS']);
  expect(names(BUNDLE_PATH)).toEqual(
    expect.arrayContaining([
      'SSL_CERT_FILE',
      'REQUESTS_CA_BUNDLE',
      'CURL_CA_BUNDLE',
      'GIT_SSL_CAINFO',
      'AWS_CA_BUNDLE',
    ]),
  );
  expect(variables.JAVA_TOOL_OPTIONS).toBe(
    `-Djavax.net.ssl.trustStore=${KEYSTORE_PATH} -Djavax.net.ssl.trustStoreType=JKS -Djavax.net.ssl.trustStorePassword=changeit`,
  );
  const elsewhere = trustVariables({ bundle: '/b', session: '/s', keystore: '/k' });
  expect(Object.keys(elsewhere)).toEqual(Object.keys(variables));
  expect(JSON.stringify(elsewhere)).not.toContain('/run/warder');
});
