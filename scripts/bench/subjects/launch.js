// What a launch command itself costs: the native launcher, which is what stands there, and the script where none was built.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nativeProgram } from '../../../test/fixtures/launchers.ts';
import { duration, spreads } from '../figures.js';
import { inTurns } from '../turns.js';

export const name = 'launch';
export const title = 'Launch command';
export const about = `The launch command before it does anything: the native launcher, and the script that stands there without one, with a program
that does nothing in the place of Node.`;

const root = join(import.meta.dirname, '../../..');
const TITLES = {
  direct: 'a program that does nothing, called directly',
  native: 'the native launcher, asked for its version',
  script: 'that program through the script',
};

export async function measure(bench) {
  const file = join(bench.folder, 'launch');
  const program = join(root, 'bin/warder.js');
  const text = readFileSync(join(root, 'bin/launch.sh'), 'utf8')
    .replace("\nnode=''\n", "\nnode='/bin/true'\n")
    .replace("\nprogram=''\n", `\nprogram='${program}'\n`);
  writeFileSync(file, text, { mode: 0o700 });
  const timed = (command, ...args) => {
    const began = performance.now();
    spawnSync(command, args, { stdio: 'ignore' });
    return performance.now() - began;
  };
  return spreads(
    await inTurns(bench.samples(500), {
      direct: () => timed('/bin/true', program, 'run', 'x'),
      native: () => timed(nativeProgram(), '--warder-native'),
      script: () => timed(file, 'run', 'x'),
    }),
  );
}

export const targets = () => [];

export function rows(figures) {
  return [
    ['', 'median', 'added'],
    ...Object.entries(TITLES).map(([way, title]) => [
      title,
      duration(figures[way].median),
      way === 'direct' ? '' : duration(figures[way].median - figures.direct.median),
    ]),
  ];
}

export const plots = () => [];
