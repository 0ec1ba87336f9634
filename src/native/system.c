#include "system.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
#else
#include <mach-o/dyld.h>
#include <sys/ptrace.h>
#endif

extern char **environ;

static void set_flags(int descriptor) {
  fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK);
}

void close_on_exec(void) {
#ifdef __linux__
  // close_range(2) with CLOSE_RANGE_CLOEXEC, of Linux 5.11.
  if (syscall(SYS_close_range, 3u, ~0u, 4u) == 0) return;
#endif
  struct rlimit limit;
  const int end = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 1 << 20 ? (int)limit.rlim_cur : 1 << 20;
  for (int descriptor = 3; descriptor < end; descriptor++) fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

void seal_process(void) {
  for (char **entry = environ; *entry != NULL; entry++) {
    volatile char *at = *entry;
    while (*at != '\0') *at++ = '\0';
  }
  environ[0] = NULL;
  setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
#ifdef __linux__
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#else
  ptrace(PT_DENY_ATTACH, 0, NULL, 0);
#endif
}

int open_socket(void) {
#ifdef __linux__
  return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
#else
  const int made = socket(AF_UNIX, SOCK_STREAM, 0);
  if (made >= 0) set_flags(made);
  return made;
#endif
}

bool open_pipe(int ends[2]) {
  if (pipe(ends) != 0) return false;
  set_flags(ends[0]);
  set_flags(ends[1]);
  return true;
}

int reopen_writer(int descriptor) {
#ifdef __linux__
  char path[32];
  struct buffer name = {path, 0, sizeof path, false};
  append_string(&name, "/proc/self/fd/");
  append_number(&name, (unsigned)descriptor);
  if (finish(&name) == NULL) return -1;
  return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
#else
  (void)descriptor;
  return -1;
#endif
}

bool own_path(struct buffer *path) {
#ifdef __linux__
  const ssize_t length = readlink("/proc/self/exe", path->at, path->size);
  if (length <= 0 || (size_t)length >= path->size || path->at[0] != '/') return false;
  path->length = (size_t)length;
  // It was replaced since this one was started: the new one's place.
  static const char gone[] = " (deleted)";
  const size_t end = sizeof gone - 1;
  if (path->length > end && memcmp(path->at + path->length - end, gone, end) == 0) path->length -= end;
  return true;
#else
  char found[4096];
  uint32_t size = sizeof found;
  char *real = _NSGetExecutablePath(found, &size) == 0 ? realpath(found, NULL) : NULL;
  if (real == NULL) return false;
  append_string(path, real);
  free(real);
  return !path->full;
#endif
}

long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (long long)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}
