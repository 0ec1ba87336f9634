// Renders a plan for macOS: a profile in the language of Seatbelt, for /usr/bin/sandbox-exec. Everything is
// denied that is not allowed here; of the rules that match a path the last one counts, so the plan's order (a
// folder before what lies in it) is the rules' order. There is no network but one port of the machine's loopback, the
// egress proxy's, where a plan lists hosts: macOS has no loopback of a sandbox' own. The private folders lie on the disk (`Facts.own`).
//
// Written from Apple's own profiles in /System/Library/Sandbox/Profiles. Not yet run on a Mac.
import type { Launch } from '../launch.ts';
import type { Plan, Step } from '../plan/plan.ts';

const SANDBOX_EXEC = '/usr/bin/sandbox-exec';

/** What every program reads: the system, its certificates, time zones and the loader's cache. No key, no account. */
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

/** Without this nobody's name and home folder can be looked up. */
const SERVICES = ['com.apple.system.opendirectoryd.libinfo'];

/** What to start, for a plan. The server's environment is the launch's. `proxyPort` as in `seatbeltProfile`. */
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

/** The profile's text. `proxyPort`: the only port that may be connected to, on the machine's loopback. */
export function seatbeltProfile(plan: Plan, proxyPort?: number): string {
  const allowed = plan.steps.flatMap(rulesOf);
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
    ...allowed,
    '',
  ].join('\n');
}

function rulesOf(step: Step): string[] {
  switch (step.kind) {
    case 'bind': {
      const rights = step.write ? 'file-read* file-write* process-exec' : 'file-read* process-exec';
      return [
        // What a folder above may be written to by is taken back where this one is only read.
        ...(step.write ? [] : [`(deny file-write* ${matching(step.path, step.folder)})`]),
        `(allow ${rights} ${matching(step.path, step.folder)})`,
      ];
    }
    case 'hide':
      return [`(deny file* process-exec ${matching(step.at, step.folder)})`];
    default:
      // The system's own places are the fixed rules; what is made afresh elsewhere is the machine's here.
      return [];
  }
}

function matching(path: string, folder: boolean): string {
  return `(${folder ? 'subpath' : 'literal'} ${quoted(path)})`;
}

/** The folders above all that is there: a path is looked up from the root on. */
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

/** A string of the language, which is Scheme's. */
function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}
