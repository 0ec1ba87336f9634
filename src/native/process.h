// Processes, as /proc shows them (proc(5)).
#ifndef WARDER_PROCESS_H
#define WARDER_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

/** A process, as a pid together with its start time, in clock ticks since boot, names it for good. */
struct process {
  pid_t pid;
  pid_t parent;
  pid_t group;
  pid_t session;
  unsigned long long started;
  bool zombie;
  /** It belongs to a server, or did when it was last seen. */
  bool owned;
};

/** Opens /proc/PID/NAME; -1 where there is none, or where it is another user's. */
int open_process_file(pid_t pid, const char *name);

/** Reads a process from /proc/PID/stat. False where there is none. */
bool read_process(pid_t pid, struct process *process);

#endif
