// Two short programs that become another one, for the start of a server's sandbox: src/sandbox/linux/hold.ts.
//
//     --warder-enter COUNT FILE... PROGRAM ARGUMENT...
//         enters control groups by writing to their files. A process that moves itself does not wait for all others, as one
//         that is moved does.
//     --warder-hold FILE CHANNEL PROGRAM ARGUMENT...
//         in the sandbox: says on CHANNEL that it is there, and waits for an answer. So all that confines it is in force and can
//         be measured before the first instruction of PROGRAM. FILE is the descriptor of this program.
//
// On any failure it exits without becoming the program.
#include "hold.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char ENTER[] = "--warder-enter";
static const char HOLD[] = "--warder-hold";

enum { MAX_GROUPS = 16, MAX_DESCRIPTOR = 1 << 20 };

static void say(const char *text) { (void)!write(STDERR_FILENO, text, strlen(text)); }

static _Noreturn void fail(const char *what, const char *name) {
  const char *reason = strerror(errno);
  say("warder: ");
  say(what);
  say(" ");
  say(name);
  say(": ");
  say(reason);
  say("\n");
  _exit(1);
}

/** A number from `least` to `most`; -1 for everything else. */
static int number_of(const char *text, int least, int most) {
  int number = 0;
  if (*text == '\0') return -1;
  for (; *text != '\0'; text++) {
    if (*text < '0' || *text > '9' || number > most) return -1;
    number = number * 10 + (*text - '0');
  }
  return number < least || number > most ? -1 : number;
}

/** Moves this process to a control group: 0 stands for whoever writes. */
static void enter(const char *file) {
  const int group = open(file, O_WRONLY | O_CLOEXEC);
  if (group < 0 || write(group, "0", 1) != 1) fail("cannot enter the control group", file);
  close(group);
}

/** Returns when the daemon lets the program run. */
static void wait_on(int channel) {
  char answer = '0';
  if (write(channel, "1", 1) != 1) _exit(1);
  ssize_t got;
  do got = read(channel, &answer, 1);
  while (got < 0 && errno == EINTR);
  // The daemon has gone, or has refused.
  if (got != 1 || answer != '1') _exit(1);
}

void run_stage(int argc, char **argv) {
  int program = 0;
  if (argc >= 4 && strcmp(argv[1], ENTER) == 0) {
    const int count = number_of(argv[2], 1, MAX_GROUPS);
    program = 3 + count;
    if (count < 0 || argc <= program) return;
    for (int at = 3; at < program; at++) enter(argv[at]);
  } else if (argc >= 5 && strcmp(argv[1], HOLD) == 0) {
    const int file = number_of(argv[2], STDERR_FILENO + 1, MAX_DESCRIPTOR);
    const int channel = number_of(argv[3], STDERR_FILENO + 1, MAX_DESCRIPTOR);
    if (file < 0 || channel < 0) return;
    program = 4;
    close(file);
    wait_on(channel);
    close(channel);
  } else {
    return;
  }
  // A script without a first line is run by the shell, as bubblewrap does.
  execvp(argv[program], argv + program);
  fail("cannot execute", argv[program]);
}
