// A short program for the start of a pinned package: it compares a tree's files with their stamps, in a fraction of the time
// that Node needs and beside it.
//
//     --warder-stamps FOLDER
//         reads records, each ended by a NUL, from standard input (src/package/stamp-records.ts):
//             /PATH       the entries that follow are in FOLDER/PATH
//             STAMP NAME  an entry, and what its stamp has to be: SIZE:MTIME:CTIME:INODE, times in nanoseconds
//         Exits with 0 if every entry has its stamp, with 1 if one has not, or on any failure.
#include "stamps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "text.h"

static const char STAMPS[] = "--warder-stamps";

enum { PARTS = 2, MAX_STAMP = 96, MAX_RECORDS = 1 << 28 };

#ifdef __APPLE__
#define MODIFIED(status) ((status).st_mtimespec)
#define CHANGED(status) ((status).st_ctimespec)
#else
#define MODIFIED(status) ((status).st_mtim)
#define CHANGED(status) ((status).st_ctim)
#endif

static long long nanoseconds(struct timespec time) {
  return (long long)time.tv_sec * 1000000000 + time.tv_nsec;
}

/** Whether an entry of a folder has the stamp that a record says. */
static bool fits(int folder, const char *record) {
  const char *space = strchr(record, ' ');
  struct stat status;
  char stamp[MAX_STAMP];
  if (folder < 0 || space == NULL || strchr(space, '/') != NULL) return false;
  if (fstatat(folder, space + 1, &status, AT_SYMLINK_NOFOLLOW) != 0) return false;
  const int length = snprintf(stamp, sizeof stamp, "%lld:%lld:%lld:%llu", (long long)status.st_size,
                              nanoseconds(MODIFIED(status)), nanoseconds(CHANGED(status)),
                              (unsigned long long)status.st_ino);
  return length > 0 && length < MAX_STAMP && space - record == length && memcmp(record, stamp, (size_t)length) == 0;
}

/** All of standard input. NULL if it is too much, or on a failure. */
static struct text read_all(void) {
  size_t size = 1 << 20, length = 0;
  char *at = malloc(size);
  while (at != NULL) {
    const ssize_t got = read(STDIN_FILENO, at + length, size - length);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) return (struct text){at, length};
    length += got < 0 ? 0 : (size_t)got;
    if (got < 0 || (length == size && size >= MAX_RECORDS)) break;
    if (length == size) at = realloc(at, size *= 2);
  }
  return (struct text){NULL, 0};
}

/** Whether the entries of one folder in `PARTS` fit, from the `part`th on. */
static bool all_fit(int root, struct text records, int part) {
  int folder = -1, turn = -1;
  bool mine = false;
  for (size_t from = 0; from < records.length;) {
    const char *record = records.at + from;
    const char *end = memchr(record, 0, records.length - from);
    if (end == NULL) return false;
    from += (size_t)(end - record) + 1;
    if (*record == '/') {
      turn = (turn + 1) % PARTS;
      mine = turn == part;
      if (!mine) continue;
      if (folder >= 0) close(folder);
      folder = openat(root, record[1] == '\0' ? "." : record + 1, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (folder < 0) return false;
    } else if (turn < 0 || (mine && !fits(folder, record))) {
      return false;
    }
  }
  return turn >= 0;
}

/** The same by two processes, since nearly all of the time is the kernel's. */
static bool tree_fits(int root, struct text records) {
  const pid_t other = fork();
  if (other == 0) _exit(all_fit(root, records, 1) ? 0 : 1);
  const bool fit = all_fit(root, records, 0);
  int status = 1;
  if (other < 0) return fit && all_fit(root, records, 1);
  pid_t ended;
  do ended = waitpid(other, &status, 0);
  while (ended < 0 && errno == EINTR);
  return fit && ended == other && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void run_stamps(int argc, char **argv) {
  if (argc != 3 || strcmp(argv[1], STAMPS) != 0) return;
  const int root = open(argv[2], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  const struct text records = read_all();
  _exit(root >= 0 && records.at != NULL && tree_fits(root, records) ? 0 : 1);
}
