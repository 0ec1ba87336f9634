// Where the daemon is, by an environment and files of any content: a path is whole or none, and a connection is opened only
// to a socket that is the user's alone.
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"
#include "system.h"

enum { LOCK = 20, CURRENT, SOCKET };

static char variables[3][2048];
static bool given[3];
static struct script files[2];
static uint8_t modes;
static bool has_lock;
static int refusals;
static bool connected;
static char looked_at[2][MAX_PATH];
static size_t looks;

char *getenv(const char *name) {
  static const char *const names[] = {"HOME", "WARDER_HOME", "XDG_STATE_HOME"};
  for (size_t index = 0; index < 3; index++)
    if (strcmp(name, names[index]) == 0) return given[index] ? variables[index] : NULL;
  check(false, "no other variable is looked at");
  return NULL;
}

int open(const char *path, int flags, ...) {
  check(path[0] != '\0' && (flags & (O_CLOEXEC | O_NONBLOCK)) == (O_CLOEXEC | O_NONBLOCK), "a file is opened so that it cannot hold up");
  check((flags & O_ACCMODE) == O_RDONLY, "nothing is written");
  const size_t length = strlen(path);
  if (length > 12 && strcmp(path + length - 12, "/daemon.lock") == 0) return has_lock ? LOCK : -1;
  return CURRENT;
}

ssize_t read(int descriptor, void *to, size_t length) {
  const struct script bytes = next_bytes(&files[descriptor - LOCK], length < 200 ? length : 200);
  memcpy(to, bytes.at, bytes.left);
  return (ssize_t)bytes.left;
}

int close(int descriptor) {
  check(descriptor >= LOCK && descriptor <= SOCKET, "only what was opened is closed");
  return 0;
}

/** The first is the folder, the second the socket. */
int lstat(const char *path, struct stat *stats) {
  check(looks < 2, "folder and socket are looked at once");
  struct buffer text = {looked_at[looks], 0, MAX_PATH, false};
  append_string(&text, path);
  check(finish(&text) != NULL, "a path is no longer than it can be");
  const uint8_t mode = (uint8_t)(modes >> (4 * looks++));
  static const mode_t kinds[] = {S_IFDIR, S_IFSOCK, S_IFREG, S_IFLNK};
  *stats = (struct stat){.st_mode = kinds[mode & 3] | ((mode & 4) != 0 ? 0755 : 0700), .st_uid = (mode & 8) != 0 ? 1 : 1000};
  return 0;
}

uid_t getuid(void) { return 1000; }

int open_socket(void) { return SOCKET; }

int connect(int descriptor, const struct sockaddr *address, socklen_t length) {
  const struct sockaddr_un *local = (const struct sockaddr_un *)address;
  check(descriptor == SOCKET && length == sizeof *local && local->sun_family == AF_UNIX, "it connects on this machine");
  check(memchr(local->sun_path, 0, sizeof local->sun_path) != NULL, "a socket's path is whole");
  check(looks == 2 && strcmp(local->sun_path, looked_at[1]) == 0, "what it connects to is what was looked at");
  const size_t folder = strlen(looked_at[0]);
  check(strncmp(looked_at[0], looked_at[1], folder) == 0 && strcmp(looked_at[1] + folder, "/daemon.sock") == 0, "the folder is the socket's");
  check((modes & 15) == 0 && (modes >> 4 & 11) == 1, "a socket is connected to only where nobody else can be in its place");
  connected = refusals == 0;
  errno = EAGAIN;
  return refusals-- > 0 ? -1 : 0;
}

int nanosleep(const struct timespec *time, struct timespec *left) {
  (void)time;
  (void)left;
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  restart();
  struct script script = {data, size};
  const uint8_t form = next_byte(&script);
  modes = next_byte(&script);
  refusals = (form >> 4) * 5;
  has_lock = (form & 8) != 0;
  connected = false;
  looks = 0;
  for (size_t index = 0; index < 3; index++) {
    const struct script bytes = next_bytes(&script, (size_t)next_byte(&script) << (form & 1 ? 3 : 0));
    given[index] = (form & 2 << index) == 0 || bytes.left > 0;
    memcpy(variables[index], bytes.at, bytes.left);
    variables[index][bytes.left] = '\0';
  }
  files[0] = next_bytes(&script, next_byte(&script));
  files[1] = script;
  static struct places places;
  if (!find_places(&places)) return 0;
  check(places.run[0] == '/' && places.lock[0] == '/' && places.socket[0] == '/', "places are absolute");
  check(strlen(places.run) >= 4 && strcmp(places.run + strlen(places.run) - 4, "/run") == 0, "the folder is whole");
  check((dial(&places) == SOCKET) == connected, "a descriptor is a connection");
  return 0;
}
