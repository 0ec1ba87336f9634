#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

extern char first_variable[], last_variable[], first_zeros[], last_zeros[];

/** What lies between two of them. To the compiler these are unrelated, so it is not told what they are. */
struct region {
  char *volatile from;
  char *volatile to;
};

static const struct region variables = {first_variable, last_variable};
static const struct region zeros = {first_zeros, last_zeros};

static size_t length_of(const struct region *region) { return (uintptr_t)region->to - (uintptr_t)region->from; }

/** Memory of other files, whose redzones are not to be written: byte by byte, and unchecked. */
__attribute__((no_sanitize("address", "undefined"))) static void copy(volatile char *to, const volatile char *from, size_t length) {
  for (size_t at = 0; at < length; at++) to[at] = from == NULL ? 0 : from[at];
}

void restart(void) {
  static char *kept;
  const size_t length = length_of(&variables);
  if (kept == NULL) {
    check(length < 1 << 20 && length_of(&zeros) < 1 << 30, "the linker has put variables into another order");
    kept = malloc(length);
    copy(kept, variables.from, length);
    return;
  }
  copy(variables.from, kept, length);
  // The kernel gives whole pages back as zeros; most were never touched.
  const uintptr_t page = 4096;
  char *from = (char *)(((uintptr_t)zeros.from + page - 1) & ~(page - 1));
  char *to = (char *)((uintptr_t)zeros.to & ~(page - 1));
  check(from <= to && madvise(from, (size_t)(to - from), MADV_DONTNEED) == 0, "memory cannot be given back");
  copy(zeros.from, NULL, (size_t)(from - zeros.from));
  copy(to, NULL, (size_t)(zeros.to - to));
}

void check(bool is_right, const char *wrong) {
  if (is_right) return;
  fprintf(stderr, "wrong: %s\n", wrong);
  abort();
}

uint8_t next_byte(struct script *script) {
  if (script->left == 0) return 0;
  script->left--;
  return *script->at++;
}

struct script next_bytes(struct script *script, size_t length) {
  const struct script bytes = {script->at, length < script->left ? length : script->left};
  script->at += bytes.left;
  script->left -= bytes.left;
  return bytes;
}
