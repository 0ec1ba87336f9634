// What the fuzz targets share. Each is one file that has LLVMFuzzerTestOneInput; scripts/native/fuzz.js compiles it together with
// files of src/native/, in which calls of the system are calls of the target's own.
#ifndef WARDER_FUZZ_H
#define WARDER_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Puts all variables of the program's files back to what they are when it starts: a session runs once in a process. */
void restart(void);

/** Ends the run with what is wrong, unless it is right. */
void check(bool is_right, const char *wrong);

/** The rest of an input, which says what happens. Reads zeros behind its end. */
struct script {
  const uint8_t *at;
  size_t left;
};

uint8_t next_byte(struct script *script);

/** The next bytes, at most `length`. */
struct script next_bytes(struct script *script, size_t length);

#endif
