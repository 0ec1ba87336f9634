#include "stream.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "system.h"

struct stream open_stream(int descriptor) {
  struct stat stats;
  struct stream stream = {descriptor, STREAM_OTHER};
  if (fstat(descriptor, &stats) != 0) return stream;
  if (S_ISSOCK(stats.st_mode)) stream.kind = STREAM_SOCKET;
  else if (S_ISFIFO(stats.st_mode)) {
    const int own = reopen_writer(descriptor);
    stream.kind = own < 0 ? STREAM_SHARED_PIPE : STREAM_PIPE;
    if (own >= 0) stream.descriptor = own;
  }
  return stream;
}

ssize_t write_stream(struct stream stream, struct text bytes) {
  for (;;) {
    ssize_t done;
    if (stream.kind == STREAM_SOCKET) done = send(stream.descriptor, bytes.at, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL);
    else if (stream.kind == STREAM_SHARED_PIPE) {
      // A pipe that can be written to takes PIPE_BUF bytes without waiting.
      if (!await_stream(stream, 0)) {
        errno = EAGAIN;
        return -1;
      }
      done = write(stream.descriptor, bytes.at, bytes.length < PIPE_BUF ? bytes.length : PIPE_BUF);
    } else done = write(stream.descriptor, bytes.at, bytes.length);
    if (done >= 0 || errno != EINTR) return done;
  }
}

bool await_stream(struct stream stream, long long milliseconds) {
  struct pollfd wait = {stream.descriptor, POLLOUT, 0};
  return poll(&wait, 1, (int)milliseconds) > 0;
}

/** The bytes that wait: `waiting` of them from `first`, around the end. */
static char ring[MAX_ERRORS];
static size_t first;
static size_t waiting;
static unsigned long long dropped;
static struct stream errors = {-1, STREAM_OTHER};

static void keep(struct text bytes) {
  const size_t at = (first + waiting) % MAX_ERRORS;
  const size_t head = bytes.length < MAX_ERRORS - at ? bytes.length : MAX_ERRORS - at;
  memcpy(ring + at, bytes.at, head);
  memcpy(ring, bytes.at + head, bytes.length - head);
  waiting += bytes.length;
}

void write_error(struct text bytes) {
  if (errors.descriptor < 0) errors = open_stream(STDERR_FILENO);
  char note[128];
  struct buffer said = {note, 0, sizeof note, false};
  if (dropped > 0) {
    append_string(&said, "\nwarder: ");
    append_number(&said, dropped);
    append_string(&said, " bytes of standard error were dropped: nobody read it\n");
  }
  if (said.length + bytes.length > MAX_ERRORS - waiting) {
    dropped += bytes.length;
    return;
  }
  dropped = 0;
  keep((struct text){note, said.length});
  keep(bytes);
  flush_errors();
}

bool has_errors(void) { return waiting > 0; }

int errors_descriptor(void) { return errors.descriptor; }

void flush_errors(void) {
  while (waiting > 0) {
    const size_t length = waiting < MAX_ERRORS - first ? waiting : MAX_ERRORS - first;
    const ssize_t done = write_stream(errors, (struct text){ring + first, length});
    if (done < 0 && errno == EAGAIN) return;
    // Nobody will ever read it.
    if (done < 0) waiting = 0;
    else waiting -= (size_t)done;
    first = waiting == 0 ? 0 : (first + (size_t)done) % MAX_ERRORS;
  }
}
