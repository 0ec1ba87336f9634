// Tries out the layers of a sandbox one by one, with real processes: for `doctor`, and to explain why a sandbox could
// not be made. Each bad finding names the command that fixes it.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { promisify } from 'node:util';
import { WarderError } from '../errors.ts';
import { CONTROL_GROUP_HINT } from './linux/apply-limits.ts';
import { seccompFilter } from './linux/seccomp.ts';
import { type Bubblewrap, DEVICES_HINT, type Machine, NO_DEVICES, UPGRADE } from './machine.ts';

/** The result of trying one layer. `weak`: sandboxes work, but with less. */
export interface Finding {
  readonly layer: string;
  readonly state: 'ok' | 'weak' | 'missing';
  /** What was found, or what is missing. */
  readonly detail: string;
  /** What fixes it. */
  readonly hint?: string;
}

const run = promisify(execFile);
const HINT = 'see "warder doctor"';
const NETWORK = 'egress network';
const INSTALL = 'sudo apt install bubblewrap (or dnf, pacman, zypper, apk)';

/** A trial run of bubblewrap. It adds its options and mounts to those of the trials before it. */
interface Trial {
  readonly layer: string;
  readonly options: readonly string[];
  readonly mounts: readonly string[];
}

const TRIALS: readonly Trial[] = [
  { layer: 'user namespace', options: ['--unshare-user'], mounts: ['--ro-bind', '/', '/', '--dev', '/dev'] },
  {
    layer: 'process, ipc and host name namespaces',
    options: ['--unshare-pid', '--unshare-ipc', '--unshare-uts'],
    mounts: ['--proc', '/proc'],
  },
  { layer: 'network namespace', options: ['--unshare-net'], mounts: [] },
  {
    layer: 'no capabilities, no way back to them',
    options: ['--cap-drop', 'ALL', '--new-session', '--die-with-parent'],
    mounts: [],
  },
];

/** Tries every layer. */
export async function probe(machine: Machine): Promise<Finding[]> {
  const { bubblewrap, prlimit } = machine;
  if (bubblewrap === undefined) {
    return [{ layer: 'bubblewrap', state: 'missing', detail: 'not found', hint: INSTALL }];
  }
  if (bubblewrap.setUserId) {
    const { file } = bubblewrap;
    return [
      {
        layer: 'bubblewrap',
        state: 'missing',
        detail: `${file} is a set-user-ID program`,
        hint: `sudo chmod u-s ${file}`,
      },
    ];
  }
  const findings: Finding[] = [
    bubblewrap.missing.length > 0
      ? {
          layer: 'bubblewrap',
          state: 'missing',
          detail: `version ${bubblewrap.version} lacks ${bubblewrap.missing.join(', ')}`,
          hint: INSTALL,
        }
      : { layer: 'bubblewrap', state: 'ok', detail: `version ${bubblewrap.version}` },
    ...(await runTrials(bubblewrap)),
    await filterFinding(machine, bubblewrap),
    prlimit === undefined
      ? { layer: 'limits', state: 'missing', detail: 'no "prlimit"', hint: 'sudo apt install util-linux' }
      : { layer: 'limits', state: 'ok', detail: 'open files, core dumps' },
  ];
  // The required layers come first: `whyUnavailable` and `findMissing` report the first one that is missing.
  return [
    ...findings,
    processesFinding(machine),
    memoryFinding(machine),
    mountPointsFinding(bubblewrap),
    ...devicesFinding(machine),
    attemptsFinding(machine),
    await networkFinding(machine, bubblewrap),
  ];
}

/** The error for a sandbox that could not be made: names the first layer that is missing. */
export async function whyUnavailable(profile: string, machine: Machine): Promise<WarderError> {
  const missing = (await probe(machine)).find(({ state }) => state === 'missing');
  const what =
    missing === undefined ? 'bubblewrap could not make its sandbox' : `${missing.layer}: ${missing.detail}`;
  return new WarderError('sandbox-unavailable', `cannot start "${profile}": ${what}`, {
    hint: missing?.hint ?? HINT,
  });
}

/** Why no network could be created for a sandbox, and what fixes it. */
export async function findMissing(machine: Machine): Promise<{ what: string; hint: string }> {
  const findings = await probe(machine);
  const missing =
    findings.find(({ state }) => state === 'missing') ??
    findings.find(({ layer, state }) => layer === NETWORK && state !== 'ok');
  if (missing === undefined) return { what: 'it did not come up', hint: HINT };
  return { what: `${missing.layer}: ${missing.detail}`, hint: missing.hint ?? HINT };
}

async function runTrials({ file }: Bubblewrap): Promise<Finding[]> {
  const findings: Finding[] = [];
  const options: string[] = [];
  const mounted: string[] = [];
  for (const { layer, options: more, mounts } of TRIALS) {
    options.push(...more);
    mounted.push(...mounts);
    const detail = await tryProgram(file, [...options, ...mounted]);
    if (detail === undefined) {
      findings.push({ layer, state: 'ok', detail: 'tried' });
      continue;
    }
    // The trials after this one include it.
    findings.push({ layer, state: 'missing', detail, hint: namespaceHint() });
    break;
  }
  return findings;
}

/**
 * Runs a program, usually bubblewrap, on `/bin/true`. Returns its error, or `undefined` if it succeeds. The message
 * cannot be a server's, since none runs.
 */
async function tryProgram(file: string, options: readonly string[]): Promise<string | undefined> {
  try {
    await run(file, [...options, '--', '/bin/true'], { env: {}, timeout: 10_000 });
    return undefined;
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string };
    return (
      stderr
        .trim()
        .split('\n')
        .at(-1)
        ?.replace(/^(bwrap|nsenter): /, '') || 'it fails without a message'
    );
  }
}

/** The command that allows user namespaces, by the setting that forbids them here. */
function namespaceHint(): string {
  const setting = (name: string): string | undefined => {
    try {
      return readFileSync(`/proc/sys/${name}`, 'utf8').trim();
    } catch {
      return undefined;
    }
  };
  if (setting('user/max_user_namespaces') === '0') return 'sudo sysctl -w user.max_user_namespaces=15000';
  if (setting('kernel/unprivileged_userns_clone') === '0')
    return 'sudo sysctl -w kernel.unprivileged_userns_clone=1';
  if (setting('kernel/apparmor_restrict_unprivileged_userns') === '1') return APPARMOR;
  return CONTAINER;
}

/** For when no setting forbids them: then this is most likely a container. */
const CONTAINER =
  'allow user namespaces here; in a container: docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined';

/** Ubuntu since 23.10 allows user namespaces only to programs with an AppArmor profile, and has none for bubblewrap. */
const APPARMOR = [
  "printf 'abi <abi/4.0>,\\ninclude <tunables/global>\\nprofile bwrap /usr/bin/bwrap flags=(unconfined) { userns, }\\n'",
  'sudo tee /etc/apparmor.d/bwrap && sudo apparmor_parser -r /etc/apparmor.d/bwrap',
].join(' | ');

/** Makes a file set-user-ID: the filter forbids it, and nothing else here does. */
const FORBIDDEN_CALL = ': >/tmp/file && exec chmod 4700 /tmp/file';

/** Tries a call that the filter forbids: it must work without the filter, and fail with it. */
async function filterFinding({ architecture }: Machine, { file }: Bubblewrap): Promise<Finding> {
  const layer = 'system call filter';
  const missing = (detail: string): Finding => ({
    layer,
    state: 'missing',
    detail,
    hint: 'run a kernel with CONFIG_SECCOMP_FILTER, on x86-64 or arm64',
  });
  if (architecture === undefined) return missing(`none for ${process.arch}`);
  const works = async (filter: Buffer | undefined): Promise<boolean> => {
    const mounts = ['--unshare-user', '--ro-bind', '/', '/', '--dev', '/dev', '--tmpfs', '/tmp'];
    const options = filter === undefined ? [] : ['--seccomp', '3'];
    const child = spawn(file, [...mounts, ...options, '--', '/bin/sh', '-c', FORBIDDEN_CALL], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
      env: { PATH: '/usr/bin:/bin' },
      timeout: 10_000,
    });
    const pipe = child.stdio[3] as Writable;
    pipe.on('error', () => {});
    pipe.end(filter);
    try {
      const [code] = await once(child, 'exit');
      return code === 0;
    } catch {
      return false;
    }
  };
  const [without, within] = await Promise.all([works(undefined), works(seccompFilter(architecture, 'ip'))]);
  if (within) return missing('a call that it forbids is made');
  return without
    ? { layer, state: 'ok', detail: `for ${architecture}, tried` }
    : { layer, state: 'weak', detail: `for ${architecture}, and something else forbids what would try it` };
}

function processesFinding({ cgroups, countsProcessesByNamespace }: Machine): Finding {
  const layer = 'limit on processes';
  if (countsProcessesByNamespace) return { layer, state: 'ok', detail: 'counted by user namespace' };
  if (cgroups?.kind === 'systemd' || cgroups?.processes !== undefined) {
    return { layer, state: 'ok', detail: `by control group (${cgroups.kind})` };
  }
  return {
    layer,
    state: 'weak',
    detail: 'not enforced',
    hint: 'run Warder as an ordinary user on Linux 5.14 or later, or where it may make control groups',
  };
}

function memoryFinding({ cgroups }: Machine): Finding {
  const layer = 'limit on memory';
  if (cgroups?.kind === 'systemd' || cgroups?.memory !== undefined) {
    return { layer, state: 'ok', detail: `by control group (${cgroups.kind})` };
  }
  return {
    layer,
    state: 'weak',
    detail:
      'for each process alone, without shared memory: no profile with "memory" can start, but with "best-effort"',
    hint: CONTROL_GROUP_HINT,
  };
}

/** Whether a folder may be mounted below one that a server may write. */
function mountPointsFinding({ followsLinks, version }: Bubblewrap): Finding {
  const layer = 'mount points below writable folders';
  if (!followsLinks) return { layer, state: 'ok', detail: 'tried' };
  return {
    layer,
    state: 'weak',
    detail: `bubblewrap ${version} follows links when it makes one (CVE-2026-87766): a profile that lists a path below a folder under "write" cannot start`,
    hint: UPGRADE,
  };
}

/** Only root owns the machine's devices, so only root's servers need their own. */
function devicesFinding({ ownsDevices, makeDevices }: Machine): Finding[] {
  const layer = 'devices';
  if (!ownsDevices) return [];
  using devices = makeDevices?.();
  if (devices !== undefined) return [{ layer, state: 'ok', detail: "each sandbox's own" }];
  return [{ layer, state: 'missing', detail: NO_DEVICES, hint: DEVICES_HINT }];
}

/** What is needed to record refused connections: a local route, and a descriptor copied from the stage. */
function attemptsFinding({ ip, copyDescriptor }: Machine): Finding {
  const layer = 'record of refused connections';
  const weak = (missing: string, hint: string): Finding => ({
    layer,
    state: 'weak',
    detail: `${missing}: connections to addresses and ports that are not listed are refused without a record`,
    hint,
  });
  if (ip === undefined) return weak('no "ip"', 'sudo apt install iproute2');
  if (copyDescriptor === undefined) {
    return weak('no C library', 'install Warder with its optional dependency koffi');
  }
  return { layer, state: 'ok', detail: 'TCP over IPv4' };
}

/** Tries to start a sandbox in a network namespace that exists already, as `network/namespace.ts` does. */
async function networkFinding({ nsenter }: Machine, { file }: Bubblewrap): Promise<Finding> {
  const layer = NETWORK;
  const weak = (detail: string, hint: string): Finding => ({
    layer,
    state: 'weak',
    detail: `${detail}: no profile with "network" or a sealed credential can start`,
    hint,
  });
  if (nsenter === undefined) return weak('no "nsenter"', 'sudo apt install util-linux');
  const options = ['--unshare-user', '--unshare-net', '--uid', '0', '--gid', '0', '--cap-drop', 'ALL'];
  const command = ['--die-with-parent', '--ro-bind', '/', '/', '--', '/bin/sh', '-c', 'echo $$; exec cat'];
  const outer = spawn(file, [...options, ...command], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: {},
    timeout: 10_000,
  });
  try {
    outer.stdin.on('error', () => {});
    const [pid] = await Promise.race([
      once(outer.stdout, 'data'),
      once(outer, 'exit').then(() => [undefined]),
    ]);
    if (pid === undefined) return weak('it cannot be created', namespaceHint());
    const joining = ['--target', String(pid).trim(), '--user', '--net', '--preserve-credentials', file];
    const inside = ['--unshare-user', '--unshare-pid', '--cap-drop', 'ALL', '--ro-bind', '/', '/'];
    const detail = await tryProgram(nsenter, [...joining, ...inside]);
    return detail === undefined ? { layer, state: 'ok', detail: 'tried' } : weak(detail, namespaceHint());
  } catch {
    return weak('it cannot be created', namespaceHint());
  } finally {
    outer.kill('SIGKILL');
  }
}
