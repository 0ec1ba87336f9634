// Runs a host for one turn with the scripted model, in a process group of its own, and ends all of it.
import { spawn } from 'node:child_process';

/** Milliseconds for one turn, the fetching of servers included. */
const TIMEOUT = 180_000;

/**
 * Runs a program in its own process group. Returns its end and its output.
 * @param {string[]} command
 * @param {{env: Record<string, string>, cwd: string, timeout?: number}} options
 */
async function runProgram([program, ...args], { env, cwd, timeout = TIMEOUT }) {
  const child = spawn(program, args, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  const timer = setTimeout(() => endGroup(child), timeout);
  const code = await new Promise((resolve) => {
    child.on('close', resolve);
    child.on('error', () => resolve(null));
  });
  clearTimeout(timer);
  endGroup(child);
  return { code, output };
}

/** Kills what is left of a child's process group. */
export function endGroup({ pid }) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // All of it has ended.
  }
}

/** A turn: what the host offers the model, and what the calls give. Throws if the host fails, with its last words. */
export async function runTurn({ program, wrap = [], env, project, model, calls }, args, own) {
  const turn = model.begin(calls);
  const { code, output } = await runProgram([...wrap, program, ...args], {
    env: { ...env, ...own },
    cwd: project,
  });
  if (code !== 0) throw new Error(`the host ended with ${code}: ${output.trim().slice(-300)}`);
  return { ...turn, output };
}
