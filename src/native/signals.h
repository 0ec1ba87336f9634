// The signals that end a session.
#ifndef WARDER_SIGNALS_H
#define WARDER_SIGNALS_H

/**
 * Catches SIGHUP, SIGINT and SIGTERM: a descriptor from which the number of each can be read, one byte, or -1. What a parent has
 * blocked or ignored counts for nothing, as in Node.
 */
int catch_signals(void);

/** Signals do again what they did before, one that was caught meanwhile too. */
void release_signals(void);

/** Ends the process as by the signal that `signals`, a pipe's end, has received. */
_Noreturn void exit_by_signal(int signals);

#endif
