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

/** How the session has ended, once it has. */
static enum { OPEN, EXITED, REFUSED } ended;
static int exit_code;
static struct refusal reason;

// Signals

static int signal_pipe;
/** SIGHUP, SIGINT and SIGTERM can be read from `signals`, the others are ignored. */
static const int caught[] = {SIGHUP, SIGINT, SIGTERM};
/** With SIGUSR1 Node opens its inspector, and the launcher in Node ignores it. */
static const int ignored[] = {SIGPIPE, SIGUSR1};
#define CAUGHT (sizeof caught / sizeof caught[0])
#define IGNORED (sizeof ignored / sizeof ignored[0])
/** What is put back where there is no session: a program that is executed keeps what is ignored and blocked. */
static struct sigaction inherited[CAUGHT + IGNORED];
static sigset_t inherited_mask;

static void on_signal(int number) {
  const int kept = errno;
  const char byte = (char)number;
  (void)!write(signal_pipe, &byte, 1);
  errno = kept;
}

/** What a parent has blocked or ignored counts for nothing, as in Node. */
static void catch_signals(void) {
  int ends[2];
  if (!open_pipe(ends)) exit(BROKEN_PIPE);
  signals = ends[0];
  signal_pipe = ends[1];
  const struct sigaction catch = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  const struct sigaction ignore = {.sa_handler = SIG_IGN};
  for (size_t index = 0; index < CAUGHT; index++) sigaction(caught[index], &catch, &inherited[index]);
  for (size_t index = 0; index < IGNORED; index++) sigaction(ignored[index], &ignore, &inherited[CAUGHT + index]);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, &inherited_mask);
}

/** Signals do again what they did before, one that was caught meanwhile too. */
static void release_signals(void) {
  for (size_t index = 0; index < CAUGHT; index++) sigaction(caught[index], &inherited[index], NULL);
  for (size_t index = 0; index < IGNORED; index++) sigaction(ignored[index], &inherited[CAUGHT + index], NULL);
  sigprocmask(SIG_SETMASK, &inherited_mask, NULL);
  char number = 0;
  while (read(signals, &number, 1) == 1) raise(number);
}

void exit_by_signal(int from) {
  char number = 0;
  (void)!read(from, &number, 1);
  exit(128 + number);
}

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

/** Ends the process with an error. If the start failed, the host is told as well. */
static _Noreturn void fail(const struct refusal *refusal, bool at_end) {
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
  if (piece->type == FRAME_OPEN) valid = add_server(piece->bytes);
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

/** There is a session. */
static void begin_session(void) {
  if (answered) return;
  answered = true;
  seal_process();
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

void run_session(int socket, struct text hello, long long started) {
  daemon_socket = socket;
  start_time = started;
  catch_signals();
  memcpy(outgoing, hello.at, hello.length);
  daemon_to = hello.length;
  write_daemon();
  output = open_stream(STDOUT_FILENO);
  const pid_t parent = getppid();
  const long long patience = now() + ANSWER_PATIENCE;
  bool at_end = false;

  for (;;) {
    const bool host_waits = host_from < host_to;
    const bool daemon_waits = daemon_from < daemon_to;
    const bool reads_host = answered && !input_ended && !daemon_waits && !closing;
    enum { DAEMON, INPUT, OUTPUT, ERRORS, SIGNALS, ALL };
    struct pollfd wait[ALL] = {
        // A death is noticed also while nothing is read.
        [DAEMON] = {closing ? -1 : socket, (short)((host_waits ? 0 : POLLIN) | (daemon_waits ? POLLOUT : 0) | POLLRDHUP), 0},
        [INPUT] = {reads_host ? STDIN_FILENO : -1, POLLIN, 0},
        [OUTPUT] = {host_waits ? output.descriptor : -1, POLLOUT, 0},
        [ERRORS] = {has_errors() ? errors_descriptor() : -1, POLLOUT, 0},
        [SIGNALS] = {signals, POLLIN, 0},
    };
    // While nothing is read from the host, the only sign that it was killed is that this process has another parent.
    if (poll(wait, ALL, reads_host ? -1 : PARENT_INTERVAL) < 0 && errno != EINTR) exit(BROKEN_PIPE);
    if (!reads_host && getppid() != parent) exit(BROKEN_PIPE);
    if (!answered && now() >= patience) begin_session();
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
    if (wait[INPUT].revents != 0 && !closing && daemon_from == daemon_to) at_end = !read_host();
  }
}
