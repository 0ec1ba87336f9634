#include "orphans.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "process.h"
#include "system.h"

/** How long a server has between SIGTERM and SIGKILL, in milliseconds. */
#define GRACE_PERIOD 2000
#define MAX_SERVERS 256
#define MAX_MARKER 512

/** What the daemon says of a server. `pid` is 0, `marker` empty where it says nothing of them. */
struct server {
  pid_t pid;
  unsigned long long started;
  /** `NAME=value`, in the environment of its processes and no others. */
  char marker[MAX_MARKER];
};

static struct server servers[MAX_SERVERS];
static size_t server_count;

bool add_server(struct text payload) {
  if (!json_is_valid(payload)) return false;
  const struct json_value value = json_value_of(payload);
  const struct json_value marker = json_member(value, "marker");
  // Of so many those that were first are the ones that have ended.
  if (server_count == MAX_SERVERS) memmove(servers, servers + 1, sizeof servers[0] * --server_count);
  struct server *server = &servers[server_count];
  unsigned long long pid;
  server->pid = json_whole_number(json_member(value, "pid"), &pid) && pid > 1 && pid < 1u << 31 ? (pid_t)pid : 0;
  if (!json_whole_number(json_member(value, "started"), &server->started)) server->started = 0;
  struct buffer text = {server->marker, 0, sizeof server->marker, false};
  if (marker.kind == JSON_STRING) json_decode(&text, marker.text);
  if (finish(&text) == NULL) server->marker[0] = '\0';
  server_count++;
  return true;
}

static void pause_for(long milliseconds) { nanosleep(&(struct timespec){.tv_nsec = milliseconds * 1000000L}, NULL); }

#ifdef __linux__

/** All processes that can be seen. Grows as needed: this is done once, at the end. */
struct table {
  struct process *processes;
  size_t count;
  size_t size;
};

static void add_process(struct table *table, const struct process *process) {
  if (table->count == table->size) {
    const size_t size = table->size == 0 ? 1024 : table->size * 2;
    struct process *more = realloc(table->processes, size * sizeof *more);
    if (more == NULL) return;
    table->processes = more;
    table->size = size;
  }
  table->processes[table->count++] = *process;
}

static void read_processes(struct table *table) {
  table->count = 0;
  DIR *folder = opendir("/proc");
  if (folder == NULL) return;
  for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    char *end;
    const long pid = strtol(entry->d_name, &end, 10);
    struct process process;
    if (*end == '\0' && pid > 0 && read_process((pid_t)pid, &process)) add_process(table, &process);
  }
  closedir(folder);
}

/** Whether a process was started with a variable, `NAME=value`. */
static bool has_entry(pid_t pid, const char *entry) {
  static char environment[1 << 16];
  const size_t length = strlen(entry) + 1;
  const int file = open_process_file(pid, "environ");
  if (length == 1 || file < 0) return false;
  // As if a NUL stood before the first, so that each entry stands between two.
  environment[0] = '\0';
  size_t filled = 1;
  bool found = false;
  ssize_t got;
  while (!found && (got = read(file, environment + filled, sizeof environment - filled)) > 0) {
    filled += (size_t)got;
    char needle[MAX_MARKER + 2] = "";
    memcpy(needle + 1, entry, length);
    found = memmem(environment, filled, needle, length + 1) != NULL;
    // What may be the beginning of one stays.
    const size_t rest = filled < length ? filled : length;
    memmove(environment, environment + filled - rest, rest);
    filled = rest;
  }
  close(file);
  return found;
}

static bool is_leader(const struct server *server, const struct process *process) {
  return server->pid != 0 && server->pid == process->pid && server->started == process->started;
}

/** Whether a process is a server's by its group, its session or its marker. `led`: servers whose leaders still are there. */
static bool belongs(const struct process *process, const bool *led) {
  for (size_t index = 0; index < server_count; index++) {
    const struct server *server = &servers[index];
    // The group of a leader that has ended may be another's by now.
    if (led[index] && (process->group == server->pid || process->session == server->pid)) return true;
    if (server->marker[0] != '\0' && process->started >= server->started && has_entry(process->pid, server->marker)) return true;
  }
  return false;
}

/** Reads all processes again, and marks those of the servers: what belongs to them, what was found before, and all below. */
static void find_servers(struct table *table, struct table *before) {
  read_processes(table);
  bool led[MAX_SERVERS] = {false};
  for (size_t index = 0; index < table->count; index++)
    for (size_t server = 0; server < server_count; server++)
      if (is_leader(&servers[server], &table->processes[index])) led[server] = true;
  for (size_t index = 0; index < table->count; index++) {
    struct process *process = &table->processes[index];
    for (size_t known = 0; known < before->count && !process->owned; known++) {
      const struct process *other = &before->processes[known];
      process->owned = other->owned && other->pid == process->pid && other->started == process->started;
    }
    process->owned = process->owned || belongs(process, led);
  }
  for (bool more = true; more;) {
    more = false;
    for (size_t index = 0; index < table->count; index++) {
      struct process *child = &table->processes[index];
      for (size_t other = 0; other < table->count && !child->owned; other++) {
        const struct process *parent = &table->processes[other];
        if (parent->owned && parent->pid == child->parent) child->owned = more = true;
      }
    }
  }
}

/** Sends a signal, or 0, to all processes of the servers. Returns whether any is left. */
static bool signal_all(int number) {
  static struct table tables[2];
  static int turn;
  struct table *table = &tables[turn];
  find_servers(table, &tables[!turn]);
  turn = !turn;
  bool left = false;
  for (size_t index = 0; index < table->count; index++) {
    const struct process *process = &table->processes[index];
    struct process present;
    if (!process->owned || process->zombie || process->pid == getpid()) continue;
    // This one, and not a later one with its pid.
    if (!read_process(process->pid, &present) || present.zombie || present.started != process->started) continue;
    left = true;
    if (number != 0) kill(process->pid, number);
  }
  return left;
}

#else

/** Where only the leader's pid is known. */
static bool signal_all(int number) {
  bool left = false;
  for (size_t index = 0; index < server_count; index++)
    if (servers[index].pid != 0 && kill(-servers[index].pid, number) == 0) left = true;
  return left;
}

#endif

void end_servers(void) {
  if (server_count == 0) return;
  signal_all(SIGTERM);
  const long long deadline = now() + GRACE_PERIOD;
  while (now() < deadline && signal_all(0)) pause_for(50);
  // A killed process starts no other; one that it started just before is found in the next round.
  while (now() < deadline + GRACE_PERIOD && signal_all(SIGKILL)) pause_for(10);
}
