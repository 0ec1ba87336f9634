#include "descriptors.h"

#ifndef __linux__

bool offer_descriptors(const struct places *places, int connection, char number[DESCRIPTORS_NUMBER]) {
  (void)places;
  (void)connection;
  (void)number;
  return false;
}

#else

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "process.h"

/** The ancestors that are looked at, and their descriptors, all together. */
#define MAX_ANCESTORS 32
#define MAX_DESCRIPTORS 8192
/** How often a host that has a socket is given the time to close its copy, all together, and how long, in microseconds. */
#define PAUSES 4
#define PAUSE 500
/** `socket:[INODE]`. */
#define MAX_LINK 40

/** Sockets, as links in /proc/PID/fd name them; empty: none. */
struct sockets {
  char links[2][MAX_LINK];
};

/** Whether standard input or output is a pipe that has no name, as its link in /proc says. */
static bool is_nameless(int descriptor) {
  char path[] = "/proc/self/fd/0";
  path[sizeof path - 2] = (char)('0' + descriptor);
  static const char start[] = "pipe:[";
  char link[sizeof start];
  return readlink(path, link, sizeof link) == sizeof link && memcmp(link, start, sizeof start - 1) == 0;
}

/** Whether a socket is a stream of this machine whose other side has no name, as those of a socketpair(2). */
static bool is_nameless_stream(int descriptor) {
  int type = 0;
  struct sockaddr_un peer;
  socklen_t length = sizeof peer;
  return getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &(socklen_t){sizeof type}) == 0 && type == SOCK_STREAM &&
         getpeername(descriptor, (struct sockaddr *)&peer, &length) == 0 && peer.sun_family == AF_UNIX &&
         length == sizeof peer.sun_family;
}

/**
 * Whether the daemon may have standard input or output: an end of a pipe, or a socket, whose link is noted.
 * Who opens a pipe with a name anew does not see that its writer has gone before.
 */
static bool is_passable(int descriptor, int access, const struct stat *stats, char link[MAX_LINK]) {
  link[0] = '\0';
  const int flags = fcntl(descriptor, F_GETFL);
  if (flags < 0 || (flags & O_PATH) != 0) return false;
  if (S_ISFIFO(stats->st_mode)) return (flags & O_ACCMODE) == access && is_nameless(descriptor);
  if (!S_ISSOCK(stats->st_mode) || !is_nameless_stream(descriptor)) return false;
  struct buffer name = {link, 0, MAX_LINK, false};
  append_string(&name, "socket:[");
  append_number(&name, stats->st_ino);
  append_string(&name, "]");
  return finish(&name) != NULL;
}

enum holding { HOLDS_NONE, HOLDS_SOME, UNKNOWN };

/** How much may still be looked at. */
struct patience {
  int descriptors;
  int pauses;
};

/** Whether a descriptor of a process, as its folder in /proc has it, is one of the sockets. */
static bool is_one(int folder, const char *name, const struct sockets *sockets) {
  char link[MAX_LINK];
  const ssize_t length = readlinkat(folder, name, link, sizeof link - 1);
  if (length <= 0) return false;
  link[length] = '\0';
  return strcmp(link, sockets->links[0]) == 0 || strcmp(link, sockets->links[1]) == 0;
}

/** Whether a process has one of the sockets, and keeps it. */
static enum holding look_at(pid_t pid, const struct sockets *sockets, struct patience *left) {
  const int folder = open_process_file(pid, "fd");
  DIR *list = folder < 0 ? NULL : fdopendir(folder);
  if (list == NULL) return UNKNOWN;
  enum holding found = HOLDS_NONE;
  for (struct dirent *entry; found == HOLDS_NONE && (entry = readdir(list)) != NULL;) {
    if (entry->d_name[0] == '.') continue;
    while (found == HOLDS_NONE && is_one(folder, entry->d_name, sockets)) {
      if (left->pauses-- == 0) found = HOLDS_SOME;
      else nanosleep(&(struct timespec){.tv_nsec = PAUSE * 1000}, NULL);
    }
    if (--left->descriptors == 0) found = HOLDS_SOME;
  }
  closedir(list);
  return found;
}

/** Whether a process made all of the sockets, by socketpair(2): then those above it do not have them by descent. */
static bool has_made(pid_t pid, const struct sockets *sockets) {
  for (int descriptor = 0; descriptor < 2; descriptor++) {
    struct ucred maker = {0};
    if (sockets->links[descriptor][0] == '\0') continue;
    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &maker, &(socklen_t){sizeof maker}) != 0 || maker.pid != pid)
      return false;
  }
  return true;
}

/**
 * Whether another process may have one of the sockets: a child of this one, or one from which it descends, up to the one that made
 * them or the first above its parent that cannot be seen.
 */
static bool is_shared(const struct sockets *sockets) {
  siginfo_t child;
  if (waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD) return true;
  struct patience left = {.descriptors = MAX_DESCRIPTORS, .pauses = PAUSES};
  pid_t pid = getppid();
  // Its parent is in a namespace that cannot be seen from here.
  if (pid <= 0) return true;
  for (int above = 0; pid > 0 && above < MAX_ANCESTORS; above++) {
    const enum holding holding = look_at(pid, sockets, &left);
    if (holding == UNKNOWN) return above == 0;
    if (holding == HOLDS_SOME) return true;
    if (has_made(pid, sockets)) return false;
    struct process process;
    if (!read_process(pid, &process)) return above == 0;
    pid = process.parent;
  }
  return pid > 0;
}

/** Whether both can be handed over. Where standard error is one of them their order is kept here. */
static bool are_passable(void) {
  struct stat stats[3];
  struct sockets sockets;
  for (int descriptor = 0; descriptor < 3; descriptor++)
    if (fstat(descriptor, &stats[descriptor]) != 0) return false;
  for (int descriptor = 0; descriptor < 2; descriptor++)
    if (stats[descriptor].st_dev == stats[2].st_dev && stats[descriptor].st_ino == stats[2].st_ino) return false;
  if (!is_passable(STDIN_FILENO, O_RDONLY, &stats[0], sockets.links[0])) return false;
  if (!is_passable(STDOUT_FILENO, O_WRONLY, &stats[1], sockets.links[1])) return false;
  if (sockets.links[0][0] == '\0' && sockets.links[1][0] == '\0') return true;
  return !is_shared(&sockets);
}

/** The address where the daemon at the other end takes descriptors: `fds-PID` beside its socket, so that no other gets them. */
static bool find_address(const struct places *places, int connection, struct sockaddr_un *address) {
  struct ucred peer = {0};
  if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &(socklen_t){sizeof peer}) != 0 || peer.pid <= 0) return false;
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  struct buffer path = {address->sun_path, 0, sizeof address->sun_path, false};
  append(&path, places->socket, (size_t)(strrchr(places->socket, '/') - places->socket));
  append_string(&path, "/fds-");
  append_number(&path, (unsigned long long)peer.pid);
  return finish(&path) != NULL;
}

bool offer_descriptors(const struct places *places, int connection, char number[DESCRIPTORS_NUMBER]) {
  struct sockaddr_un address;
  unsigned char bytes[(DESCRIPTORS_NUMBER - 1) / 2];
  if (!find_address(places, connection, &address) || access(address.sun_path, F_OK) != 0 || !are_passable()) return false;
  if (getrandom(bytes, sizeof bytes, GRND_NONBLOCK) != sizeof bytes) return false;
  struct buffer digits = {.at = number, .size = DESCRIPTORS_NUMBER};
  for (size_t index = 0; index < sizeof bytes; index++) append_hex(&digits, bytes[index], 2);
  finish(&digits);

  const int sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (sender < 0) return false;
  const int descriptors[] = {STDIN_FILENO, STDOUT_FILENO};
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof descriptors)];
  } control = {.bytes = {0}};
  control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof descriptors), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
  memcpy(CMSG_DATA(&control.header), descriptors, sizeof descriptors);
  struct iovec data = {number, DESCRIPTORS_NUMBER - 1};
  const struct msghdr message = {
      .msg_name = &address,
      .msg_namelen = sizeof address,
      .msg_iov = &data,
      .msg_iovlen = 1,
      .msg_control = &control,
      .msg_controllen = sizeof control.bytes,
  };
  const bool sent = sendmsg(sender, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == DESCRIPTORS_NUMBER - 1;
  close(sender);
  return sent;
}

#endif
