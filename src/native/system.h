// What differs between Linux and macOS.
#ifndef WARDER_SYSTEM_H
#define WARDER_SYSTEM_H

#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "text.h"

#ifdef __APPLE__
#define STATE_VARIABLE ((const char *)NULL)
#define STATE_FOLDER "Library/Application Support"
#else
#define STATE_VARIABLE "XDG_STATE_HOME"
#define STATE_FOLDER ".local/state"
#endif

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif
#ifndef POLLRDHUP
#define POLLRDHUP 0
#endif

/** Closes every descriptor beyond standard error when another program is executed. */
void close_on_exec(void);

/**
 * Takes from this process what would let another of the same user read it: core dumps, and being traced. Overwrites the
 * environment: a host may have put keys there, and a session needs none of it.
 */
void seal_process(void);

/** A Unix stream socket that is not blocking and closed on exec; -1 on failure. */
int open_socket(void);

/** A pipe whose ends are not blocking and closed on exec. False on failure. */
bool open_pipe(int ends[2]);

/**
 * Another open file description of a pipe's writing end, one that is not blocking: the flags of the one that was inherited are
 * shared with others. -1 where there is none to be had.
 */
int reopen_writer(int descriptor);

/** The path of this program's file. False where it is unknown. */
bool own_path(struct buffer *path);

/** The time since the machine started, in milliseconds. */
long long now(void);

#endif
