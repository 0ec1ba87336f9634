#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "protocol.h"
#include "system.h"
#include "utf8.h"

/** Tries to connect while the daemon's backlog is full, and the time between two of them, in milliseconds. */
#define TRIES 40
#define RETRY 25
/** The most that is read of a lock, or of the file that names the newest build, in bytes. */
#define MAX_FILE ((size_t)1 << 16)

/** A path without slashes at its end. */
static struct text trimmed(const char *path) {
  struct text text = text_of(path);
  while (text.length > 0 && text.at[text.length - 1] == '/') text.length--;
  return text;
}

/** FNV-1a, 64 bits, of 16 hexadecimal digits. */
static void append_digest(struct buffer *to, struct text text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t index = 0; index < text.length; index++)
    hash = (hash ^ (unsigned char)text.at[index]) * 0x100000001b3u;
  append_hex(to, hash, 16);
}

bool find_places(struct places *places) {
  // Without a home folder it is the user database that knows, and a relative path is an error of the caller's.
  const char *home = getenv("HOME");
  const char *own = getenv("WARDER_HOME");
  const char *state = STATE_VARIABLE == NULL ? NULL : getenv(STATE_VARIABLE);
  if (home == NULL || home[0] != '/') return false;
  struct buffer run = {places->run, 0, sizeof places->run, false};
  if (own != NULL && own[0] != '\0') {
    if (own[0] != '/') return false;
    append_text(&run, trimmed(own));
  } else if (state != NULL && state[0] == '/') {
    append_text(&run, trimmed(state));
    append_string(&run, "/warder");
  } else {
    append_text(&run, trimmed(home));
    append_string(&run, "/" STATE_FOLDER "/warder");
  }
  append_string(&run, "/run");
  const struct text run_path = {places->run, run.length};
  if (finish(&run) == NULL || !is_utf8(run_path)) return false;

  struct buffer lock = {places->lock, 0, sizeof places->lock, false};
  append_text(&lock, run_path);
  append_string(&lock, "/daemon.lock");
  struct buffer socket = {places->socket, 0, sizeof places->socket, false};
  if (run_path.length + strlen("/daemon.sock") < sizeof((struct sockaddr_un *)NULL)->sun_path) append_text(&socket, run_path);
  else {
    append_string(&socket, "/tmp/warder-");
    append_number(&socket, getuid());
    append_string(&socket, "-");
    append_digest(&socket, run_path);
  }
  append_string(&socket, "/daemon.sock");
  return finish(&lock) != NULL && finish(&socket) != NULL;
}

/** Whether the folder of the socket is the user's own and closed to others, and the socket the user's. */
static bool is_safe(const char *socket) {
  char folder[MAX_PATH];
  const size_t length = (size_t)(strrchr(socket, '/') - socket);
  memcpy(folder, socket, length);
  folder[length] = '\0';
  struct stat stats;
  if (lstat(folder, &stats) != 0 || !S_ISDIR(stats.st_mode)) return false;
  if (stats.st_uid != getuid() || (stats.st_mode & 077) != 0) return false;
  return lstat(socket, &stats) == 0 && S_ISSOCK(stats.st_mode) && stats.st_uid == getuid();
}

/** Reads a small file into a buffer of MAX_FILE bytes. `text.at` is NULL where it cannot be read, or is longer. */
static struct text read_file(const char *path, char *into) {
  const struct text none = {NULL, 0};
  const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return none;
  size_t length = 0;
  ssize_t got;
  while (length < MAX_FILE && (got = read(file, into + length, MAX_FILE - length)) > 0) length += (size_t)got;
  close(file);
  return length == MAX_FILE ? none : (struct text){into, length};
}

/**
 * Whether the lock names a daemon of this protocol whose build is the newest of its folder. Where there is no lock, or one
 * that says nothing of this, the connection will show.
 */
static bool is_of_this_time(const char *lock) {
  static char file[MAX_FILE];
  const struct text text = read_file(lock, file);
  if (text.at == NULL || !json_is_valid(text)) return true;
  const struct json_value program = json_value_of(text);
  const struct json_value wire = json_member(program, "wire");
  const struct json_value build = json_member(program, "build");
  if (wire.kind != JSON_NUMBER || build.kind != JSON_STRING) return true;
  unsigned long long version;
  if (!json_whole_number(wire, &version) || version != WIRE_VERSION) return false;

  char path[MAX_PATH];
  struct buffer decoded = {path, 0, sizeof path, false};
  json_decode(&decoded, build.text);
  if (finish(&decoded) == NULL) return false;
  char *name = strrchr(path, '/');
  if (name == NULL || name[1] == '\0') return false;
  char quoted[MAX_PATH];
  struct buffer needle = {quoted, 0, sizeof quoted, false};
  json_quote(&needle, text_of(name + 1));
  struct buffer current = {path, (size_t)(name + 1 - path), sizeof path, false};
  append_string(&current, "current");
  if (needle.full || finish(&current) == NULL) return false;
  const struct text newest = read_file(path, file);
  return newest.at != NULL && memmem(newest.at, newest.length, needle.at, needle.length) != NULL;
}

int dial(const struct places *places) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(places->socket) >= sizeof address.sun_path) return -1;
  memcpy(address.sun_path, places->socket, strlen(places->socket));
  if (!is_of_this_time(places->lock) || !is_safe(places->socket)) return -1;
  const int socket = open_socket();
  if (socket < 0) return -1;
  for (int tries = 0; connect(socket, (struct sockaddr *)&address, sizeof address) != 0; tries++) {
    if (errno != EAGAIN || tries == TRIES) {
      close(socket);
      return -1;
    }
    nanosleep(&(struct timespec){.tv_nsec = RETRY * 1000000L}, NULL);
  }
  return socket;
}
