// What the daemon says of its servers, and the processes that there are when it has died: only those of the servers get a
// signal, and all of them do, whatever the daemon has said and whatever the processes are.
#include "orphans.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"
#include "json.h"
#include "process.h"
#include "system.h"

#define MOST 48
#define LAUNCHER 7
/** How many of the servers that were announced are known at the end. */
#define KNOWN 256

/** A process, and what it does when it is asked to end. */
static struct {
  struct process process;
  char environment[1024];
  size_t length;
  bool stays;
  bool gone;
} all[MOST];
static size_t count;
static size_t shown;
static size_t opened;
static size_t offset;
static long long at;

/** What was announced, and is known. */
static struct {
  unsigned long long pid;
  unsigned long long started;
  char marker[512];
} servers[KNOWN];
static size_t server_count;

/** By the index of a process, whether it is a server's. */
static bool owned[MOST];

// The system

static struct dirent entry;

DIR *opendir(const char *name) {
  check(strcmp(name, "/proc") == 0, "only processes are looked at");
  shown = 0;
  return (DIR *)&entry;
}

struct dirent *readdir(DIR *folder) {
  (void)folder;
  while (shown > 1 && shown - 2 < count && all[shown - 2].gone) shown++;
  if (shown > 1 && shown - 2 >= count) return NULL;
  if (shown < 2) snprintf(entry.d_name, sizeof entry.d_name, "%s", shown == 0 ? ".." : "12x");
  else snprintf(entry.d_name, sizeof entry.d_name, "%d", all[shown - 2].process.pid);
  shown++;
  return &entry;
}

int closedir(DIR *folder) {
  (void)folder;
  return 0;
}

/** The first that is there with a pid, since there are no two; MOST if there is none. */
static size_t index_of(pid_t pid) {
  for (size_t index = 0; index < count; index++)
    if (!all[index].gone && all[index].process.pid == pid) return index;
  return MOST;
}

bool read_process(pid_t pid, struct process *process) {
  const size_t index = index_of(pid);
  if (index == MOST) return false;
  *process = all[index].process;
  return true;
}

int open_process_file(pid_t pid, const char *name) {
  check(strcmp(name, "environ") == 0, "only the environment is opened");
  opened = index_of(pid);
  offset = 0;
  return opened == MOST ? -1 : 100;
}

ssize_t read(int descriptor, void *to, size_t length) {
  check(descriptor == 100 && length > 0, "only the environment is read");
  // In pieces, so that a variable may lie in two.
  const size_t left = all[opened].length - offset;
  const size_t taken = left < length ? left : length;
  const size_t piece = taken < 100 ? taken : 100;
  memcpy(to, all[opened].environment + offset, piece);
  offset += piece;
  return (ssize_t)piece;
}

int close(int descriptor) {
  (void)descriptor;
  return 0;
}

pid_t getpid(void) { return LAUNCHER; }

int nanosleep(const struct timespec *time, struct timespec *left) {
  (void)left;
  at += time->tv_nsec / 1000000;
  return 0;
}

long long now(void) { return at; }

int kill(pid_t pid, int number) {
  check(pid > 1 && pid != LAUNCHER, "no signal goes to this process, or to a group");
  const size_t index = index_of(pid);
  check(index != MOST && owned[index], "no signal goes to a process that is no server's");
  check(number == SIGTERM || (number == SIGKILL && at >= 2000), "a server has two seconds before it is killed");
  if (number == SIGKILL || !all[index].stays) all[index].gone = true;
  return 0;
}

/** What the program has of memory: it gives none back before it ends, a run does. */
static struct {
  void *at;
  size_t size;
} blocks[8];

void *realloc(void *old, size_t size) {
  for (size_t index = 0; index < sizeof blocks / sizeof blocks[0]; index++) {
    if (blocks[index].at != old) continue;
    void *more = malloc(size);
    if (old != NULL) memcpy(more, old, blocks[index].size);
    free(old);
    blocks[index].at = more;
    blocks[index].size = size;
    return more;
  }
  check(false, "memory is not asked for without end");
  return NULL;
}

static void free_blocks(void) {
  for (size_t index = 0; index < sizeof blocks / sizeof blocks[0]; index++) {
    free(blocks[index].at);
    blocks[index].at = NULL;
  }
}

// Who is a server's: as SECURITY.md says

static bool has_variable(size_t index, const char *variable) {
  const size_t length = strlen(variable) + 1;
  for (size_t from = 0; from + length <= all[index].length; from += strlen(all[index].environment + from) + 1)
    if (memcmp(all[index].environment + from, variable, length) == 0) return true;
  return false;
}

static bool is_led(size_t server) {
  for (size_t index = 0; index < count; index++)
    if ((unsigned long long)all[index].process.pid == servers[server].pid && all[index].process.started == servers[server].started)
      return true;
  return false;
}

static void find_owned(void) {
  for (size_t index = 0; index < count; index++) {
    const struct process *process = &all[index].process;
    owned[index] = false;
    for (size_t server = 0; server < server_count; server++) {
      const unsigned long long pid = servers[server].pid;
      const bool is_in = (unsigned long long)process->group == pid || (unsigned long long)process->session == pid;
      if (pid != 0 && is_in && is_led(server)) owned[index] = true;
      const char *marker = servers[server].marker;
      if (marker[0] != '\0' && process->started >= servers[server].started && has_variable(index, marker)) owned[index] = true;
    }
  }
  for (size_t round = 0; round < count; round++)
    for (size_t index = 0; index < count; index++)
      for (size_t above = 0; above < count; above++)
        if (owned[above] && all[above].process.pid == all[index].process.parent) owned[index] = true;
}

/** Announces a server: JSON of the script's numbers, or whatever bytes there are. */
static void announce(struct script *script) {
  static char json[2048];
  struct buffer text = {json, 0, sizeof json, false};
  const uint8_t form = next_byte(script);
  if ((form & 1) != 0) {
    const struct script bytes = next_bytes(script, next_byte(script));
    add_server((struct text){(const char *)bytes.at, bytes.left});
    // What the text says is known: it has been read by nothing else.
    if (!json_is_valid((struct text){(const char *)bytes.at, bytes.left})) return;
    text.length = 0;
    append(&text, (const char *)bytes.at, bytes.left);
  } else {
    append_string(&text, "{\"pid\":");
    append_number(&text, next_byte(script) % 32);
    append_string(&text, ",\"started\":");
    append_number(&text, next_byte(script) % 8);
    if ((form & 2) != 0) append_string(&text, form & 4 ? ",\"marker\":\"WARDER_A=\\u0031\"" : ",\"marker\":\"WARDER_B=2\"");
    append_string(&text, "}");
    check(add_server((struct text){json, text.length}), "what is JSON is taken");
  }
  const struct json_value value = json_value_of((struct text){json, text.length});
  if (server_count == KNOWN) memmove(servers, servers + 1, sizeof servers[0] * --server_count);
  unsigned long long number;
  const bool is_pid = json_whole_number(json_member(value, "pid"), &number) && number > 1 && number < 1u << 31;
  servers[server_count].pid = is_pid ? number : 0;
  servers[server_count].started = json_whole_number(json_member(value, "started"), &number) ? number : 0;
  struct buffer marker = {servers[server_count].marker, 0, sizeof servers[0].marker, false};
  if (json_member(value, "marker").kind == JSON_STRING) json_decode(&marker, json_member(value, "marker").text);
  if (finish(&marker) == NULL) servers[server_count].marker[0] = '\0';
  server_count++;
}

static void add_process(struct script *script) {
  const pid_t pid = 2 + next_byte(script) % 32;
  if (count == MOST || index_of(pid) != MOST) return;
  const uint8_t form = next_byte(script);
  all[count].process = (struct process){
      .pid = pid,
      .parent = next_byte(script) % 32,
      .group = next_byte(script) % 32,
      .session = next_byte(script) % 32,
      .started = next_byte(script) % 8,
      .zombie = (form & 1) != 0,
  };
  all[count].stays = (form & 2) != 0;
  all[count].gone = false;
  struct buffer text = {all[count].environment, 0, sizeof all[0].environment, false};
  const struct script bytes = next_bytes(script, next_byte(script));
  append(&text, (const char *)bytes.at, bytes.left);
  append(&text, "", 1);
  if ((form & 4) != 0) append(&text, "WARDER_A=1", sizeof "WARDER_A=1");
  if ((form & 8) != 0) append(&text, "WARDER_B=2x", sizeof "WARDER_B=2x");
  if ((form & 16) != 0) append(&text, "WARDER_B=2", sizeof "WARDER_B=2");
  all[count].length = text.length;
  count++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  restart();
  free_blocks();
  struct script script = {data, size};
  count = server_count = 0;
  at = 0;
  while (script.left > 0) {
    const uint8_t what = next_byte(&script);
    if ((what & 1) != 0) add_process(&script);
    else if ((what & 0xfe) == 0xfe) for (size_t more = 0; more < KNOWN; more++) announce(&script);
    else announce(&script);
  }
  find_owned();
  end_servers();
  check(at < 5000, "it takes no longer than it may");
  for (size_t index = 0; index < count; index++) {
    const struct process *process = &all[index].process;
    check(!owned[index] || all[index].gone || process->zombie || process->pid == LAUNCHER, "no process of a server is left");
  }
  return 0;
}
