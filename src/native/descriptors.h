// Standard input and output, handed to the daemon: it then reads and writes the host itself, and this process only waits.
// Not everything is handed over: a terminal, a file or a device never, nor a socket that others may have too, because the
// daemon sets O_NONBLOCK on it, for all who have it. Of a pipe the daemon opens an end of its own.
#ifndef WARDER_DESCRIPTORS_H
#define WARDER_DESCRIPTORS_H

#include "place.h"

/** A one-time number in hexadecimal, with the NUL. */
#define DESCRIPTORS_NUMBER 33

/**
 * Sends copies of standard input and output to the daemon at the other end of `connection`, which takes them once a HELLO names
 * their number. That is written to `number`. False where they are not handed over.
 */
bool offer_descriptors(const struct places *places, int connection, char number[DESCRIPTORS_NUMBER]);

#endif
