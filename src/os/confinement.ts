// What keeps a process from doing what its user may: namespaces, no_new_privs(2) with what follows of it, and labels of a
// security module. As /proc/PID/{ns,status,attr} show it.
import { readFileSync, readlinkSync } from 'node:fs';

/** Mounts and the network say nothing of who may be sent a signal. */
const NAMESPACES = ['pid', 'user'];
/** proc_pid_status(5). Landlock and a seccomp filter of an ordinary user need NoNewPrivs. */
const LINES = /^(?:NoNewPrivs|Seccomp|Seccomp_filters):.*$/gm;

/** All of it as one text, which is equal for processes that are confined alike; undefined where it cannot be known. */
export function confinementOf(pid: number): string | undefined {
  try {
    const namespaces = NAMESPACES.map((name) => readlinkSync(`/proc/${pid}/ns/${name}`));
    const lines = readFileSync(`/proc/${pid}/status`, 'latin1').match(LINES) ?? [];
    return [...namespaces, ...lines, labelOf(pid)].join('\n');
  } catch {
    return undefined;
  }
}

/** The label that a security module gives; empty where there is none. */
function labelOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/attr/current`, 'latin1');
  } catch {
    return '';
  }
}
