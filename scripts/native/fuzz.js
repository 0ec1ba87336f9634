// Fuzzes the native launcher by libFuzzer, with sanitizers:
//
//     npm run fuzz -- [--runs N] [--keep] [TARGET ...]
//
// A target is a file of test/native/ that takes the place of the system for some files of src/native/, and says what must hold.
// It begins with the inputs of test/native/corpus/TARGET.txt, one a line in base64, and TARGET-faults.txt, those that showed a fault
// once. `--runs`: how many inputs are tried, a million unless said; runs of the same number try the same ones. `--keep` writes the
// first file anew: the fewest of its inputs and those found now that reach all that is reached. An input that shows a fault is
// printed as a line for the second. Needs clang and its runtime (Debian: clang, libclang-rt-dev).
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compile, findCompiler } from './compile.js';

const root = join(import.meta.dirname, '../..');
const own = join(root, 'test/native');

/** By target, the files of src/native/ that it tries, and the calls of the system that it stands for. */
export const TARGETS = {
  json: { files: ['json'], calls: [] },
  session: {
    files: ['session', 'stream', 'frame', 'refusal', 'orphans', 'json'],
    calls: ['poll', 'recv', 'read', 'send', 'write', 'fstat', 'exit', 'getppid', 'opendir'],
  },
  orphans: {
    files: ['orphans', 'json'],
    calls: ['opendir', 'readdir', 'closedir', 'read', 'close', 'getpid', 'nanosleep', 'kill', 'realloc'],
  },
  place: {
    files: ['place', 'json'],
    calls: ['getenv', 'open', 'read', 'close', 'lstat', 'getuid', 'connect', 'nanosleep'],
  },
};

const SANITIZED = [
  ...['-O1', '-g', '-fsanitize=fuzzer,address,undefined', '-fno-sanitize-recover=all'],
  // The functions of a target have the types of those that they stand for.
  '-fno-builtin',
];

/** The longest input, in bytes. */
const LONGEST = 4096;
/** A run that takes so many seconds is a fault: a session ends. */
const LIMIT = 60;

/** The compiler; undefined where there is none that has libFuzzer. */
export function findFuzzer() {
  return process.platform === 'linux' ? findCompiler(['clang']) : undefined;
}

/** Compiles a target into `folder`. Returns its program. */
export function compileTarget(name, folder) {
  const { files, calls } = TARGETS[name];
  const program = join(folder, name);
  const sources = [
    join(own, 'first.c'),
    ...files.map((file) => join(root, `src/native/${file}.c`)),
    ...['last', name, 'fuzz'].map((file) => join(own, `${file}.c`)),
  ];
  const renamed = calls.map((call) => `-D${call}=fuzz_${call}`);
  compile(program, { compiler: findFuzzer(), files: sources, flags: [...SANITIZED, ...renamed] });
  return program;
}

const corpusFile = (name) => join(own, `corpus/${name}.txt`);

/** The inputs that a target begins with. */
export function corpus(name) {
  const files = [corpusFile(name), corpusFile(`${name}-faults`)].filter((file) => existsSync(file));
  const lines = files.flatMap((file) => readFileSync(file, 'utf8').split('\n'));
  return lines.filter((line) => line !== '').map((line) => Buffer.from(line, 'base64'));
}

/**
 * Runs a target: its seeds, then `runs` inputs that are made of them. Resolves to the number of inputs that were run, and to what
 * is wrong, with the input, if anything is. `inputs`: a folder of seeds, where inputs that reach something new are put.
 */
export async function fuzz(program, { runs, inputs, log = () => {} }) {
  const faults = mkdtempSync(join(inputs, '../faults-'));
  const words = [
    ...['-seed=1', `-runs=${runs}`, `-max_len=${LONGEST}`, `-timeout=${LIMIT}`, '-print_final_stats=1'],
    ...[`-dict=${join(own, 'words.dict')}`, `-artifact_prefix=${faults}/`, inputs],
  ];
  const { code, said } = await run(program, words, log);
  const count = Number(/stat::number_of_executed_units:\s*(\d+)/.exec(said)?.[1] ?? 0);
  if (code === 0) return { count };
  const [file] = readdirSync(faults);
  const input = file === undefined ? undefined : readFileSync(join(faults, file)).toString('base64');
  return { count, fault: { said, input } };
}

/** Runs a program to its end: its exit code, and what it has said. */
function run(program, words, log = () => {}) {
  const child = spawn(program, words, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said += text;
    log(text);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code: code ?? signal, said }));
  });
}

/** Puts the seeds of a target into a new folder. */
export function unpack(name, folder) {
  const inputs = join(folder, `${name}-inputs`);
  mkdirSync(inputs);
  for (const input of corpus(name)) writeFileSync(join(inputs, digest(input)), input);
  return inputs;
}

/** Writes the corpus of a target anew: the fewest inputs of a folder that reach the same. */
async function keep(name, program, inputs) {
  const fewest = `${inputs}-fewest`;
  mkdirSync(fewest);
  const { code, said } = await run(program, ['-merge=1', `-max_len=${LONGEST}`, fewest, inputs]);
  if (code !== 0) throw new Error(said);
  const kept = readdirSync(fewest).map((file) => readFileSync(join(fewest, file)).toString('base64'));
  writeFileSync(
    corpusFile(name),
    `${kept.sort((a, b) => a.length - b.length || (a < b ? -1 : 1)).join('\n')}\n`,
  );
  return kept.length;
}

function digest(bytes) {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 32);
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { runs: { type: 'string', default: '1000000' }, keep: { type: 'boolean', default: false } },
  });
  const unknown = positionals.find((name) => TARGETS[name] === undefined);
  if (unknown !== undefined) throw new Error(`there is no target "${unknown}": ${Object.keys(TARGETS)}`);
  if (findFuzzer() === undefined) throw new Error('clang is needed, with its runtime');
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'warder-fuzz-')));
  const say = (text) => process.stdout.write(`${text}\n`);
  try {
    for (const name of positionals.length > 0 ? positionals : Object.keys(TARGETS)) {
      const program = compileTarget(name, folder);
      const inputs = unpack(name, folder);
      const { count, fault } = await fuzz(program, { runs: values.runs, inputs });
      say(`${name}: ${count} inputs, ${fault === undefined ? 'nothing is wrong' : 'a fault'}`);
      if (fault !== undefined) {
        say(`${fault.said}\n${fault.input}`);
        process.exitCode = 1;
      } else if (values.keep) say(`${name}: ${await keep(name, program, inputs)} inputs are kept`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (import.meta.main)
  await main().catch((error) => {
    process.stderr.write(`${error.stderr ?? error.stack}\n`);
    process.exitCode = 1;
  });
