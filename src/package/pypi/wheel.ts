// Unpacks wheels (binary distribution format, PEP 427) into a virtual environment. Nothing of a wheel runs, and what its
// RECORD says is not used: the archive's hash is in the lock, and every file is hashed by the store.
//
//     pyvenv.cfg                             makes Python take this folder as its environment (PEP 405)
//     bin/python                             a link to the interpreter of the lock
//     bin/<program>                          starts an entry point
//     lib/python<3.n>/site-packages/…        the wheels' files
//     anything else                          the `data` of wheels
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { WarderError } from '../../errors.ts';
import { readWhole, readZip, type ZipBounds, ZipError } from '../archive/zip.ts';
import { minorVersion, type Python, type Wheel } from './lock.ts';

/** Bounds of a wheel, and of all wheels of a package together. Those of native code may pack well. */
const BOUNDS: ZipBounds = { entries: 250_000, unpacked: 4 * 2 ** 30 };

/** A name of a program that is one part of a path, and none of the environment's own. */
const PROGRAM = /^(?!python[\d.]*$)[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/i;
const ENTRY_POINT = /^([\p{L}_][\p{L}\p{N}_.]*)\s*:\s*([\p{L}_][\p{L}\p{N}_.]*)\s*(?:\[[^\]]*\])?$/u;

/** An environment that wheels are unpacked into. */
export class Environment {
  readonly #root: string;
  readonly #sitePackages: string;
  #bytes = 0;
  #files = 0;

  /** Makes an empty environment in a folder. */
  constructor(root: string, python: Python) {
    this.#root = root;
    this.#sitePackages = `lib/python${minorVersion(python)}/site-packages`;
    mkdirSync(join(root, this.#sitePackages), { recursive: true, mode: 0o700 });
    mkdirSync(join(root, 'bin'), { mode: 0o700 });
    symlinkSync(python.file, join(root, 'bin/python'));
    symlinkSync('python', join(root, 'bin/python3'));
    const lines = [
      `home = ${dirname(python.file)}`,
      'include-system-site-packages = false',
      `version = ${minorVersion(python)}`,
    ];
    writeFileSync(join(root, 'pyvenv.cfg'), `${lines.join('\n')}\n`);
    // Without it a program that this Python starts would write byte code where the tree is not read-only, as root.
    writeFileSync(
      join(root, this.#sitePackages, '0-no-byte-code.pth'),
      'import sys; sys.dont_write_bytecode = True\n',
    );
  }

  /** Unpacks a wheel. Returns its programs: name to path in the environment. Throws `package-integrity`. */
  async unpack(wheel: Wheel, archive: Buffer): Promise<Record<string, string>> {
    try {
      return await this.#unpack(archive);
    } catch (error) {
      if (!(error instanceof ZipError)) throw error;
      throw new WarderError('package-integrity', `cannot unpack "${wheel.file}": ${error.message}`, {
        cause: error,
        hint: "do not run it; choose another version, and tell the package's authors",
      });
    }
  }

  async #unpack(archive: Buffer): Promise<Record<string, string>> {
    const entries = await readZip(archive, BOUNDS);
    this.#bytes += entries.reduce((sum, { size }) => sum + size, 0);
    this.#files += entries.length;
    if (this.#bytes > BOUNDS.unpacked)
      throw new ZipError(`with the wheels before it, it would be more than ${BOUNDS.unpacked} bytes`);
    if (this.#files > BOUNDS.entries)
      throw new ZipError(`with the wheels before it, it has more than ${BOUNDS.entries} files`);
    const programs: Record<string, string> = {};
    let points = '';
    for (const entry of entries) {
      if (entry.folder) continue;
      const { path, program } = this.#place(entry.name);
      const content = await readWhole(entry);
      if (program !== undefined) programs[program] = path;
      if (/^[^/]+\.dist-info\/entry_points\.txt$/.test(entry.name)) points = content.toString('utf8');
      this.#write(path, content, entry.executable);
    }
    for (const [name, module, attribute] of entryPoints(points)) {
      const path = this.#programPath(name);
      this.#write(path, Buffer.from(launcher(module, attribute)), false);
      programs[name] = path;
    }
    return programs;
  }

  /** Where a file of a wheel belongs. `program`: its name, if it is a script. */
  #place(name: string): { path: string; program?: string } {
    const [, kind, rest = ''] = /^[^/]+\.data\/([^/]+)\/(.+)$/.exec(name) ?? [];
    if (kind === undefined || kind === 'purelib' || kind === 'platlib') {
      return { path: `${this.#sitePackages}/${kind === undefined ? name : rest}` };
    }
    if (kind === 'scripts') return { path: this.#programPath(rest), program: rest };
    if (kind === 'headers') return { path: `include/${rest}` };
    if (kind !== 'data') throw new ZipError(`"${name}" belongs nowhere`);
    if (/^bin\//i.test(rest)) return { path: this.#programPath(rest.slice(4)), program: rest.slice(4) };
    if (/^(bin|pyvenv\.cfg|lib|lib64)$/i.test(rest))
      throw new ZipError(`"${name}" would replace the environment's own`);
    return { path: rest };
  }

  #programPath(name: string): string {
    if (!PROGRAM.test(name)) throw new ZipError(`it has a program of the name ${JSON.stringify(name)}`);
    return `bin/${name}`;
  }

  #write(path: string, content: Buffer, executable: boolean): void {
    const file = join(this.#root, path);
    try {
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      writeFileSync(file, content, { mode: 0o600 });
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code !== 'ENOTDIR' && code !== 'EISDIR' && code !== 'EEXIST') throw error;
      throw new ZipError(`"${path}" is a file of one wheel and a folder of another`);
    }
    chmodSync(file, executable ? 0o700 : 0o600);
  }
}

/** The `console_scripts` of `entry_points.txt`: name, module and attribute. Lines that are none are left out. */
export function entryPoints(text: string): [name: string, module: string, attribute: string][] {
  const found: [string, string, string][] = [];
  let section = '';
  for (const line of text.split(/\r?\n/)) {
    const trimmed = line.trim();
    if (/^\[.*\]$/.test(trimmed)) section = trimmed.slice(1, -1).trim();
    if (section !== 'console_scripts' || /^(?:[#;[]|$)/.test(trimmed)) continue;
    const at = trimmed.indexOf('=');
    const [, module, attribute] = ENTRY_POINT.exec(trimmed.slice(at + 1).trim()) ?? [];
    const name = trimmed.slice(0, Math.max(at, 0)).trim();
    if (module !== undefined && attribute !== undefined && PROGRAM.test(name)) {
      found.push([name, module, attribute]);
    }
  }
  return found;
}

/** The program of an entry point. */
function launcher(module: string, attribute: string): string {
  const [first = '', ...rest] = attribute.split('.');
  return [
    'import sys',
    `from ${module} import ${first} as start`,
    `sys.exit(start${rest.map((part) => `.${part}`).join('')}())`,
    '',
  ].join('\n');
}
