#include "process.h"

#ifdef __linux__

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "text.h"

int open_process_file(pid_t pid, const char *name) {
  char path[64];
  struct buffer text = {path, 0, sizeof path, false};
  append_string(&text, "/proc/");
  append_number(&text, (unsigned long long)pid);
  append_string(&text, "/");
  append_string(&text, name);
  return finish(&text) == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
}

bool read_process(pid_t pid, struct process *process) {
  char text[2048];
  const int file = open_process_file(pid, "stat");
  if (file < 0) return false;
  const ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 0) return false;
  text[length] = '\0';
  // The name in the second field may have spaces and parentheses: the fields are counted from the last ")".
  char *at = strrchr(text, ')');
  if (at == NULL || at[1] != ' ') return false;
  *process = (struct process){.pid = pid, .zombie = at[2] == 'Z' || at[2] == 'X'};
  for (int field = 3; (at = strchr(at, ' ')) != NULL; field++) {
    at++;
    if (field == 4) process->parent = (pid_t)strtol(at, NULL, 10);
    else if (field == 5) process->group = (pid_t)strtol(at, NULL, 10);
    else if (field == 6) process->session = (pid_t)strtol(at, NULL, 10);
    else if (field == 22) {
      process->started = strtoull(at, NULL, 10);
      return true;
    }
  }
  return false;
}

#endif
