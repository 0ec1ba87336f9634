// The plain pass-through of the benchmarks: `pass pipe|socket COMMAND…` starts a server with pipes, or with sockets, and
// moves bytes both ways, and nothing else. What it adds is what any program between a host and its server adds at least.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static char bytes[1 << 18];

// Moves what there is to read; 0 at the end.
static int move(int from, int to) {
  ssize_t length = read(from, bytes, sizeof bytes);
  if (length < 0) return errno == EINTR;
  for (ssize_t at = 0; at < length;) {
    ssize_t wrote = write(to, bytes + at, (size_t)(length - at));
    if (wrote < 0 && errno != EINTR) return 0;
    if (wrote > 0) at += wrote;
  }
  return length > 0;
}

// Two ends of a pipe, or of a socket: to read from, and to write to.
static void ends(int of[2], int sockets) {
  if (sockets ? socketpair(AF_UNIX, SOCK_STREAM, 0, of) : pipe(of)) exit(1);
}

int main(int argc, char **argv) {
  if (argc < 3) return 64;
  int in[2], out[2];
  ends(in, strcmp(argv[1], "socket") == 0);
  ends(out, strcmp(argv[1], "socket") == 0);
  signal(SIGPIPE, SIG_IGN);
  pid_t child = fork();
  if (child < 0) return 1;
  if (child == 0) {
    dup2(in[0], 0);
    dup2(out[1], 1);
    for (int at = 0; at < 2; at++) close(in[at]), close(out[at]);
    signal(SIGPIPE, SIG_DFL);
    execvp(argv[2], argv + 2);
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  struct pollfd watched[2] = {{.fd = 0, .events = POLLIN}, {.fd = out[0], .events = POLLIN}};
  for (;;) {
    if (poll(watched, 2, -1) < 0 && errno != EINTR) return 1;
    if (watched[0].revents && !move(0, in[1])) {
      close(in[1]);
      watched[0].fd = -1;
    }
    if (watched[1].revents && !move(out[0], 1)) break;
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
