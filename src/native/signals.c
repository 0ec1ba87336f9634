#include "signals.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "system.h"

static int signals = -1;
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

int catch_signals(void) {
  int ends[2];
  if (!open_pipe(ends)) return -1;
  signals = ends[0];
  signal_pipe = ends[1];
  const struct sigaction catch = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  const struct sigaction ignore = {.sa_handler = SIG_IGN};
  for (size_t index = 0; index < CAUGHT; index++) sigaction(caught[index], &catch, &inherited[index]);
  for (size_t index = 0; index < IGNORED; index++) sigaction(ignored[index], &ignore, &inherited[CAUGHT + index]);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, &inherited_mask);
  return signals;
}

void release_signals(void) {
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
