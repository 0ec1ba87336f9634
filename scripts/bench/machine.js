// The machine that is measured on: what it is, whether it has other work, and the memory of its processes.
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

export function describeMachine() {
  const [{ model }] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${model.trim()}, ${cpus().length} cores, ${memory} GiB, Linux ${release()}, Node ${process.version}`;
}

/** The machine has other work from this share of its cores on. */
export const BUSY = 0.1;

/** The share of the cores that has worked for a second in which this program does nothing. */
async function busyShare() {
  const read = () => readFileSync('/proc/stat', 'utf8').split('\n', 1)[0].split(/\s+/).slice(1).map(Number);
  const before = read();
  await sleep(1000);
  const spent = read().map((ticks, at) => ticks - before[at]);
  const all = spent.slice(0, 8).reduce((sum, ticks) => sum + ticks, 0);
  return (all - spent[3] - spent[4]) / all;
}

/** Waits up to `most` milliseconds for a machine without other work. Returns the share that others took at last, and the load. */
export async function waitForQuiet(most) {
  let busy = await busyShare();
  for (const end = performance.now() + most; busy > BUSY && performance.now() < end; )
    busy = await busyShare();
  return { busy, load: loadavg()[0] };
}

function field(file, name) {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(file, 'utf8'));
  if (found === null) throw new Error(`${file} has no ${name}`);
  return Number(found[1]) * 1024;
}

/** Bytes that a process has resident. */
export const resident = (pid) => field(`/proc/${pid}/status`, 'VmRSS');

/** Bytes of a process in proportion: a page that several have counts in parts. */
export const proportional = (pid) => field(`/proc/${pid}/smaps_rollup`, 'Pss');

/** The most that a process has had resident since `resetPeak`, in bytes. */
export const peakResident = (pid) => field(`/proc/${pid}/status`, 'VmHWM');
export const resetPeak = (pid) => writeFileSync(`/proc/${pid}/clear_refs`, '5');

export const openDescriptors = (pid) => readdirSync(`/proc/${pid}/fd`).length;

/** The processes below one, itself first, as pids. */
export function processTree(pid) {
  const children = new Map();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const parent = Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${name}/status`, 'utf8'))[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // It has ended meanwhile.
    }
  }
  const all = [pid];
  for (const each of all) all.push(...(children.get(each) ?? []));
  return all;
}

/** Bytes in proportion of a tree, without the processes that run `except`. */
export function treeMemory(pid, except) {
  return processTree(pid)
    .filter((each) => programOf(each) !== except)
    .reduce((sum, each) => sum + proportional(each), 0);
}

function programOf(pid) {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return undefined;
  }
}
