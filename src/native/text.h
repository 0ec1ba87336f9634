// Bytes with a length, and a buffer of fixed size that text is appended to.
#ifndef WARDER_TEXT_H
#define WARDER_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/** Bytes that somebody else owns. Not terminated. */
struct text {
  const char *at;
  size_t length;
};

/** What has been appended so far. `full`: something did not fit, and was left out. */
struct buffer {
  char *at;
  size_t length;
  size_t size;
  bool full;
};

static inline struct text text_of(const char *string) { return (struct text){string, strlen(string)}; }

static inline void append(struct buffer *to, const char *bytes, size_t length) {
  if (to->full || length > to->size - to->length) {
    to->full = true;
    return;
  }
  memcpy(to->at + to->length, bytes, length);
  to->length += length;
}

static inline void append_text(struct buffer *to, struct text text) { append(to, text.at, text.length); }

static inline void append_string(struct buffer *to, const char *string) { append(to, string, strlen(string)); }

/** Decimal digits. */
static inline void append_number(struct buffer *to, unsigned long long number) {
  char digits[20];
  size_t at = sizeof digits;
  do {
    digits[--at] = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  append(to, digits + at, sizeof digits - at);
}

/** The last so many hexadecimal digits of a number. */
static inline void append_hex(struct buffer *to, unsigned long long number, unsigned digits) {
  while (digits-- > 0) append(to, &"0123456789abcdef"[number >> 4 * digits & 15], 1);
}

/** Appends a NUL and returns the text as a string; NULL if it did not fit. */
static inline const char *finish(struct buffer *buffer) {
  append(buffer, "", 1);
  return buffer->full ? NULL : buffer->at;
}

#endif
