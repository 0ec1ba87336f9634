// UTF-8 (RFC 3629), and what becomes of bytes that are none.
#ifndef WARDER_UTF8_H
#define WARDER_UTF8_H

#include "text.h"

/**
 * The length, 1 to 4, of the character that `text` begins with; `text` is not empty. 0 if these bytes are no character:
 * `*invalid` of them are then one error, as the WHATWG Encoding Standard counts them (a maximal subpart).
 */
static inline size_t utf8_character(struct text text, size_t *invalid) {
  const unsigned char *at = (const unsigned char *)text.at;
  *invalid = 1;
  if (at[0] < 0x80) return 1;
  if (at[0] < 0xc2 || at[0] > 0xf4) return 0;
  const size_t length = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
  // No longer form than is needed, no surrogates, and nothing beyond U+10FFFF.
  const unsigned char low = at[0] == 0xe0 ? 0xa0 : at[0] == 0xf0 ? 0x90 : 0x80;
  const unsigned char high = at[0] == 0xed ? 0x9f : at[0] == 0xf4 ? 0x8f : 0xbf;
  for (size_t index = 1; index < length; index++) {
    if (index >= text.length) return 0;
    if (at[index] < (index == 1 ? low : 0x80) || at[index] > (index == 1 ? high : 0xbf)) return 0;
    *invalid = index + 1;
  }
  return length;
}

/** Whether all of it is UTF-8. */
static inline bool is_utf8(struct text text) {
  while (text.length > 0) {
    size_t invalid;
    const size_t length = utf8_character(text, &invalid);
    if (length == 0) return false;
    text.at += length;
    text.length -= length;
  }
  return true;
}

#endif
