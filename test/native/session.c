// A whole session over a system that is part of the script: what daemon and host send, in which pieces, what takes their bytes
// and when, signals, time, and deaths. Whatever happens, it ends; the host gets what the daemon has sent it, and the daemon what
// the host has, in frames; nothing waits where others would be held up.
#include "session.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frame.h"
#include "fuzz.h"
#include "json.h"
#include "process.h"
#include "protocol.h"
#include "refusal.h"
#include "signals.h"
#include "system.h"

enum { DAEMON = 10, SIGNALS = 11, OWN_OUTPUT = 12, OWN_ERRORS = 13 };
#define STORE ((size_t)1 << 23)
/** More rounds than any script needs. */
#define ROUNDS 100000

/** Bytes on their way: [from, to) can be read. */
struct line {
  char bytes[STORE];
  size_t from;
  size_t to;
  bool ended;
};

/** What is written to, `room` bytes before it must be waited for. */
struct end {
  enum { SOCKET, PIPE, SHARED_PIPE, PLAIN_FILE } kind;
  size_t room;
  bool gone;
};

static struct line from_daemon;
static struct line from_host;
/** What the host and the daemon have got. */
static struct line to_host;
static struct line to_daemon;
static struct end output;
static struct end errors;
static size_t frames_room;

static struct script script;
static jmp_buf over;
static int code;
static long long at;
static int rounds;
static bool offered;
static bool finished;
static bool parent_gone;
static bool sealed;
static bool released;
static char pending[8];
static size_t pending_count;
static bool signalled;

// What happens

enum happening {
  DAEMON_SENDS,
  DAEMON_SENDS_FRAME,
  DAEMON_SENDS_MUCH,
  DAEMON_ENDS,
  HOST_SENDS,
  HOST_SENDS_MUCH,
  HOST_ENDS,
  SIGNAL,
  OUTPUT_TAKES,
  ERRORS_TAKE,
  DAEMON_TAKES,
  TIME,
  PARENT_ENDS,
  OUTPUT_GOES,
  ERRORS_GO,
  HAPPENINGS,
};
/** With this bit something more happens at the same time. */
#define TOGETHER 0x80

static void put(struct line *line, const void *bytes, size_t length) {
  if (line->ended || length > STORE - line->to) return;
  memcpy(line->bytes + line->to, bytes, length);
  line->to += length;
}

static void put_much(struct line *line, size_t length) {
  if (line->ended || length > STORE - line->to) return;
  memset(line->bytes + line->to, 'm', length);
  line->to += length;
}

/** Lets the next thing happen. False where there is none. */
static bool go_on(bool *passes) {
  for (uint8_t what = TOGETHER; (what & TOGETHER) != 0;) {
    if (script.left == 0) return false;
    what = next_byte(&script);
    const uint8_t number = next_byte(&script);
    struct script bytes;
    switch ((what & ~TOGETHER) % HAPPENINGS) {
      case DAEMON_SENDS:
        bytes = next_bytes(&script, number);
        put(&from_daemon, bytes.at, bytes.left);
        break;
      case DAEMON_SENDS_FRAME: {
        char head[5];
        const uint8_t type = next_byte(&script);
        bytes = next_bytes(&script, number);
        put_header(head, type, bytes.left);
        put(&from_daemon, head, sizeof head);
        put(&from_daemon, bytes.at, bytes.left);
        break;
      }
      case DAEMON_SENDS_MUCH: put_much(&from_daemon, (size_t)number << 12); break;
      case DAEMON_ENDS: from_daemon.ended = true; break;
      case HOST_SENDS:
        bytes = next_bytes(&script, number);
        put(&from_host, bytes.at, bytes.left);
        break;
      case HOST_SENDS_MUCH: put_much(&from_host, (size_t)number << 12); break;
      case HOST_ENDS: from_host.ended = true; break;
      case SIGNAL:
        if (pending_count < sizeof pending) pending[pending_count++] = (char[]){SIGINT, SIGTERM, SIGHUP}[number % 3];
        signalled = true;
        break;
      case OUTPUT_TAKES: output.room += (size_t)number << 4; break;
      case ERRORS_TAKE: errors.room += (size_t)number << 4; break;
      case DAEMON_TAKES: frames_room += (size_t)number << 4; break;
      case TIME:
        at += number << 4;
        *passes = true;
        break;
      case PARENT_ENDS: parent_gone = true; break;
      case OUTPUT_GOES: output.gone = true; break;
      case ERRORS_GO: errors.gone = true; break;
    }
  }
  return true;
}

/** All there is has been sent, and is taken. */
static void finish_script(void) {
  finished = true;
  from_daemon.ended = from_host.ended = true;
  output.room = errors.room = frames_room = STORE;
}

// The system

static struct end *end_of(int descriptor) {
  if (descriptor == STDOUT_FILENO || descriptor == OWN_OUTPUT) return &output;
  check(descriptor == STDERR_FILENO || descriptor == OWN_ERRORS, "only what is open is written to");
  return &errors;
}

static short readiness(const struct pollfd *wait) {
  if (wait->fd < 0) return 0;
  if (wait->fd == SIGNALS) return pending_count > 0 ? POLLIN : 0;
  const struct line *line = wait->fd == DAEMON ? &from_daemon : wait->fd == STDIN_FILENO ? &from_host : NULL;
  int ready = 0;
  if (line != NULL) {
    if (line->from < line->to || line->ended) ready |= POLLIN;
    if (line->ended) ready |= POLLHUP | POLLRDHUP;
    if (wait->fd == DAEMON && (frames_room > 0 || line->ended)) ready |= POLLOUT;
  } else {
    const struct end *end = end_of(wait->fd);
    if (end->gone || end->kind == PLAIN_FILE || end->room >= (end->kind == SHARED_PIPE ? PIPE_BUF : 1)) ready |= POLLOUT;
    if (end->gone) ready |= POLLERR;
  }
  return (short)(ready & (wait->events | POLLHUP | POLLERR));
}

static int look(struct pollfd *all, nfds_t count) {
  int ready = 0;
  for (nfds_t index = 0; index < count; index++) {
    all[index].revents = readiness(&all[index]);
    if (all[index].revents != 0) ready++;
  }
  return ready;
}

int poll(struct pollfd *all, nfds_t count, int milliseconds) {
  check(++rounds < ROUNDS, "it does not end");
  if (milliseconds == 0) return look(all, count);
  bool passes = false;
  bool more = go_on(&passes);
  for (;;) {
    const int ready = look(all, count);
    if (ready > 0) return ready;
    if (passes && milliseconds > 0) return 0;
    if (!more) {
      if (finished) {
        check(milliseconds > 0, "it waits for ever");
        at += milliseconds;
        return 0;
      }
      finish_script();
    } else more = go_on(&passes);
  }
}

static ssize_t take(struct line *line, void *to, size_t length) {
  if (line->from == line->to) {
    if (line->ended) return 0;
    errno = EAGAIN;
    return -1;
  }
  const size_t taken = length < line->to - line->from ? length : line->to - line->from;
  memcpy(to, line->bytes + line->from, taken);
  line->from += taken;
  return (ssize_t)taken;
}

static size_t length_in(const char *head) {
  const unsigned char *bytes = (const unsigned char *)head + 1;
  return bytes[0] | (size_t)bytes[1] << 8 | (size_t)bytes[2] << 16 | (size_t)bytes[3] << 24;
}

/** Whether the daemon has said in its first frame that it reads the host itself. */
static bool is_taken(void) {
  const char *first = from_daemon.bytes;
  return offered && from_daemon.from >= 5 && first[0] == FRAME_TAKEN && from_daemon.from >= 5 + length_in(first);
}

ssize_t recv(int descriptor, void *to, size_t length, int flags) {
  check(descriptor == DAEMON && flags == 0 && length > 0, "only the daemon's socket is received from");
  return take(&from_daemon, to, length);
}

ssize_t read(int descriptor, void *to, size_t length) {
  if (descriptor == SIGNALS) {
    if (pending_count == 0) return -1;
    *(char *)to = pending[0];
    memmove(pending, pending + 1, --pending_count);
    return 1;
  }
  check(descriptor == STDIN_FILENO, "only what is open is read");
  check(from_host.from < from_host.to || from_host.ended, "a read of the host waits");
  check(from_daemon.from > 0 || from_daemon.ended || at >= 2000, "nothing is read from the host before the daemon has answered");
  check(sealed, "nothing is read from the host before the process is sealed");
  check(!is_taken(), "a host whose descriptors the daemon has is not read");
  return take(&from_host, to, length);
}

static ssize_t put_out(struct end *end, const void *bytes, size_t length) {
  if (end->gone) {
    errno = EPIPE;
    return -1;
  }
  if (end->kind == SHARED_PIPE) check(end->room >= length && length <= PIPE_BUF, "a write to a pipe that others have waits");
  const size_t done = end->kind == PLAIN_FILE || length < end->room ? length : end->room;
  if (done == 0) {
    errno = EAGAIN;
    return -1;
  }
  if (end == &output) put(&to_host, bytes, done);
  if (end->kind != PLAIN_FILE) end->room -= done;
  return (ssize_t)done;
}

ssize_t send(int descriptor, const void *bytes, size_t length, int flags) {
  check((flags & MSG_NOSIGNAL) != 0, "no write ends the process by a signal");
  if (descriptor != DAEMON) {
    check((flags & MSG_DONTWAIT) != 0 && end_of(descriptor)->kind == SOCKET, "a socket that others have is not waited for");
    return put_out(end_of(descriptor), bytes, length);
  }
  const size_t done = length < frames_room ? length : frames_room;
  if (from_daemon.ended || done == 0) {
    errno = from_daemon.ended ? EPIPE : EAGAIN;
    return -1;
  }
  put(&to_daemon, bytes, done);
  frames_room -= done;
  return (ssize_t)done;
}

ssize_t write(int descriptor, const void *bytes, size_t length) {
  check(descriptor != DAEMON && end_of(descriptor)->kind != SOCKET, "sockets are sent to");
  return put_out(end_of(descriptor), bytes, length);
}

int fstat(int descriptor, struct stat *stats) {
  static const mode_t modes[] = {S_IFSOCK, S_IFIFO, S_IFIFO, S_IFREG};
  *stats = (struct stat){.st_mode = modes[end_of(descriptor)->kind]};
  return 0;
}

int reopen_writer(int descriptor) {
  if (end_of(descriptor)->kind == SHARED_PIPE) return -1;
  return descriptor == STDOUT_FILENO ? OWN_OUTPUT : OWN_ERRORS;
}

void exit(int status) {
  code = status;
  longjmp(over, 1);
}

void exit_by_signal(int from) {
  char number = 0;
  read(from, &number, 1);
  check(number != 0, "a signal ends it only where there was one");
  exit(128 + number);
}

pid_t getppid(void) { return parent_gone ? 1 : 100; }

long long now(void) { return at; }

void seal_process(void) { sealed = true; }

int catch_signals(void) { return SIGNALS; }

void release_signals(void) { released = true; }

// No process of a server is left: orphans.c has them.

DIR *opendir(const char *name) {
  (void)name;
  return NULL;
}

bool read_process(pid_t pid, struct process *process) {
  (void)pid;
  (void)process;
  return false;
}

int open_process_file(pid_t pid, const char *name) {
  (void)pid;
  (void)name;
  return -1;
}

// What must have come of it

static const char HELLO[] = "\x01\x02\0\0\0{}";

/** The payloads of the daemon's DATA frames, as far as they were read and count. */
static struct line expected;

/** Decodes what was received. Returns whether all of it was for a session that has not ended. */
static void read_expected(void) {
  const unsigned char *bytes = (const unsigned char *)from_daemon.bytes;
  size_t left = from_daemon.from;
  while (left >= 5) {
    const size_t length = length_in((const char *)bytes);
    const uint8_t type = bytes[0];
    const bool is_json = type == FRAME_OPEN || type == FRAME_EXIT || type == FRAME_REFUSE;
    if (type == 0 || type > FRAME_TAKEN) return;
    if (length > (is_json || type == FRAME_TAKEN ? MAX_CONTROL : MAX_PAYLOAD)) return;
    bytes += 5;
    left -= 5;
    const size_t present = length < left ? length : left;
    if (type == FRAME_DATA) put(&expected, bytes, present);
    if (is_json && present == length) {
      if (type != FRAME_OPEN || !json_is_valid((struct text){(const char *)bytes, length})) return;
    }
    bytes += present;
    left -= present;
  }
}

/** Whether what the host got are answers that say why there is no session. */
static bool are_answers(void) {
  static const char start[] = "{\"jsonrpc\":\"2.0\",\"id\":";
  for (size_t from = 0; from < to_host.to;) {
    const char *line = to_host.bytes + from;
    const char *end = memchr(line, '\n', to_host.to - from);
    const size_t length = end == NULL ? to_host.to - from : (size_t)(end - line);
    if (memcmp(line, start, length < sizeof start - 1 ? length : sizeof start - 1) != 0) return false;
    if (end != NULL && !json_is_valid((struct text){line, length})) return false;
    from += length + 1;
  }
  return true;
}

static void check_host(void) {
  read_expected();
  const size_t length = to_host.to;
  const bool is_part = length <= expected.to && memcmp(to_host.bytes, expected.bytes, length) == 0;
  check(is_part || (expected.to == 0 && !is_taken() && are_answers()), "the host gets what the daemon sends it, or answers");
  if (!signalled && !output.gone && !parent_gone) check(length >= expected.to, "the host gets all that the daemon sends it");
}

static void check_daemon(void) {
  const struct line *sent = &to_daemon;
  const size_t hello = sizeof HELLO - 1;
  check(memcmp(sent->bytes, HELLO, sent->to < hello ? sent->to : hello) == 0, "HELLO is first");
  size_t host = 0;
  bool ended = false;
  for (size_t from = hello; from < sent->to;) {
    const unsigned char *head = (const unsigned char *)sent->bytes + from;
    check(!ended, "EOF is last");
    if (sent->to - from < 5) return;
    const size_t length = length_in((const char *)head);
    const size_t present = length < sent->to - from - 5 ? length : sent->to - from - 5;
    check(head[0] == FRAME_DATA ? length > 0 : head[0] == FRAME_EOF && length == 0, "the daemon gets DATA, and EOF");
    check(host + length <= from_host.from && memcmp(head + 5, from_host.bytes + host, present) == 0, "the daemon gets what the host sends");
    ended = head[0] == FRAME_EOF;
    host += length;
    from += 5 + present;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  restart();
  script = (struct script){data, size};
  struct line *const lines[] = {&from_daemon, &from_host, &to_host, &to_daemon, &expected};
  for (size_t index = 0; index < sizeof lines / sizeof lines[0]; index++) {
    lines[index]->from = lines[index]->to = 0;
    lines[index]->ended = false;
  }
  const uint8_t kinds = next_byte(&script);
  const uint8_t rooms = next_byte(&script);
  output = (struct end){kinds & 3, (rooms & 1) != 0 ? 0 : STORE, false};
  errors = (struct end){kinds >> 2 & 3, (rooms & 2) != 0 ? 0 : STORE, false};
  frames_room = (rooms & 4) != 0 ? 0 : STORE;
  offered = (rooms & 8) != 0;
  finished = parent_gone = sealed = released = signalled = false;
  pending_count = 0;
  at = 0;
  rounds = 0;
  code = -1;
  if (setjmp(over) == 0) run_session(DAEMON, (struct text){HELLO, sizeof HELLO - 1}, offered, at);
  if (code < 0) check(released && from_host.from == 0 && from_daemon.from == 0, "a session that is given up has read nothing");
  else check(code < 256, "an exit code is one");
  check_host();
  check_daemon();
  return 0;
}
