// The program that becomes a server under Landlock. It reads its configuration from descriptor 3, restricts itself,
// checks that the restriction works, reports to descriptor 4, and replaces itself with the server in the same process. If
// anything fails, it exits without becoming the server.
import { closeSync, fstatSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { type Kernel, openKernel } from './kernel.ts';
import type { StageConfig } from './landlock.ts';

const CONFIG = 3;
const REPORT = 4;
const O_PATH = 0o10000000;

/** LANDLOCK_ACCESS_FS_*. IOCTL_DEV needs version 5 of the ABI. */
const EXECUTE = 1n << 0n;
const WRITE_FILE = 1n << 1n;
const READ_FILE = 1n << 2n;
const READ_DIR = 1n << 3n;
const TRUNCATE = 1n << 14n;
const IOCTL_DEV = 1n << 15n;
/** Every access that version 3 knows: the first fifteen. */
const VERSION_3 = (1n << 15n) - 1n;
/** A server may not make character devices, block devices or sockets. */
const MAKE_DEVICES = (1n << 6n) | (1n << 9n) | (1n << 11n);
const OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;

const READ = EXECUTE | READ_FILE | READ_DIR;
const WRITE = VERSION_3 & ~MAKE_DEVICES;

function restrict(kernel: Kernel, config: StageConfig, version: number): void {
  const files = version >= 5 ? VERSION_3 | IOCTL_DEV : VERSION_3;
  const rules = kernel.landlockCreateRuleset({
    files,
    // No TCP port may be bound or connected to. The seccomp filter allows no sockets anyway.
    tcp: version >= 4 ? 3n : 0n,
    // Abstract Unix sockets and signals stay inside the sandbox.
    scoped: version >= 6 ? 3n : 0n,
  });
  if (rules < 0) throw new Error('the kernel creates no ruleset');
  const allow = (path: string, accesses: bigint): void => {
    let descriptor: number;
    try {
      descriptor = openSync(path, O_PATH);
    } catch {
      // It does not exist on this machine: nothing to allow.
      return;
    }
    const applicable = fstatSync(descriptor).isDirectory() ? accesses : accesses & OF_FILES;
    if (kernel.landlockAddRule(rules, descriptor, applicable & files) !== 0)
      throw new Error(`the kernel refuses a rule for ${path}`);
    closeSync(descriptor);
  };
  for (const path of [...config.read, `/proc/${process.pid}`]) allow(path, READ);
  for (const path of config.write) allow(path, WRITE);
  for (const path of config.devices) allow(path, READ_FILE | WRITE_FILE | IOCTL_DEV);
  for (const limit of config.limits) {
    if (!kernel.setLimit(0, limit)) throw new Error(`the kernel refuses the limit ${limit.name}`);
  }
  if (kernel.setParentDeathSignal() !== 0 || kernel.setNoNewPrivileges() !== 0)
    throw new Error('the kernel refuses no_new_privs');
  if (kernel.landlockRestrictSelf(rules) !== 0) throw new Error('the kernel refuses the ruleset');
  closeSync(rules);
  if (kernel.setSeccompFilter(Buffer.from(config.filter, 'base64')) !== 0)
    throw new Error('the kernel refuses the filter');
}

/** Whether the rules are in force: no plan allows listing the root. */
function isRestricted(): boolean {
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
  if (kernel === undefined || version < 3) throw new Error('there is no Landlock');
  restrict(kernel, config, version);
  if (!isRestricted()) throw new Error('the rules are not in force');
  writeSync(REPORT, `${JSON.stringify({ landlock: version })}\n`);
  process.execve?.(config.program.file, [config.program.file, ...config.program.args], config.env);
  throw new Error('this Node cannot replace itself with another program');
} catch (error) {
  writeSync(REPORT, `${JSON.stringify({ error: (error as Error).message })}\n`);
  process.exit(1);
}
