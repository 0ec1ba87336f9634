// The native launcher (src/native/): compiled with a build, or delivered in a package for the platform. It takes the place of
// the launch command, with the script beside it. `dist/current` says where it is, and the digest that it must have.
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { WIRE_VERSION } from '../wire/frame.ts';
import { exposedPart } from './ownership.ts';

/** By this text in it the file is known as Warder's: src/native/launcher.c. */
const MARK = "Warder's launch command, native, form 1";
const ELF = Buffer.from('\x7fELF', 'latin1');
const MACH_O = Buffer.from('cffaedfe', 'hex');
const TRIAL = '--warder-native';
const TRIAL_TIMEOUT = 5000;
/** Refers to a file without permission to read it. Linux, all architectures. */
const O_PATH = 0o10000000;

/** What a build says of one platform's: a file of its own folder, or a package beside it that has `warder`. */
interface Delivered {
  readonly file?: string;
  readonly package?: string;
  /** Of the file's bytes, hexadecimal. */
  readonly sha256: string;
}

/** A launcher to put in place, or why there is none, as in "there is no native launcher: …". */
export type NativeLauncher = { readonly bytes: Buffer } | { readonly why: string };

/** Whether these are the bytes of a native launcher. */
export function isNativeLauncher(bytes: Buffer): boolean {
  return [ELF, MACH_O].some((head) => bytes.subarray(0, 4).equals(head)) && bytes.includes(MARK);
}

/** SHA-256 of a program, in hexadecimal digits. */
export function digestOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function deliveredWith(program: string): Delivered | undefined {
  try {
    const { native } = JSON.parse(readFileSync(join(dirname(program), '../dist/current'), 'utf8'));
    return native?.[`${process.platform}-${process.arch}`];
  } catch {
    return undefined;
  }
}

/**
 * Opens the native program that goes with this program's own build, after the same checks. The descriptor stays open, so what it
 * runs later is what was checked. Undefined where there is none that runs.
 */
export async function openNative(): Promise<{ readonly descriptor: number } | undefined> {
  const program = join(dirname(fileURLToPath(import.meta.url)), '../bin/warder.js');
  const delivered = deliveredWith(program);
  if (delivered === undefined) return undefined;
  let descriptor: number | undefined;
  try {
    const path = placeOf(delivered, program);
    if (exposedPart(path) !== undefined) return undefined;
    descriptor = openSync(path, O_PATH);
    const open = `/proc/self/fd/${descriptor}`;
    if (digestOf(readFileSync(open)) !== delivered.sha256) throw new Error('it is another');
    const { stdout } = await promisify(execFile)(open, [TRIAL], {
      timeout: TRIAL_TIMEOUT,
      cwd: '/',
      env: {},
    });
    if (stdout !== `${MARK}\n${WIRE_VERSION}\n`) throw new Error('it is of another version');
    return { descriptor };
  } catch {
    if (descriptor !== undefined) closeSync(descriptor);
    return undefined;
  }
}

/** The digest of the launcher that goes with the Warder whose script this is; undefined if there is none for this platform. */
export function nativeDigest(program: string): string | undefined {
  return deliveredWith(program)?.sha256;
}

/**
 * The launcher that goes with the Warder whose script this is: its bytes are those that the build has recorded, nobody else can
 * change its file, and it runs on this machine.
 */
export function nativeLauncher(program: string): NativeLauncher {
  const delivered = deliveredWith(program);
  if (delivered === undefined) return { why: 'this build has none for this platform' };
  try {
    const path = placeOf(delivered, program);
    const exposed = exposedPart(path);
    if (exposed !== undefined) return { why: exposed.what };
    const bytes = readFileSync(path);
    if (digestOf(bytes) !== delivered.sha256)
      return { why: `${path} is not the one that the build recorded` };
    const options = { encoding: 'utf8', timeout: TRIAL_TIMEOUT, cwd: '/', env: {}, stdio: 'pipe' } as const;
    if (execFileSync(path, [TRIAL], options) !== `${MARK}\n${WIRE_VERSION}\n` || !isNativeLauncher(bytes))
      return { why: `${path} is of another version` };
    return { bytes };
  } catch (error) {
    const { code = 'it failed' } = error as { code?: string };
    return {
      why: code === 'MODULE_NOT_FOUND' ? `${delivered.package} is not installed` : `it does not run: ${code}`,
    };
  }
}

function placeOf({ file, package: name = '' }: Delivered, program: string): string {
  if (file !== undefined) return join(dirname(program), '../dist', file);
  return join(dirname(createRequire(program).resolve(`${name}/package.json`)), 'warder');
}
