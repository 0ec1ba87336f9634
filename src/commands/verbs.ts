// The verbs of the command line, in the order of the help. A verb's file is loaded only when the verb is used.
import type { Argv, CommandModule } from 'yargs';
import type { Context } from './command.ts';

/** A verb: a one-line summary, and a function that loads and registers it. */
export interface Verb {
  readonly summary: string;
  /** What its first argument is completed with. */
  readonly completes: Completable | undefined;
  register(program: Argv, context: Context): Promise<void>;
}

/** `profile below`: of a verb of its own, such as `policy test`. `remote profile`: one with a remote server. */
export type Completable =
  | 'profile'
  | 'profile below'
  | 'remote profile'
  | 'credential'
  | 'host'
  | 'server of a host';

function verb<Arguments>(
  summary: string,
  load: () => Promise<(context: Context) => CommandModule<object, Arguments>>,
  names?: Completable,
): Verb {
  return {
    summary,
    completes: names,
    async register(program, context) {
      program.command({ ...(await load())(context), describe: summary, aliases: otherNames(this) });
    },
  };
}

/** Other names of verbs, as of the programs that people know. */
const ALIASES: Readonly<Record<string, string>> = { ls: 'list', rm: 'remove' };

/** The name of the verb that a word means: the word itself, unless it is another name of one. */
export function verbNamed(word: string): string {
  return Object.hasOwn(ALIASES, word) ? (ALIASES[word] ?? word) : word;
}

/** The other names of a verb. */
export function otherNames(verb: Verb): string[] {
  return Object.keys(ALIASES).filter((alias) => verbs[verbNamed(alias)] === verb);
}

export const verbs: Readonly<Record<string, Verb>> = {
  init: verb('choose where credentials are kept', async () => (await import('./init.ts')).initCommand),
  run: verb(
    "run a profile's server: what a host starts",
    async () => (await import('./run.ts')).runCommand,
    'profile',
  ),
  add: verb('write a profile for a server', async () => (await import('./add.ts')).addCommand),
  list: verb('list the profiles', async () => (await import('./list.ts')).listCommand),
  show: verb(
    'print a profile with its defaults',
    async () => (await import('./show.ts')).showCommand,
    'profile',
  ),
  check: verb(
    'check profiles, and show what servers see and reach',
    async () => (await import('./check.ts')).checkCommand,
    'profile',
  ),
  test: verb(
    'start a server once, and show what it was refused',
    async () => (await import('./test.ts')).testCommand,
    'profile',
  ),
  logs: verb(
    'print what a server has written to standard error, and what it was refused',
    async () => (await import('./logs.ts')).logsCommand,
    'profile',
  ),
  allow: verb('let a server reach a host', async () => (await import('./allow.ts')).allowCommand, 'profile'),
  login: verb('sign in to a remote server', async () => (await import('./login.ts')).loginCommand, 'profile'),
  logout: verb(
    'sign out of a remote server',
    async () => (await import('./logout.ts')).logoutCommand,
    'remote profile',
  ),
  edit: verb(
    'change a profile in your editor',
    async () => (await import('./edit.ts')).editCommand,
    'profile',
  ),
  remove: verb('remove a profile', async () => (await import('./remove.ts')).removeCommand, 'profile'),
  import: verb(
    'move the servers of hosts behind Warder, and their secrets into the store',
    async () => (await import('./import.ts')).importCommand,
    'host',
  ),
  hosts: verb(
    'show the hosts on this machine, and which of their servers go through Warder',
    async () => (await import('./hosts.ts')).hostsCommand,
    'profile below',
  ),
  connect: verb(
    'put a profile into the configuration of a host',
    async () => (await import('./connect.ts')).connectCommand,
    'profile',
  ),
  disconnect: verb(
    'take a profile out of the configuration of hosts',
    async () => (await import('./disconnect.ts')).disconnectCommand,
    'profile',
  ),
  undo: verb("undo a change of a host's configuration", async () => (await import('./undo.ts')).undoCommand),
  approvals: verb(
    'show the questions that wait for you, and answer them',
    async () => (await import('./approvals.ts')).approvalsCommand,
  ),
  approve: verb('say yes to a question', async () => (await import('./approve.ts')).approveCommand),
  deny: verb('say no to a question', async () => (await import('./approve.ts')).denyCommand),
  grants: verb(
    'list what you have allowed for more than one call',
    async () => (await import('./grants.ts')).grantsCommand,
  ),
  trust: verb(
    'show what you have accepted of a server, and accept what has changed',
    async () => (await import('./trust.ts')).trustCommand,
    'profile below',
  ),
  pin: verb('set the PIN for answers that hold for good', async () => (await import('./pin.ts')).pinCommand),
  policy: verb(
    'explain what a profile says of calls, and change it',
    async () => (await import('./policy.ts')).policyCommand,
    'profile below',
  ),
  package: verb(
    'pin, verify and update the packages of servers',
    async () => (await import('./package.ts')).packageCommand,
    'profile below',
  ),
  credential: verb(
    'set, rotate, list and remove credentials',
    async () => (await import('./credential.ts')).credentialCommand,
    'profile below',
  ),
  lock: verb('lock all credentials: none can be used', async () => (await import('./lock.ts')).lockCommand),
  unlock: verb('unlock all credentials', async () => (await import('./unlock.ts')).unlockCommand),
  revoke: verb(
    'take a credential out of use at once',
    async () => (await import('./revoke.ts')).revokeCommand,
    'credential',
  ),
  status: verb(
    'show the daemon, its store, its log and its sessions',
    async () => (await import('./status.ts')).statusCommand,
  ),
  end: verb('end one session', async () => (await import('./end.ts')).endCommand),
  stop: verb('end all sessions and the daemon', async () => (await import('./stop.ts')).stopCommand),
  daemon: verb('start, stop and install the daemon', async () => (await import('./daemon.ts')).daemonCommand),
  audit: verb(
    'list, follow, show, verify and export the audit log',
    async () => (await import('./audit.ts')).auditCommand,
  ),
  doctor: verb(
    'check the installation, and tell how to fix problems',
    async () => (await import('./doctor.ts')).doctorCommand,
  ),
  completion: verb(
    'print a script that completes commands in bash, zsh or fish',
    async () => (await import('./completion.ts')).completionCommand,
  ),
};
