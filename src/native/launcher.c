// `warder run NAME`, without Node: the launcher that a host starts, where the daemon runs. It has no secrets: it connects to
// the daemon, copies bytes both ways, and exits as the server did.
//
// For everything else it executes the script of the launch command, `warder.sh` beside it, which finds Node: any other verb, a
// daemon that does not run or is of another time, and any doubt. So it never starts a daemon, and an error that is found
// before there is a connection is always said by the launcher in Node.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "descriptors.h"
#include "frame.h"
#include "hold.h"
#include "json.h"
#include "place.h"
#include "protocol.h"
#include "session.h"
#include "stamps.h"
#include "system.h"
#include "utf8.h"

extern char **environ;

/** By this text src/os/launch-command.ts knows the file. */
static const char MARK[] = "Warder's launch command, native, form 1";

/** The word by which a copy is tried before it is put in its place. */
static const char TRIAL[] = "--warder-native";

static void say(const char *text) { (void)!write(STDERR_FILENO, text, strlen(text)); }

/** Whether nobody but this user and root can change a file. Links are not followed. */
static bool is_own_file(const char *path) {
  struct stat stats;
  return lstat(path, &stats) == 0 && S_ISREG(stats.st_mode) && (stats.st_uid == getuid() || stats.st_uid == 0) &&
         (stats.st_mode & 022) == 0;
}

/** Executes the script with the same arguments. */
static _Noreturn void run_script(char **argv) {
  char path[MAX_PATH];
  struct buffer text = {path, 0, sizeof path, false};
  const bool known = own_path(&text);
  append_string(&text, ".sh");
  const char *script = known ? finish(&text) : NULL;
  if (script != NULL && is_own_file(script)) {
    argv[0] = path;
    execve(script, argv, environ);
  }
  say("warder: error: the launch command has lost its script");
  if (script != NULL) {
    say(", ");
    say(script);
  }
  say("\nwarder: hint: run \"warder init\" with the Warder that is installed\n");
  exit(69);
}

/** Whether a profile has such a name, as src/wire/hello.ts says. */
static bool is_name(const char *name) {
  const char *rest = name;
  for (; *rest != '\0'; rest++) {
    const bool letter = (*rest >= 'a' && *rest <= 'z') || (*rest >= '0' && *rest <= '9');
    if (!letter && (*rest != '-' || rest == name)) return false;
  }
  return rest > name && rest - name <= 63;
}

/** Appends a member whose value is text of this process. It must be UTF-8. */
static void append_member(struct buffer *to, const char *name, const char *value) {
  append_string(to, ",\"");
  append_string(to, name);
  append_string(to, "\":");
  if (!is_utf8(text_of(value))) to->full = true;
  json_quote(to, text_of(value));
}

/**
 * Writes the HELLO frame, as src/launcher.ts does. `descriptors`: the number of those that are offered, or NULL. False where
 * it does not fit or is not text.
 */
static bool write_hello(struct buffer *frame, const char *profile, const char *descriptors) {
  char folder[MAX_PATH];
  const char *working = getcwd(folder, sizeof folder);
  if (working == NULL) {
    // The folder was removed.
    if (errno != ENOENT) return false;
    working = "/";
  }
  frame->length = 5;
  append_string(frame, "{\"wire\":");
  append_number(frame, WIRE_VERSION);
  append_member(frame, "kind", "run");
  append_member(frame, "profile", profile);
  append_string(frame, ",\"pid\":");
  append_number(frame, (unsigned long long)getpid());
  append_member(frame, "cwd", working);
  const char *address = getenv("DBUS_SESSION_BUS_ADDRESS");
  const char *runtime = getenv("XDG_RUNTIME_DIR");
  if (address != NULL && address[0] != '\0') {
    append_string(frame, ",\"bus\":{\"address\":");
    if (!is_utf8(text_of(address))) frame->full = true;
    json_quote(frame, text_of(address));
    if (runtime != NULL && runtime[0] != '\0') append_member(frame, "runtime", runtime);
    append_string(frame, "}");
  }
  if (descriptors != NULL) append_member(frame, "descriptors", descriptors);
  append_string(frame, "}");
  put_header(frame->at, FRAME_HELLO, frame->length - 5);
  return !frame->full;
}

/** Standard input, output and error are open, be it to nothing, so that no file of this process gets their numbers. */
static bool open_standard(void) {
  for (int descriptor = 0; descriptor < 3; descriptor++)
    if (fcntl(descriptor, F_GETFD) < 0 && open("/dev/null", O_RDWR) != descriptor) return false;
  return true;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], TRIAL) == 0) {
    char said[64];
    struct buffer text = {said, 0, sizeof said, false};
    append_string(&text, MARK);
    append_string(&text, "\n");
    append_number(&text, WIRE_VERSION);
    append_string(&text, "\n");
    return write(STDOUT_FILENO, said, text.length) == (ssize_t)text.length ? 0 : 1;
  }
  run_stage(argc, argv);
  run_stamps(argc, argv);
  if (argc != 3 || strcmp(argv[1], "run") != 0 || !open_standard()) run_script(argv);
  const long long started = now();
  static char hello[1 << 14];
  struct buffer frame = {hello, 0, sizeof hello, false};
  static struct places places;
  // With a number as long as the one that may be in it.
  char number[DESCRIPTORS_NUMBER] = "00000000000000000000000000000000";
  if (!is_name(argv[2]) || !write_hello(&frame, argv[2], number) || !find_places(&places)) run_script(argv);
  close_on_exec();
  const int socket = dial(&places);
  if (socket >= 0) {
    const bool offered = offer_descriptors(&places, socket, number);
    write_hello(&frame, argv[2], offered ? number : NULL);
    run_session(socket, (struct text){hello, frame.length}, offered, started);
  }
  // Its descriptor, of a host that is a Node, is closed.
  unsetenv("NODE_CHANNEL_FD");
  run_script(argv);
}
