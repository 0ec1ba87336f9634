// Renders a plan for bubblewrap. bubblewrap reads its arguments from a descriptor, so that no part of the plan appears in
// a process list; the seccomp filter and the files of `/etc` go through descriptors too. It reports the pid of its init
// process through another descriptor, and waits at a third until the sandbox's limits are applied. If the sandbox joins
// an existing network, nsenter starts all of this inside that network and changes nothing else.
import { WarderError } from '../../errors.ts';
import type { Descriptor, DescriptorSource, Launch } from '../launch.ts';
import { type Machine, UPGRADE } from '../machine.ts';
import type { Network } from '../network.ts';
import type { Plan, Step } from '../plan/plan.ts';
import { enterCommand, holdCommand } from './hold.ts';
import { processLimitsFor } from './limits.ts';
import { mountsBelowWritable } from './mount-points.ts';
import { seccompFilter } from './seccomp.ts';

/** One page: the smallest file system in memory. */
const PAGE = 4096;

/**
 * Renders a plan, for a sandbox that joins `network` if there is one, and enters the control groups of `entrances`. With the
 * machine's native program the server waits in its sandbox (`hold`). `isSpare`: what waits is given its program and its variables
 * only then. Throws `sandbox-unavailable` if the machine lacks what is needed.
 */
export function renderBubblewrap(
  plan: Plan,
  machine: Machine,
  source: DescriptorSource,
  network?: Pick<Network, 'pauseProcess'>,
  entrances?: readonly string[],
  isSpare = false,
): Launch {
  const { bubblewrap: program, architecture, prlimit, native } = machine;
  const entering = network === undefined ? [] : nsenterCommand(plan, machine, network);
  if (program === undefined || program.missing.length > 0) throw missingBubblewrap(plan, program);
  if (program.setUserId) {
    throw new WarderError(
      'sandbox-unavailable',
      `cannot start "${plan.profile}": bubblewrap is a set-user-ID program`,
      {
        hint: `sudo chmod u-s ${program.file}`,
      },
    );
  }
  if (program.followsLinks) refuseMountsBelowWritable(plan);
  if (architecture === undefined) {
    throw new WarderError(
      'sandbox-unavailable',
      `cannot start "${plan.profile}": there is no system call filter for this machine's processor`,
      { hint: 'x86-64 and arm64 have one; elsewhere say "sandbox: {off: true}"' },
    );
  }
  if (prlimit === undefined && machine.setLimit === undefined) {
    throw new WarderError(
      'sandbox-unavailable',
      `cannot start "${plan.profile}": nothing can set its limits`,
      {
        hint: 'install "prlimit": sudo apt install util-linux',
      },
    );
  }

  const descriptors: Descriptor[] = [
    { kind: 'data', data: Buffer.alloc(0) },
    { kind: 'report' },
    { kind: 'block' },
  ];
  const [ARGUMENTS, REPORT, GATE] = [3, 4, 5];
  const at = (descriptor: Descriptor): string => String(descriptors.push(descriptor) + 2);
  const bind = (path: string, write: boolean, to = path): string[] => {
    const descriptor = source.descriptorOf(path);
    if (descriptor === undefined) return [write ? '--bind' : '--ro-bind', path, to];
    return [write ? '--bind-fd' : '--ro-bind-fd', at({ kind: 'open', descriptor }), to];
  };
  const dataDescriptor = (bytes: Buffer): Descriptor => {
    const descriptor = source.memoryFile(bytes);
    return descriptor === undefined ? { kind: 'data', data: bytes } : { kind: 'open', descriptor };
  };
  const data = (bytes: Buffer): string => at(dataDescriptor(bytes));
  const copy = (descriptor: string, path: string): string[] => [
    '--perms',
    '0444',
    '--file',
    descriptor,
    path,
  ];
  // An existing file cannot be written, so the new one is mounted over it.
  const cover = (descriptor: string, path: string): string[] => [
    '--perms',
    '0444',
    '--ro-bind-data',
    descriptor,
    path,
  ];
  const copyOf = (path: string): string[] => {
    const descriptor = source.openFile(path);
    return descriptor === undefined ? [] : copy(at({ kind: 'open', descriptor }), path);
  };
  const render = (step: Step): string[] => {
    switch (step.kind) {
      case 'bind':
        return bind(step.path, step.write);
      case 'home':
        return bind(step.path, true, step.at);
      case 'link':
        return ['--symlink', step.to, step.at];
      case 'file':
        return copy(data(Buffer.from(step.text)), step.at);
      case 'supplied':
        return step.over ? cover(data(step.data), step.at) : copy(data(step.data), step.at);
      case 'copy':
        return copyOf(step.at);
      case 'tmpfs':
        return ['--perms', '0700', '--size', String(step.bytes), '--tmpfs', step.at];
      case 'proc':
        return ['--proc', step.at];
      case 'devices':
        return ['--dev', step.at];
      case 'device':
        return ['--dev-bind', step.path, step.at];
      case 'hide':
        return step.folder
          ? ['--perms', '0555', '--size', String(PAGE), '--tmpfs', step.at]
          : ['--ro-bind', '/dev/null', step.at];
      case 'remount-read-only':
        return ['--remount-ro', step.at];
    }
  };

  const filter = data(seccompFilter(architecture, plan.sockets));
  const options = [
    ...[
      '--unshare-user',
      '--unshare-pid',
      '--unshare-ipc',
      '--unshare-uts',
      ...(network === undefined ? ['--unshare-net'] : []),
      '--unshare-cgroup-try',
    ],
    ...(program.canDisableUserNamespaces ? ['--disable-userns'] : []),
    ...['--die-with-parent', '--new-session', '--cap-drop', 'ALL', '--clearenv'],
    ...['--uid', String(plan.uid), '--gid', String(plan.gid), '--hostname', plan.hostname],
    ...plan.steps.filter(({ kind }) => kind !== 'remount-read-only').flatMap(render),
    // Only a fixed bubblewrap can mount below a writable folder safely.
    ...(program.followsLinks ? [] : plan.planting.guarded.flatMap(({ path }) => bind(path, false))),
    ...plan.steps.filter(({ kind }) => kind === 'remount-read-only').flatMap(render),
    ...Object.entries(isSpare ? {} : plan.env).flatMap(([name, value]) => ['--setenv', name, value]),
    ...['--chdir', plan.cwd, '--seccomp', filter],
    ...['--json-status-fd', String(REPORT), '--block-fd', String(GATE)],
  ];
  descriptors[ARGUMENTS - 3] = dataDescriptor(Buffer.from(options.map((option) => `${option}\0`).join('')));
  const limiter =
    machine.setLimit === undefined && prlimit !== undefined
      ? [
          prlimit,
          ...processLimitsFor(plan, machine).map(({ name, soft, hard }) => `--${name}=${soft}:${hard}`),
          '--',
        ]
      : [];
  const own = native === undefined ? undefined : at({ kind: 'open', descriptor: native.descriptor });
  const held = own === undefined ? [] : holdCommand(own, at({ kind: 'hold' }));
  const [file = '', ...args] = [
    ...(own === undefined || entrances === undefined ? [] : enterCommand(own, entrances)),
    ...systemdScope(plan, machine),
    ...entering,
    ...[program.file, '--args', String(ARGUMENTS), '--'],
    ...[...limiter, ...held, ...(isSpare ? [] : [plan.program.file, ...plan.program.args])],
  ];
  return {
    file,
    args,
    env: machine.cgroups?.kind === 'systemd' ? machine.cgroups.env : {},
    cwd: '/',
    descriptors,
  };
}

/** Throws for a plan that mounts something below a folder that the server may write. */
function refuseMountsBelowWritable(plan: Plan): void {
  const [path] = mountsBelowWritable(plan);
  if (path === undefined) return;
  throw new WarderError(
    'sandbox-unavailable',
    `cannot start "${plan.profile}": "${path}" is below a folder that it may write, and this bubblewrap cannot mount it there safely`,
    { hint: `${UPGRADE}; or take the line out: what is below the folder can be read and written anyway` },
  );
}

/** The command that starts a program in a network. The program joins only the network namespace and the user namespace that owns it. */
function nsenterCommand(
  { profile }: Plan,
  { nsenter }: Machine,
  { pauseProcess }: Pick<Network, 'pauseProcess'>,
): string[] {
  if (nsenter === undefined) {
    throw new WarderError('sandbox-unavailable', `cannot start "${profile}": nsenter is missing`, {
      hint: 'install it: sudo apt install util-linux',
    });
  }
  return [nsenter, '--target', String(pauseProcess.pid), '--user', '--net', '--preserve-credentials', '--'];
}

/** The command that runs the rest in a new systemd scope with its own control group. */
function systemdScope({ limits }: Plan, { cgroups }: Machine): string[] {
  if (cgroups?.kind !== 'systemd') return [];
  const properties = {
    MemoryMax: limits.memory.max,
    MemorySwapMax: 0,
    TasksMax: limits.processes.max,
  };
  return [
    ...cgroups.command,
    ...Object.entries(properties).map(([name, value]) => `--property=${name}=${value}`),
    '--',
  ];
}

function missingBubblewrap(plan: Plan, program: Machine['bubblewrap']): WarderError {
  const what =
    program === undefined
      ? 'bubblewrap is missing'
      : `bubblewrap ${program.version} is too old: it does not know ${program.missing.join(', ')}`;
  return new WarderError('sandbox-unavailable', `cannot start "${plan.profile}": ${what}`, {
    hint: `${program === undefined ? 'install' : 'upgrade'} it: sudo apt install bubblewrap (or dnf, pacman, zypper, apk)`,
  });
}
