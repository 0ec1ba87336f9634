// Renders a plan for macOS: a profile in Seatbelt's language, for /usr/bin/sandbox-exec. Everything is denied that is not
// allowed here. The last rule that matches a path decides, so the rules keep the plan's order: a folder before its
// contents. The only network is one port of the machine's loopback, the egress proxy's, if the plan lists hosts: macOS
// has no separate loopback for a sandbox. The private folders are on the disk (`PlanInputs.privateFolders`).
//
// Written after Apple's own profiles in /System/Library/Sandbox/Profiles. Not yet run on a Mac.
import type { Launch } from '../launch.ts';
import type { Plan, Step } from '../plan/plan.ts';

const SANDBOX_EXEC = '/usr/bin/sandbox-exec';

/** What every program reads: the system, certificates, time zones and the loader's cache. No keys, no accounts. */
const SYSTEM = [
  '/usr',
  '/bin',
  '/sbin',
  '/System',
  '/Library/Apple',
  '/Library/Developer/CommandLineTools',
  '/private/etc/ssl',
  '/private/var/db/dyld',
  '/private/var/db/timezone',
];
const SYSTEM_FILES = [
  '/',
  '/private/etc/hosts',
  '/private/etc/localtime',
  '/private/etc/protocols',
  '/private/etc/services',
];
const DEVICES = ['/dev/null', '/dev/zero', '/dev/random', '/dev/urandom', '/dev/tty'];

/** The service that looks up user names and home folders. */
const SERVICES = ['com.apple.system.opendirectoryd.libinfo'];

/** Renders a plan. The launch has the server's environment. `proxyPort` is as in `seatbeltProfile`. */
export function renderSeatbelt(plan: Plan, proxyPort?: number): Launch {
  const { file, args } = plan.program;
  return {
    file: SANDBOX_EXEC,
    args: ['-p', seatbeltProfile(plan, proxyPort), '--', file, ...args],
    env: plan.env,
    cwd: plan.cwd,
    descriptors: [],
  };
}

/** The profile's text. `proxyPort` is the only port that the server may connect to, on the machine's loopback. */
export function seatbeltProfile(plan: Plan, proxyPort?: number): string {
  const rules = plan.steps.flatMap(rulesOf);
  return [
    '(version 1)',
    '(deny default)',
    '(allow process-fork)',
    '(allow signal (target same-sandbox))',
    '(allow sysctl-read)',
    '(allow ipc-posix-sem)',
    '(deny network*)',
    ...(proxyPort === undefined ? [] : [`(allow network-outbound (remote ip "localhost:${proxyPort}"))`]),
    ...SERVICES.map((name) => `(allow mach-lookup (global-name ${quoted(name)}))`),
    ...SYSTEM.map((path) => `(allow file-read* process-exec (subpath ${quoted(path)}))`),
    ...SYSTEM_FILES.map((path) => `(allow file-read* (literal ${quoted(path)}))`),
    ...DEVICES.map((path) => `(allow file-read* file-write-data file-ioctl (literal ${quoted(path)}))`),
    ...ancestorsOf(plan).map((path) => `(allow file-read-metadata (literal ${quoted(path)}))`),
    ...rules,
    '',
  ].join('\n');
}

function rulesOf(step: Step): string[] {
  switch (step.kind) {
    case 'bind': {
      const rights = step.write ? 'file-read* file-write* process-exec' : 'file-read* process-exec';
      return [
        // Takes back the permission to write that a folder above may have given.
        ...(step.write ? [] : [`(deny file-write* ${matching(step.path, step.folder)})`]),
        `(allow ${rights} ${matching(step.path, step.folder)})`,
      ];
    }
    case 'hide':
      return [`(deny file* process-exec ${matching(step.at, step.folder)})`];
    default:
      // The fixed rules cover the system. Other systems generate these files; here the machine's own are used.
      return [];
  }
}

function matching(path: string, folder: boolean): string {
  return `(${folder ? 'subpath' : 'literal'} ${quoted(path)})`;
}

/** All folders above the plan's paths: looking up a path needs their metadata. */
function ancestorsOf(plan: Plan): string[] {
  const above = new Set<string>();
  for (const step of plan.steps) {
    if (step.kind !== 'bind') continue;
    for (let end = step.path.lastIndexOf('/'); end > 0; end = step.path.lastIndexOf('/', end - 1)) {
      above.add(step.path.slice(0, end));
    }
  }
  return [...above].sort();
}

/** A string literal in the profile's language, which is Scheme. */
function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}
