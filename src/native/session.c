#include "session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frame.h"
#include "json.h"
#include "orphans.h"
#include "protocol.h"
#include "refusal.h"
#include "signals.h"
#include "stream.h"
#include "system.h"

/** The time between two looks at who the parent is, while nothing is read from the host, in milliseconds. */
#define PARENT_INTERVAL 1000
/** How long standard error may take at the end, in milliseconds. */
#define STDERR_PATIENCE 1000
/** The exit code, as in shells, of a program that wrote to a pipe that nobody reads (128 + SIGPIPE). */
#define BROKEN_PIPE 141
/** How long the host is not read while the daemon says nothing, in milliseconds: one of an earlier build may not. */
#define ANSWER_PATIENCE 2000
#define HEADER ((size_t)5)
/** The most that is read at once, in bytes; also the most that waits for a host that does not read. */
#define CHUNK ((size_t)1 << 18)
/** What may be read of a connection that the daemon has closed: more than the buffer of a socket holds. */
#define REST ((size_t)1 << 22)

static int daemon_socket;
/** Can be read when a signal was received. */
static int signals;
static struct stream output;
static long long start_time;

/** Bytes from the daemon. Of them [host_from, host_to) is what the host has not been given yet. */
static char incoming[REST];
static size_t host_from;
static size_t host_to;
static struct decoder decoder;
/** The daemon has closed its side, or died: what is in the socket is all there will be. */
static bool closing;
static bool closed;

/** Frames for the daemon: [daemon_from, daemon_to). A second frame, EOF, may follow one of data. */
static char outgoing[HEADER + CHUNK + HEADER];
static size_t daemon_from;
static size_t daemon_to;
/** The host asks no more. */
static bool input_ended;

/** The daemon has said something, or has had the time to: from now on the host is read, and this process is sealed. */
static bool answered;

/** The daemon may have taken the host's descriptors, and its first frame, which says so, is not yet here. */
static bool undecided;
/** The daemon reads and writes the host itself: this process waits for the end. */
static bool taken;

/** How the session has ended, once it has. */
static enum { OPEN, EXITED, REFUSED } ended;
static int exit_code;
static struct refusal reason;

// The end

/** Ends the process once everything that was written has been read, or standard error has had its time. */
static _Noreturn void finish_output(int code) {
  while (host_from < host_to) {
    const ssize_t done = write_stream(output, (struct text){incoming + host_from, host_to - host_from});
    if (done >= 0) {
      host_from += (size_t)done;
      continue;
    }
    if (errno != EAGAIN) exit(BROKEN_PIPE);
    struct pollfd wait[] = {
        {output.descriptor, POLLOUT, 0}, {signals, POLLIN, 0}, {has_errors() ? errors_descriptor() : -1, POLLOUT, 0}};
    poll(wait, 3, -1);
    if (wait[1].revents != 0) exit_by_signal(signals);
    if (wait[2].revents != 0) flush_errors();
  }
  const long long deadline = now() + STDERR_PATIENCE;
  for (flush_errors(); has_errors() && now() < deadline; flush_errors()) {
    struct pollfd wait[] = {{errors_descriptor(), POLLOUT, 0}, {signals, POLLIN, 0}};
    poll(wait, 2, (int)(deadline - now()));
    if (wait[1].revents != 0) exit_by_signal(signals);
  }
  exit(code);
}

/** There is a session, or an answer to the host: from here on it may be read. */
static void begin_session(void) {
  if (answered) return;
  answered = true;
  seal_process();
}

/** Ends the process with an error. If the start failed, the host is told as well. */
static _Noreturn void fail(const struct refusal *refusal, bool at_end) {
  begin_session();
  print_refusal(refusal);
  if (is_unanswered()) answer_refused(refusal, output, at_end, start_time, signals);
  finish_output(refusal->exit);
}

/** The daemon has died, or let go of the connection: its servers are ended before anything else is done. */
static _Noreturn void daemon_ended(bool at_end) {
  end_servers();
  const struct refusal refusal = refusal_of("daemon-unreachable", "the daemon ended during the session",
                                            "start the server again from the host; \\\"warder doctor\\\" shows what is wrong");
  struct pollfd received = {signals, POLLIN, 0};
  if (poll(&received, 1, 0) > 0) {
    print_refusal(&refusal);
    exit_by_signal(signals);
  }
  fail(&refusal, at_end);
}

/** The daemon has sent what is no frame, or no JSON. `message` needs no escapes. */
static _Noreturn void malformed(const char *code, const char *message, const char *hint, bool at_end) {
  const struct refusal refusal = refusal_of(code, message, hint);
  fail(&refusal, at_end);
}

// From the daemon to the host

/** Does what a whole frame of the daemon says. */
static void take_frame(const struct piece *piece, bool at_end) {
  bool valid = true;
  if (piece->type == FRAME_TAKEN) {
    taken = taken || undecided;
    if (taken) forget_unanswered();
  } else if (piece->type == FRAME_OPEN) valid = add_server(piece->bytes);
  else if (ended != OPEN) return;
  else if (piece->type == FRAME_REFUSE) {
    // The payload stays: no frame that follows is looked at.
    valid = read_refusal(piece->bytes, &reason);
    ended = REFUSED;
  } else {
    unsigned long long code = 0;
    valid = json_is_valid(piece->bytes);
    if (valid) json_whole_number(json_member(json_value_of(piece->bytes), "exit"), &code);
    exit_code = (int)(code & 0xff);
    ended = EXITED;
  }
  if (!valid) malformed("daemon-internal", "the launcher failed", "the daemon sent a frame that is not JSON", at_end);
}

/** Decodes what was read behind `host_to`, `length` bytes. What is for the host is moved together there. */
static void take_bytes(size_t length, bool at_end) {
  struct text rest = {incoming + host_to, length};
  struct piece piece;
  while (ended == OPEN) {
    char message[96];
    struct buffer said = {message, 0, sizeof message, false};
    switch (decode(&decoder, &rest, &piece)) {
      case DECODED_ALL: return;
      case DECODED_BYTES:
        if (piece.type == FRAME_STDERR) {
          write_error(piece.bytes);
          continue;
        }
        forget_unanswered();
        if (host_from == host_to) host_from = host_to = (size_t)(piece.bytes.at - incoming);
        else if (piece.bytes.at != incoming + host_to) memmove(incoming + host_to, piece.bytes.at, piece.bytes.length);
        host_to += piece.bytes.length;
        continue;
      case DECODED_FRAME: take_frame(&piece, at_end); continue;
      case DECODED_UNKNOWN_TYPE:
        append_string(&said, "frame of unknown type ");
        append_number(&said, piece.type);
        break;
      case DECODED_TOO_LONG:
        append_string(&said, "frame of ");
        append_number(&said, piece.length);
        append_string(&said, " bytes where ");
        append_number(&said, piece.limit);
        append_string(&said, " are allowed");
        break;
    }
    malformed("wire-malformed", finish(&said), NULL, at_end);
  }
}

/** Reads from the daemon: once, or, when it has closed its side, all that is left and fits. */
static void read_daemon(bool at_end) {
  while (!closed && ended == OPEN) {
    if (host_from == host_to) host_from = host_to = 0;
    const size_t room = sizeof incoming - host_to;
    if (room == 0) return;
    const ssize_t got = recv(daemon_socket, incoming + host_to, closing || room < CHUNK ? room : CHUNK, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) closed = true;
    else {
      begin_session();
      take_bytes((size_t)got, at_end);
      // Until the first frame is whole, or is seen to be another.
      const bool has_head = decoder.head_length == sizeof decoder.head;
      if (decoder.head_length == 0 || (has_head && decoder.head[0] != FRAME_TAKEN)) undecided = false;
    }
    if (!closing) return;
  }
}

/** Gives the host what is there for it, as far as that is possible now. */
static void write_host(void) {
  while (host_from < host_to) {
    const ssize_t done = write_stream(output, (struct text){incoming + host_from, host_to - host_from});
    if (done < 0 && errno == EAGAIN) return;
    if (done < 0) exit(BROKEN_PIPE);
    host_from += (size_t)done;
  }
}

// From the host to the daemon

/** Sends what is there for the daemon, as far as that is possible now. */
static void write_daemon(void) {
  while (daemon_from < daemon_to) {
    const ssize_t done = send(daemon_socket, outgoing + daemon_from, daemon_to - daemon_from, MSG_NOSIGNAL);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0 && errno == EAGAIN) return;
    // It is dead: what it has sent before shows how the session has ended.
    if (done < 0) {
      closing = true;
      break;
    }
    daemon_from += (size_t)done;
  }
  daemon_from = daemon_to = 0;
}

/** The host asks no more. The daemon answers what is open, and ends the session. */
static void end_input(void) {
  if (input_ended) return;
  input_ended = true;
  put_header(outgoing + daemon_to, FRAME_EOF, 0);
  daemon_to += HEADER;
  write_daemon();
}

/** Reads once from the host. Nothing waits for the daemon. Returns false at the end of the input. */
static bool read_host(void) {
  const ssize_t got = read(STDIN_FILENO, outgoing + HEADER, CHUNK);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (got <= 0) {
    end_input();
    return false;
  }
  keep_unanswered((struct text){outgoing + HEADER, (size_t)got});
  put_header(outgoing, FRAME_DATA, (size_t)got);
  daemon_to = HEADER + (size_t)got;
  write_daemon();
  return true;
}

/** The first signal ends the session as the end of the input does; a second one does not wait for it. */
static void take_signal(void) {
  char number = 0;
  if (read(signals, &number, 1) != 1) return;
  if (number == SIGHUP || input_ended) exit(128 + number);
  end_input();
}

void run_session(int socket, struct text hello, bool offered, long long started) {
  daemon_socket = socket;
  undecided = offered;
  start_time = started;
  signals = catch_signals();
  if (signals < 0) exit(BROKEN_PIPE);
  memcpy(outgoing, hello.at, hello.length);
  daemon_to = hello.length;
  write_daemon();
  output = open_stream(STDOUT_FILENO);
  const pid_t parent = getppid();
  const long long patience = now() + ANSWER_PATIENCE;
  bool at_end = false;
  bool host_gone = false;

  for (;;) {
    const bool host_waits = host_from < host_to;
    const bool daemon_waits = daemon_from < daemon_to;
    const bool reads_host = answered && !undecided && !taken && !input_ended && !daemon_waits && !closing;
    // Whoever writes the host sees its end too, unless nothing is written.
    const bool watches_host = taken && !host_gone;
    enum { DAEMON, INPUT, OUTPUT, ERRORS, SIGNALS, ALL };
    struct pollfd wait[ALL] = {
        // A death is noticed also while nothing is read.
        [DAEMON] = {closing ? -1 : socket, (short)((host_waits ? 0 : POLLIN) | (daemon_waits ? POLLOUT : 0) | POLLRDHUP), 0},
        [INPUT] = {reads_host ? STDIN_FILENO : -1, POLLIN, 0},
        [OUTPUT] = {host_waits || watches_host ? output.descriptor : -1, host_waits ? POLLOUT : 0, 0},
        [ERRORS] = {has_errors() ? errors_descriptor() : -1, POLLOUT, 0},
        [SIGNALS] = {signals, POLLIN, 0},
    };
    // While nothing is read from the host, the only sign that it was killed is that this process has another parent.
    const bool is_sure = reads_host || watches_host;
    if (poll(wait, ALL, is_sure ? -1 : PARENT_INTERVAL) < 0 && errno != EINTR) exit(BROKEN_PIPE);
    if (watches_host && wait[OUTPUT].revents != 0) host_gone = true;
    if (!is_sure && getppid() != parent) exit(BROKEN_PIPE);
    if (!answered && !undecided && now() >= patience) begin_session();
    if (wait[SIGNALS].revents != 0) take_signal();
    if (wait[ERRORS].revents != 0) flush_errors();
    if (wait[OUTPUT].revents != 0) write_host();
    if ((wait[DAEMON].revents & (POLLHUP | POLLERR | POLLRDHUP)) != 0) closing = true;
    if (closing || (wait[DAEMON].revents & POLLIN) != 0) {
      read_daemon(at_end);
      write_host();
    }
    if (ended == EXITED) finish_output(exit_code);
    if (ended == REFUSED) fail(&reason, at_end);
    if (closed && !answered && !input_ended) {
      release_signals();
      return;
    }
    if (closed) daemon_ended(at_end);
    if ((wait[DAEMON].revents & POLLOUT) != 0) write_daemon();
    if (wait[INPUT].revents != 0 && !input_ended && !closing && daemon_from == daemon_to) at_end = !read_host();
  }
}
