// One session: copies bytes between the host and the daemon until one side ends, and ends the process as the session ended.
// As src/launcher.ts does it in Node.
#ifndef WARDER_SESSION_H
#define WARDER_SESSION_H

#include "text.h"

/**
 * `socket`: connected to the daemon; `hello`: the HELLO frame, with its header. `offered`: it names descriptors that the daemon
 * may take. `started`: when the process was started, as `now` says. Returns where the daemon has ended, or let go of the
 * connection, before it answered: nothing was read from the host yet, and signals do again what they did before.
 */
void run_session(int socket, struct text hello, bool offered, long long started);

#endif
