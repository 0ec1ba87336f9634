// Where the daemon is, and whether a session with it may be opened from here. As src/wire/places.ts, src/os/socket.ts
// and src/os/connect.ts have it for the launcher in Node.
#ifndef WARDER_PLACE_H
#define WARDER_PLACE_H

#include "text.h"

/** The longest path here, in bytes, with the NUL. */
#define MAX_PATH 4096

struct places {
  char run[MAX_PATH];
  char socket[MAX_PATH];
  char lock[MAX_PATH];
};

/**
 * Derives the paths from the environment. False where they do not follow from it alone, or an error is due: the launcher in
 * Node knows more.
 */
bool find_places(struct places *places);

/**
 * Connects to the daemon. Returns a descriptor that is not blocking and closed on exec; -1 where none runs, where it speaks
 * another protocol, where another build is in its place, or where its socket is not safe.
 */
int dial(const struct places *places);

#endif
