// What is written to a host: to the descriptors of standard output and error, which others may share. No flag of theirs is
// changed, and no write holds up the rest, except to a file or a terminal.
#ifndef WARDER_STREAM_H
#define WARDER_STREAM_H

#include <sys/types.h>

#include "text.h"

struct stream {
  /** What is written to and waited for. */
  int descriptor;
  enum { STREAM_SOCKET, STREAM_PIPE, STREAM_SHARED_PIPE, STREAM_OTHER } kind;
};

struct stream open_stream(int descriptor);

/** Writes some of it. Returns how many bytes, or -1 with `errno`, EAGAIN where nothing can be written now. */
ssize_t write_stream(struct stream stream, struct text bytes);

/** Waits until something can be written, or for some milliseconds; -1 is for ever. */
bool await_stream(struct stream stream, long long milliseconds);

/** Standard error keeps this many bytes for a host that does not read it. */
#define MAX_ERRORS ((size_t)1 << 20)

/** Writes to standard error, now or later. What is beyond MAX_ERRORS is dropped, and counted where the rest is read. */
void write_error(struct text bytes);

/** Whether something waits to be written to standard error. */
bool has_errors(void);

/** Writes what waits, as far as that is possible now. */
void flush_errors(void);

/** The descriptor to wait for. */
int errors_descriptor(void);

#endif
