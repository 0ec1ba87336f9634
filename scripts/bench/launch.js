// What the launch command costs: the same program called directly, and through the shell of the launch command. The
// program does nothing, so that the difference is the shell's alone.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { duration, median, table } from './table.js';

const root = join(import.meta.dirname, '../..');

/** Measures in turns, in `folder`; returns a part of a report. */
export function launchPart(folder, rounds) {
  const file = join(folder, 'launch');
  const program = join(root, 'bin/warder.js');
  const text = readFileSync(join(root, 'bin/launch.sh'), 'utf8')
    .replace("\nnode=''\n", "\nnode='/bin/true'\n")
    .replace("\nprogram=''\n", `\nprogram='${program}'\n`);
  writeFileSync(file, text, { mode: 0o700 });
  const commands = { direct: ['/bin/true', program, 'run', 'x'], launch: [file, 'run', 'x'] };
  const taken = { direct: [], launch: [] };
  for (let round = 0; round < rounds; round++) {
    for (const [how, [command, ...args]] of Object.entries(commands)) {
      const began = performance.now();
      spawnSync(command, args, { stdio: 'ignore' });
      taken[how].push(performance.now() - began);
    }
  }
  const [direct, launch] = [median(taken.direct), median(taken.launch)];
  return `## Launch command

${table([
  ['a program that does nothing', 'median'],
  ['called directly', duration(direct)],
  ['through the launch command', duration(launch)],
  ['added', duration(launch - direct)],
])}
`;
}
