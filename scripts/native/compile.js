// Compiles src/native/ into one program: static, without any library but libc, with warnings as errors. The numbers that it
// shares with the programs for Node are taken from their sources.
import { execFileSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EXIT } from '../../src/errors.ts';
import { Frame, MAX_PAYLOAD, WIRE_VERSION } from '../../src/wire/frame.ts';
import { MAX_ASKED, NOT_STARTED, PATIENCE } from '../../src/wire/refused-start.ts';

const sources = join(import.meta.dirname, '../../src/native');

const FLAGS = [
  ...['-std=c11', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', '-Wconversion'],
  ...['-fstack-protector-strong', '-fPIE', '-ffunction-sections', '-fdata-sections'],
];
/** What an optimized program has beside that. */
const OPTIMIZED = ['-O2', '-D_FORTIFY_SOURCE=3'];
const LINKED = {
  linux: [
    ...['-static-pie', '-Wl,-z,relro', '-Wl,-z,now', '-Wl,-z,noexecstack'],
    ...['-Wl,--gc-sections', '-Wl,--build-id=none'],
  ],
  darwin: ['-Wl,-dead_strip'],
};
/** Against code that jumps to where no function begins. */
const BRANCHES = { x64: '-fcf-protection', arm64: '-mbranch-protection=standard' };

/** The C compilers of this machine, the first that is there is taken. */
const COMPILERS = ['cc', 'gcc', 'clang'];

/** The first compiler that is there; undefined if there is none.
 *
 * @returns {string | undefined} */
export function findCompiler(names = COMPILERS) {
  return names.find((name) => {
    try {
      execFileSync(name, ['--version'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
}

/** The header with what the C sources share with those in TypeScript. */
function protocolHeader() {
  const codes = Object.entries(EXIT).map(([code, exit]) => `{"${code}", ${exit}}`);
  return [
    '// Made by scripts/native/compile.js of src/wire/ and src/errors.ts.',
    `#define WIRE_VERSION ${WIRE_VERSION}`,
    `#define MAX_PAYLOAD ((size_t)${MAX_PAYLOAD})`,
    ...Object.entries(Frame).map(([name, type]) => `#define FRAME_${name} ${type}`),
    `#define NOT_STARTED "${NOT_STARTED}"`,
    `#define MAX_ASKED ((size_t)${MAX_ASKED})`,
    `#define PATIENCE ${PATIENCE}`,
    `#define ERROR_CODES ${codes.join(', ')}`,
    '',
  ].join('\n');
}

/**
 * Compiles a program: all of src/native/, or the `files` that are named. `flags`: further ones, for instance of sanitizers,
 * in place of those of an optimized, static program. Writes it to `output`. Throws what the compiler says.
 *
 * @param {string} output
 * @param {{ compiler: string | undefined, platform?: string, arch?: string, files?: string[], flags?: string[] }} options
 */
export function compile(
  output,
  { compiler, platform = process.platform, arch = process.arch, files, flags },
) {
  const folder = mkdtempSync(join(tmpdir(), 'warder-native-'));
  try {
    writeFileSync(join(folder, 'protocol.h'), protocolHeader());
    const inputs =
      files ??
      globSync('*.c', { cwd: sources })
        .sort()
        .map((name) => join(sources, name));
    const made = flags ?? [
      ...OPTIMIZED,
      ...(BRANCHES[arch] ? [BRANCHES[arch]] : []),
      ...(LINKED[platform] ?? []),
      '-s',
    ];
    const words = [
      ...FLAGS,
      ...made,
      `-ffile-prefix-map=${sources}=.`,
      `-I${folder}`,
      `-I${sources}`,
      '-o',
      output,
      ...inputs,
    ];
    execFileSync(compiler, words, {
      stdio: ['ignore', 'inherit', 'pipe'],
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C' },
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The program for this machine, or why there is none. */
export function compileHere() {
  if (LINKED[process.platform] === undefined) return { why: `there is none for ${process.platform}` };
  const compiler = findCompiler();
  if (compiler === undefined) return { why: 'there is no C compiler' };
  const folder = mkdtempSync(join(tmpdir(), 'warder-native-'));
  try {
    const output = join(folder, 'warder');
    compile(output, { compiler });
    return { program: readFileSync(output) };
  } catch (error) {
    return { why: `${compiler} cannot make it: ${String(error.stderr ?? error).trim()}` };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
