// The program that becomes a server under Landlock. It reads its orders from descriptor 3, binds itself, tries
// whether that holds, reports at descriptor 4, and turns into the server without a new process. Whatever fails,
// it ends without having become the server.
import { closeSync, fstatSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { type Kernel, openKernel } from './kernel.ts';
import type { StageConfig } from './landlock.ts';

const CONFIG = 3;
const REPORT = 4;
const O_PATH = 0o10000000;

/** LANDLOCK_ACCESS_FS_*, by what they need of the interface's version. */
const EXECUTE = 1n << 0n;
const WRITE_FILE = 1n << 1n;
const READ_FILE = 1n << 2n;
const READ_DIR = 1n << 3n;
const TRUNCATE = 1n << 14n;
const IOCTL_DEV = 1n << 15n;
/** Every access of version 3: the first fifteen. */
const VERSION_3 = (1n << 15n) - 1n;
/** Character and block devices, and sockets, are not made by a server. */
const MAKE_DEVICES = (1n << 6n) | (1n << 9n) | (1n << 11n);
const OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;

const READ = EXECUTE | READ_FILE | READ_DIR;
const WRITE = VERSION_3 & ~MAKE_DEVICES;

function bind(kernel: Kernel, config: StageConfig, version: number): void {
  const files = version >= 5 ? VERSION_3 | IOCTL_DEV : VERSION_3;
  const rules = kernel.landlockCreateRuleset({
    files,
    // Binding and connecting to TCP ports: none is allowed. The filter lets no socket be made anyway.
    tcp: version >= 4 ? 3n : 0n,
    // Sockets without a path, and signals, stay inside.
    scoped: version >= 6 ? 3n : 0n,
  });
  if (rules < 0) throw new Error('no set of rules');
  const allow = (path: string, accesses: bigint): void => {
    let descriptor: number;
    try {
      descriptor = openSync(path, O_PATH);
    } catch {
      // Not on this machine: nothing to allow.
      return;
    }
    const fitting = fstatSync(descriptor).isDirectory() ? accesses : accesses & OF_FILES;
    if (kernel.landlockAddRule(rules, descriptor, fitting & files) !== 0)
      throw new Error(`no rule for ${path}`);
    closeSync(descriptor);
  };
  for (const path of [...config.read, `/proc/${process.pid}`]) allow(path, READ);
  for (const path of config.write) allow(path, WRITE);
  for (const path of config.devices) allow(path, READ_FILE | WRITE_FILE | IOCTL_DEV);
  for (const limit of config.limits) {
    if (!kernel.setLimit(0, limit)) throw new Error(`no limit ${limit.name}`);
  }
  if (kernel.setParentDeathSignal() !== 0 || kernel.setNoNewPrivileges() !== 0)
    throw new Error('no new privileges stay');
  if (kernel.landlockRestrictSelf(rules) !== 0) throw new Error('the rules do not bind');
  closeSync(rules);
  if (kernel.setSeccompFilter(Buffer.from(config.filter, 'base64')) !== 0)
    throw new Error('the filter does not bind');
}

/** Whether the rules hold: the root's own listing is in no plan. */
function holds(): boolean {
  try {
    readdirSync('/');
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES';
  }
}

const config = JSON.parse(readFileSync(CONFIG, 'utf8')) as StageConfig;
closeSync(CONFIG);
const kernel = await openKernel(
  process.arch === 'x64' || process.arch === 'arm64' ? process.arch : undefined,
);
const version = kernel?.landlockVersion() ?? 0;
process.chdir(config.cwd);
try {
  if (kernel === undefined || version < 3) throw new Error('no Landlock');
  bind(kernel, config, version);
  if (!holds()) throw new Error('the rules do not hold');
  writeSync(REPORT, `${JSON.stringify({ landlock: version })}\n`);
  process.execve?.(config.program.file, [config.program.file, ...config.program.args], config.env);
  throw new Error('this Node cannot become another program');
} catch (error) {
  writeSync(REPORT, `${JSON.stringify({ error: (error as Error).message })}\n`);
  process.exit(1);
}
