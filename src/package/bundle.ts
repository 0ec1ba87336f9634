// Bundles of servers (MCPB, formerly DXT): a ZIP archive with a manifest.json, and perhaps a signature behind it. A signature
// is cut off and never verified: what a bundle is, its SHA-256 says.
import { hash } from 'node:crypto';
import { satisfies, validRange } from 'semver';
import { WarderError } from '../errors.ts';
import { readWhole, readZip, type ZipBounds, type ZipEntry, ZipError } from './archive/zip.ts';

/** Bytes of a bundle's file. */
export const MAX_BUNDLE = 512 * 2 ** 20;
/** What is unpacked of a bundle at most. */
const BUNDLE_BOUNDS: ZipBounds = {
  entries: 100_000,
  unpacked: 2 * 2 ** 30,
  ratio: { most: 100, above: 64 * 2 ** 20 },
};
/** Bytes of a manifest. */
const MAX_MANIFEST = 2 ** 20;

const SIGNATURE_START = Buffer.from('MCPB_SIG_V1');
const SIGNATURE_END = Buffer.from('MCPB_SIG_END');
/** Bytes of a signature with its certificates. */
const MAX_SIGNATURE = 2 ** 20;

/** A bundle whose directory was read. Nothing of it is on the disk. */
export interface Bundle {
  /** Of the whole file, hex. */
  readonly sha256: string;
  readonly isSigned: boolean;
  readonly entries: readonly ZipEntry[];
  /** The text of its manifest.json. */
  readonly manifest: string;
}

/** How the server of a bundle starts. */
export interface BundleStart {
  /** As in a profile's `package`: `mcpb:NAME@VERSION`. */
  readonly name: string;
  readonly version: string;
  readonly runtime: 'node' | 'python' | 'binary';
  /** The path of its program in the bundle; undefined for node and Python. */
  readonly program: string | undefined;
  /** Variables that name folders of the bundle with code. */
  readonly paths: Readonly<Record<string, readonly string[]>>;
  /** The versions of Python that it runs with, as its manifest says. */
  readonly python: string | undefined;
}

/** A bundle to be installed. */
export interface BundleSource {
  readonly bundle: Bundle;
  readonly start: BundleStart;
}

/** Reads a bundle's directory and manifest. Throws `package-integrity`. */
export async function openBundle(file: Buffer, title: string): Promise<Bundle> {
  try {
    const { archive, isSigned } = withoutSignature(file);
    const entries = await readZip(archive, BUNDLE_BOUNDS);
    const manifest = entries.find(({ name, folder }) => name === 'manifest.json' && !folder);
    if (manifest === undefined) throw new ZipError('it has no manifest.json');
    if (manifest.size > MAX_MANIFEST)
      throw new ZipError(`its manifest.json has more than ${MAX_MANIFEST} bytes`);
    const text = await readText(manifest);
    return { sha256: hash('sha256', file, 'hex'), isSigned, entries, manifest: text };
  } catch (error) {
    throw unpackError(error, title);
  }
}

/** A `ZipError` as `package-integrity`; any other error as it is. */
export function unpackError(error: unknown, title: string): unknown {
  if (!(error instanceof ZipError)) return error;
  return new WarderError('package-integrity', `cannot unpack "${title}": ${error.message}`, {
    cause: error,
    hint: 'do not run it; get it again from its authors, and tell them',
  });
}

/** Whether a version is in a range of a manifest: of npm, or of Python with commas. Undefined: it is no range. */
export function isInRange(version: string, range: string): boolean | undefined {
  const spelled = range
    .replaceAll(',', ' ')
    // The last number that is given may grow (PEP 440).
    .replaceAll(/~=\s*(\d+\.\d+)(?![.\d])/g, '^$1')
    .replaceAll(/~=\s*(?=\d)/g, '~')
    .replaceAll(/==\s*(?=\d)/g, '=');
  return validRange(spelled) === null ? undefined : satisfies(version, spelled);
}

async function readText(entry: ZipEntry): Promise<string> {
  const bytes = await readWhole(entry);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new ZipError('its manifest.json is not UTF-8');
  }
}

/** The archive without the block that `mcpb sign` writes behind it: two marks, and between them a length and as many bytes. */
function withoutSignature(file: Buffer): { archive: Buffer; isSigned: boolean } {
  const end = file.length - SIGNATURE_END.length;
  if (end < 0 || !file.subarray(end).equals(SIGNATURE_END)) return { archive: file, isSigned: false };
  const fixed = SIGNATURE_START.length + 4;
  for (
    let at = file.lastIndexOf(SIGNATURE_START, end);
    at >= 0 && end - at <= fixed + MAX_SIGNATURE;
    at = at === 0 ? -1 : file.lastIndexOf(SIGNATURE_START, at - 1)
  ) {
    if (at + fixed <= end && file.readUInt32LE(at + SIGNATURE_START.length) === end - at - fixed)
      return { archive: file.subarray(0, at), isSigned: true };
  }
  throw new ZipError('its signature is damaged');
}
