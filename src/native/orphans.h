// The servers of a daemon that has died: the launcher ends them, since nobody else would before the next daemon starts. As
// src/os/orphans.ts and src/os/proc.ts.
#ifndef WARDER_ORPHANS_H
#define WARDER_ORPHANS_H

#include "text.h"

/** Remembers a server that the daemon has announced: the payload of an OPEN frame. False where it is not JSON. */
bool add_server(struct text payload);

/** Ends the servers: SIGTERM to each with all its processes, and two seconds later SIGKILL to those that remain. */
void end_servers(void);

#endif
