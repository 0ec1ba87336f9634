// JSON text (RFC 8259), read in place and written. Nothing is built of what is read: members are spans of the text.
#ifndef WARDER_JSON_H
#define WARDER_JSON_H

#include "text.h"

/** The most bytes of a JSON text that is read here. */
#define JSON_LIMIT ((size_t)1 << 22)

enum json_kind { JSON_NONE, JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_WORD };

/** A value in its text. Of a string, `text` is what stands between the quotes, with its escapes. */
struct json_value {
  enum json_kind kind;
  struct text text;
};

/** Whether `text` is one JSON value, with space around it, and no longer than JSON_LIMIT. Bytes that are not UTF-8 may be in strings. */
bool json_is_valid(struct text text);

/** The value of a valid JSON text. */
struct json_value json_value_of(struct text text);

/** The next element of an array; `*rest` begins as the array's text. JSON_NONE after the last. */
struct json_value json_element(struct text *rest);

/** The last member of a valid object with a name, as in JavaScript; JSON_NONE if there is none, or `object` is no object. */
struct json_value json_member(struct json_value object, const char *name);

/** The value of a number that is a whole one, from 0 to 2^53. False for anything else. */
bool json_whole_number(struct json_value value, unsigned long long *number);

/** Appends what the escapes of a string stand for. Half surrogate pairs and bytes that are not UTF-8 become U+FFFD. */
void json_decode(struct buffer *to, struct text string);

/** Appends a string of a JSON text as `JSON.stringify` writes it, with quotes: only the spelling of its escapes may change. */
void json_rewrite(struct buffer *to, struct text string);

/** Appends UTF-8 as a JSON string, with quotes, as `JSON.stringify` writes it. */
void json_quote(struct buffer *to, struct text text);

#endif
