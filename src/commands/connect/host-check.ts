// Asks a host's own command whether it starts a server. What it prints is reduced to a state and never shown: some print the
// variables of servers, with their secrets. For a user's file it is asked in the home folder, because hosts that list
// servers also start those of the folder they are in.
import { spawn } from 'node:child_process';
import { stripVTControlCharacters } from 'node:util';
import type { FoundFile } from '../../host/find.ts';
import { homeFolder } from '../../os/home.ts';

/**
 * What a host says of a server. `listed`: it has it, and says nothing of starting it. `asks`: it wants a person's approval
 * first. `off`: it has it, and does not start it. `unlisted`: it does not have it. `silent`: no answer in time.
 */
export type HostState = 'started' | 'failed' | 'listed' | 'asks' | 'off' | 'unlisted' | 'silent';

export interface HostSays {
  /** The command that was run, as a person would type it. */
  readonly command: string;
  readonly state: HostState;
}

/** Milliseconds for a host's own command. It starts the server, behind the others of that host. */
const PATIENCE = 45_000;
/** The most output that is read, in characters. */
const MAX_OUTPUT = 1_000_000;

/** Asks a host of a server that `launch` starts, a command and its arguments. Undefined: it has no such command, or the command is not installed. */
export async function askHost(
  { host, file }: Pick<FoundFile, 'host' | 'file'>,
  name: string,
  launch: readonly string[],
  { patience = PATIENCE, env = process.env }: { patience?: number; env?: NodeJS.ProcessEnv } = {},
): Promise<HostSays | undefined> {
  if (host.check === undefined) return undefined;
  const { starts, command: asked } = host.check;
  // In a project it would start what others have written.
  if (file.scope === 'project' && starts && !asked.includes('{name}')) return undefined;
  const words = asked.map((word) => (word === '{name}' ? name : word));
  const cwd = file.scope === 'project' ? process.cwd() : homeFolder(env);
  const output = await outputOf(words, { cwd, patience, env });
  if (output === undefined) return undefined;
  const command = words.join(' ');
  return { command, state: output === 'late' ? 'silent' : stateOf(output.text, name, launch) };
}

/** The state that a text tells of a server. Pure. */
export function stateOf(text: string, name: string, launch: readonly string[]): HostState {
  const lines = stripVTControlCharacters(text)
    .split('\n')
    .map((line) => line.replace(/^[\s●○│┌└•*✓✔✗✘×]*/u, (marks) => (/[✗✘×]/u.test(marks) ? '✗ ' : '')));
  const at = lines.findIndex((line) => isOf(line.replace(/^✗ /, ''), name));
  if (at < 0) return 'unlisted';
  const [command = '', ...args] = launch;
  const own = [name, command, args.join(' ')].reduce((line, word) => line.replace(word, ''), lines[at] ?? '');
  // Claude Code tells it on a line of its own below the name.
  const status = lines.slice(at + 1, at + 4).find((line) => line.startsWith('Status:')) ?? '';
  const said = `${own} ${status}`;
  if (/pending approval|needs approval/i.test(said)) return 'asks';
  if (/\b(?:disabled|rejected|blocked|untrusted)\b/i.test(said)) return 'off';
  if (/✗|✘|\b(?:disconnected|failed|not connected|error)\b/i.test(said)) return 'failed';
  return /\bconnected\b/i.test(said) ? 'started' : 'listed';
}

/** Whether a line is about a server: it begins with its name. */
function isOf(line: string, name: string): boolean {
  return line.startsWith(name) && /^(?:[:\s]|$)/.test(line.slice(name.length));
}

/** A state in words, with what to do about it. */
export function inWords(state: HostState, title: string, command: string): string {
  const words: Readonly<Record<HostState, string>> = {
    started: `${title} starts it`,
    failed: `${title} cannot start it: "warder test" tells more, and so does "${command}"`,
    listed: `${title} has it, and starts it with its next session`,
    asks: `${title} has it, and asks you before it starts it`,
    off: `${title} has it, and does not start it: it is switched off, or ${title} does not trust the folder`,
    unlisted: `${title} does not list it: see "${command}"`,
    silent: `"${command}" did not answer in time`,
  };
  return words[state];
}

/** What a program prints, in a process group of its own, all of which is ended. Undefined: it cannot be started. */
function outputOf(
  [program = '', ...args]: readonly string[],
  { cwd, patience, env }: { cwd: string; patience: number; env: NodeJS.ProcessEnv },
): Promise<{ readonly text: string } | 'late' | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd,
      env: { ...env, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: process.platform !== 'win32',
    });
    let text = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (part: Buffer) => {
        if (text.length < MAX_OUTPUT) text += part.toString();
      });
    const end = (): void => {
      try {
        if (child.pid !== undefined)
          process.kill(process.platform === 'win32' ? child.pid : -child.pid, 'SIGKILL');
      } catch {
        // All of it has ended.
      }
    };
    const late = setTimeout(() => {
      end();
      resolve('late');
    }, patience);
    child.on('error', () => {
      clearTimeout(late);
      resolve(undefined);
    });
    // What it leaves behind would keep the pipes open.
    child.on('exit', end);
    child.on('close', () => {
      clearTimeout(late);
      resolve({ text });
    });
  });
}
