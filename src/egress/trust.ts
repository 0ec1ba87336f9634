// The certificates that a sandbox trusts, as files and as variables. Clients differ: most read one bundle instead of
// their own roots, so it contains the machine's roots as well; Node and Deno add a file to their own roots, so that
// file is small; Java wants a trust store in its own format. The session's authority is in these files and nowhere
// else.
import { X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { readPem, writePem } from './tls/certificate.ts';
import { PASSWORD, writeKeystore } from './tls/keystore.ts';

/** Where the files are in a sandbox. */
export interface TrustPaths {
  /** Everything that is trusted, in PEM. */
  readonly bundle: string;
  /** Only what is trusted in addition to the usual roots, in PEM. */
  readonly session: string;
  /** The same as `bundle`, in JKS. */
  readonly keystore: string;
}

export const BUNDLE_PATH = '/run/warder/ca.pem';
export const SESSION_PATH = '/run/warder/session.pem';
export const KEYSTORE_PATH = '/run/warder/trust.jks';

/** Where Chromium and Chrome read policies. They use neither variables nor the machine's bundle. */
export const BROWSER_POLICY_PATHS = [
  '/etc/chromium/policies/managed/warder.json',
  '/etc/opt/chrome/policies/managed/warder.json',
];

/** The usual locations: Debian and Arch, Fedora before and after its change, openSUSE, Alpine and macOS. */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/**
 * The machine's own bundle: the first that exists and contains a certificate. `path` is free of links, so that
 * another file can be mounted over it.
 */
export function systemBundle(
  places: readonly string[] = SYSTEM_BUNDLES,
): { path: string; data: Buffer } | undefined {
  for (const place of places) {
    try {
      const path = realpathSync(place);
      const data = readFileSync(path);
      if (data.includes('-----BEGIN CERTIFICATE-----')) return { path, data };
    } catch {
      // Not there, or not readable: the next may be.
    }
  }
  return undefined;
}

/**
 * The files' contents. `system`: the machine's own bundle; `roots`: those of `node:tls`, used where there is no
 * bundle; `added`: the session's authority, and what the settings name. All in PEM.
 */
export function trustFiles(parts: {
  system: Buffer | undefined;
  roots: readonly string[];
  added: readonly string[];
}): Record<keyof TrustPaths, Buffer> {
  const added = parts.added.flatMap(readPem);
  const usual = readPem(parts.system?.toString('latin1') ?? parts.roots.join('\n'));
  const session = Buffer.from(added.map(writePem).join(''));
  // The machine's bundle is passed on unchanged: its comments say which root is which.
  const system = parts.system ?? Buffer.from(usual.map(writePem).join(''));
  return {
    bundle: Buffer.concat([session, system]),
    session,
    keystore: writeKeystore([...added, ...usual]),
  };
}

/** A policy by which Chromium trusts more authorities (`CACertificates`), as JSON. `added` is in PEM. */
export function browserPolicy(added: readonly string[]): Buffer {
  const certificates = added.flatMap(readPem).map((der) => Buffer.from(der).toString('base64'));
  return Buffer.from(JSON.stringify({ CACertificates: certificates }));
}

/** Writes the files into a folder, which it creates. Throws the system's error. */
export function writeTrustFiles(folder: string, files: Record<keyof TrustPaths, Buffer>): TrustPaths {
  const at = (path: string): string => join(folder, basename(path));
  const paths = { bundle: at(BUNDLE_PATH), session: at(SESSION_PATH), keystore: at(KEYSTORE_PATH) };
  mkdirSync(folder, { mode: 0o700 });
  for (const name of ['bundle', 'session', 'keystore'] as const) {
    writeFileSync(paths[name], files[name], { flag: 'wx', mode: 0o400 });
  }
  return paths;
}

/** The variables by which clients find the files. */
export function trustVariables(
  { bundle, session, keystore }: TrustPaths = {
    bundle: BUNDLE_PATH,
    session: SESSION_PATH,
    keystore: KEYSTORE_PATH,
  },
): Record<string, string> {
  return {
    // OpenSSL, and so Python's ssl, httpx and Ruby; Go; Rust's rustls-native-certs.
    SSL_CERT_FILE: bundle,
    // Programs that bring their own roots and read others from their own variable.
    AWS_CA_BUNDLE: bundle,
    CARGO_HTTP_CAINFO: bundle,
    CURL_CA_BUNDLE: bundle,
    GIT_SSL_CAINFO: bundle,
    HTTPLIB2_CA_CERTS: bundle,
    PIP_CERT: bundle,
    REQUESTS_CA_BUNDLE: bundle,
    // These are added to a program's own roots. Node parses its file in every process that uses TLS: a whole bundle
    // costs 20 ms.
    DENO_CERT: session,
    NODE_EXTRA_CA_CERTS: session,
    JAVA_TOOL_OPTIONS: [
      // The JVM splits at spaces and understands quotes: macOS has folders with a space in their names.
      keystore.includes(' ')
        ? `"-Djavax.net.ssl.trustStore=${keystore}"`
        : `-Djavax.net.ssl.trustStore=${keystore}`,
      '-Djavax.net.ssl.trustStoreType=JKS',
      `-Djavax.net.ssl.trustStorePassword=${PASSWORD}`,
    ].join(' '),
  };
}

/** The certificates in a PEM text. Throws if one of them cannot be parsed. */
export function readCertificates(pem: string): X509Certificate[] {
  return readPem(pem).map((der) => new X509Certificate(der));
}
