// Two short programs that become another one, for the start of a server's sandbox: src/sandbox/linux/hold.ts.
//
//     --warder-enter COUNT FILE... PROGRAM ARGUMENT...
//         enters control groups by writing to their files. A process that moves itself does not wait for all others, as one
//         that is moved does.
//     --warder-hold FILE CHANNEL PROGRAM ARGUMENT...
//         in the sandbox: says on CHANNEL that it is there, and waits for an answer. So all that confines it is in force and can
//         be measured before the first instruction of PROGRAM. FILE is the descriptor of this program.
//     --warder-hold FILE CHANNEL
//         the same, for a sandbox that is there before anybody knows its program: what that is comes on CHANNEL with the answer.
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

// What comes of a program: two numbers of four bytes each, the lowest byte first, and then texts that each end with a NUL.
enum { PROGRAM_HEAD = 8, MAX_PROGRAM = 1 << 21 };

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

/** Reads as many bytes, or ends this process. */
static void read_all(int channel, unsigned char *to, size_t length) {
  for (size_t at = 0; at < length;) {
    const ssize_t got = read(channel, to + at, length - at);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) _exit(1);
    at += (size_t)got;
  }
}

static size_t number_at(const unsigned char *bytes) {
  return (size_t)bytes[0] | (size_t)bytes[1] << 8 | (size_t)bytes[2] << 16 | (size_t)bytes[3] << 24;
}

/**
 * Reads a program: the length of all texts, how many of them are its words, and the texts: the folder that it runs in, its words,
 * its variables. Returns the words; the folder is entered and the variables are set.
 */
static char **receive_program(int channel) {
  unsigned char head[PROGRAM_HEAD];
  read_all(channel, head, sizeof head);
  const size_t length = number_at(head);
  const size_t words = number_at(head + 4);
  if (length == 0 || length > MAX_PROGRAM || words == 0 || words > length) _exit(1);
  unsigned char *const texts = malloc(length);
  char **const argv = calloc(words + 1, sizeof *argv);
  if (texts == NULL || argv == NULL) _exit(1);
  read_all(channel, texts, length);
  if (texts[length - 1] != '\0') _exit(1);
  char *const folder = (char *)texts;
  char *const end = folder + length;
  char *text = folder + strlen(folder) + 1;
  for (size_t at = 0; at < words; at++, text += strlen(text) + 1) {
    if (text >= end) _exit(1);
    argv[at] = text;
  }
  if (chdir(folder) != 0) fail("cannot enter the folder", folder);
  // bubblewrap has set this one, whatever a profile says, and nothing else.
  const char *const own = getenv("PWD");
  for (; text < end; text += strlen(text) + 1) {
    if (own != NULL && strncmp(text, "PWD=", 4) == 0) continue;
    if (putenv(text) != 0) _exit(1);
  }
  return argv;
}

void run_stage(int argc, char **argv) {
  int program = 0;
  if (argc >= 4 && strcmp(argv[1], ENTER) == 0) {
    const int count = number_of(argv[2], 1, MAX_GROUPS);
    program = 3 + count;
    if (count < 0 || argc <= program) return;
    for (int at = 3; at < program; at++) enter(argv[at]);
  } else if (argc >= 4 && strcmp(argv[1], HOLD) == 0) {
    const int file = number_of(argv[2], STDERR_FILENO + 1, MAX_DESCRIPTOR);
    const int channel = number_of(argv[3], STDERR_FILENO + 1, MAX_DESCRIPTOR);
    if (file < 0 || channel < 0) return;
    close(file);
    wait_on(channel);
    if (argc > 4) {
      program = 4;
    } else {
      argv = receive_program(channel);
      program = 0;
    }
    close(channel);
  } else {
    return;
  }
  // A script without a first line is run by the shell, as bubblewrap does.
  execvp(argv[program], argv + program);
  fail("cannot execute", argv[program]);
}
