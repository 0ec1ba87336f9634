#include "json.h"

#include "utf8.h"

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static void skip(struct text *text, size_t length) {
  text->at += length;
  text->length -= length;
}

static void skip_space(struct text *text) {
  while (text->length > 0 && is_space(*text->at)) skip(text, 1);
}

static bool take(struct text *text, char c) {
  if (text->length == 0 || *text->at != c) return false;
  skip(text, 1);
  return true;
}

/** The value of four hexadecimal digits; -1 if they are none. */
static int hex4(struct text text) {
  if (text.length < 4) return -1;
  int value = 0;
  for (size_t index = 0; index < 4; index++) {
    const char c = text.at[index];
    const int digit = is_digit(c)             ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

/** Takes a string, and sets `*inside` to what is between its quotes. */
static bool take_string(struct text *text, struct text *inside) {
  if (!take(text, '"')) return false;
  inside->at = text->at;
  while (text->length > 0) {
    const char c = *text->at;
    if (c == '"') {
      inside->length = (size_t)(text->at - inside->at);
      skip(text, 1);
      return true;
    }
    if ((unsigned char)c < 0x20) return false;
    skip(text, 1);
    if (c != '\\') continue;
    if (text->length == 0) return false;
    const char escape = *text->at;
    skip(text, 1);
    if (escape == 'u') {
      if (hex4(*text) < 0) return false;
      skip(text, 4);
    } else if (memchr("\"\\/bfnrt", escape, 8) == NULL) return false;
  }
  return false;
}

static bool take_digits(struct text *text) {
  if (text->length == 0 || !is_digit(*text->at)) return false;
  while (text->length > 0 && is_digit(*text->at)) skip(text, 1);
  return true;
}

static bool take_number(struct text *text) {
  take(text, '-');
  if (!take(text, '0') && !take_digits(text)) return false;
  if (take(text, '.') && !take_digits(text)) return false;
  if (take(text, 'e') || take(text, 'E')) {
    if (!take(text, '+')) take(text, '-');
    return take_digits(text);
  }
  return true;
}

static bool take_word(struct text *text) {
  static const char *const words[] = {"true", "false", "null"};
  for (size_t index = 0; index < 3; index++) {
    const size_t length = strlen(words[index]);
    if (text->length < length || memcmp(text->at, words[index], length) != 0) continue;
    skip(text, length);
    return true;
  }
  return false;
}

/** One bit for each level of nesting: whether it is an object. There are no more levels than bytes. */
static unsigned char levels[JSON_LIMIT / 8 + 1];

/** Takes one value, however deep it nests. `text` is no longer than JSON_LIMIT. */
static bool take_value(struct text *text, struct json_value *value) {
  size_t depth = 0;
  const char *start = NULL;
  value->kind = JSON_NONE;
  for (;;) {
    // At the beginning of a value.
    skip_space(text);
    if (text->length == 0) return false;
    const char c = *text->at;
    struct text inside = {text->at, 0};
    if (start == NULL) {
      start = text->at;
      value->kind = c == '{'   ? JSON_OBJECT
                    : c == '[' ? JSON_ARRAY
                    : c == '"' ? JSON_STRING
                    : c == '-' || is_digit(c) ? JSON_NUMBER
                                              : JSON_WORD;
    }
    bool opened = false;
    if (c == '{' || c == '[') {
      skip(text, 1);
      if (depth / 8 >= sizeof levels) return false;
      const unsigned char bit = (unsigned char)(1u << (depth % 8));
      if (c == '{') levels[depth / 8] |= bit;
      else levels[depth / 8] &= (unsigned char)~bit;
      depth++;
      opened = true;
    } else if (c == '"') {
      if (!take_string(text, &inside)) return false;
    } else if (c == '-' || is_digit(c)) {
      if (!take_number(text)) return false;
    } else if (!take_word(text)) return false;
    // Behind a value, or behind the beginning of an object or array.
    for (;;) {
      if (depth == 0) {
        value->text = value->kind == JSON_STRING ? inside : (struct text){start, (size_t)(text->at - start)};
        return true;
      }
      const bool in_object = (levels[(depth - 1) / 8] >> ((depth - 1) % 8) & 1) != 0;
      skip_space(text);
      if (take(text, in_object ? '}' : ']')) {
        depth--;
        opened = false;
        continue;
      }
      if (!opened && !take(text, ',')) return false;
      if (in_object) {
        skip_space(text);
        if (!take_string(text, &inside)) return false;
        skip_space(text);
        if (!take(text, ':')) return false;
      }
      break;
    }
  }
}

bool json_is_valid(struct text text) {
  struct json_value value;
  if (text.length > JSON_LIMIT || !take_value(&text, &value)) return false;
  skip_space(&text);
  return text.length == 0;
}

struct json_value json_value_of(struct text text) {
  struct json_value value;
  if (!take_value(&text, &value)) value.kind = JSON_NONE;
  return value;
}

struct json_value json_element(struct text *rest) {
  struct json_value value = {JSON_NONE, {NULL, 0}};
  if (rest->length == 0) return value;
  // "[" or ",".
  skip(rest, 1);
  if (!take_value(rest, &value)) {
    // "]" follows: the array is empty, or was read to its end.
    rest->length = 0;
    value.kind = JSON_NONE;
    return value;
  }
  skip_space(rest);
  return value;
}

/** The next code unit of UTF-16 that an escape stands for; -1 if `*string` begins with none. */
static int take_escape(struct text *string) {
  if (string->length < 2 || *string->at != '\\') return -1;
  const char escape = string->at[1];
  if (escape == 'u') {
    const int unit = hex4((struct text){string->at + 2, string->length - 2});
    if (unit >= 0) skip(string, 6);
    return unit;
  }
  skip(string, 2);
  switch (escape) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return (unsigned char)escape;
  }
}

/** Whether a string of a JSON text is `name`, which is ASCII, however it is spelled. */
static bool is_name(struct text string, const char *name) {
  for (; *name != '\0'; name++) {
    if (string.length == 0) return false;
    int unit = take_escape(&string);
    if (unit < 0) {
      unit = (unsigned char)*string.at;
      skip(&string, 1);
    }
    if (unit != *name) return false;
  }
  return string.length == 0;
}

struct json_value json_member(struct json_value object, const char *name) {
  struct json_value found = {JSON_NONE, {NULL, 0}};
  if (object.kind != JSON_OBJECT) return found;
  struct text rest = object.text;
  skip(&rest, 1);
  struct text key;
  for (skip_space(&rest); take_string(&rest, &key); skip_space(&rest)) {
    struct json_value value;
    skip_space(&rest);
    if (!take(&rest, ':') || !take_value(&rest, &value)) break;
    if (is_name(key, name)) found = value;
    skip_space(&rest);
    if (!take(&rest, ',')) break;
  }
  return found;
}

bool json_whole_number(struct json_value value, unsigned long long *number) {
  if (value.kind != JSON_NUMBER) return false;
  unsigned long long sum = 0;
  for (size_t index = 0; index < value.text.length; index++) {
    if (!is_digit(value.text.at[index])) return false;
    sum = sum * 10 + (unsigned)(value.text.at[index] - '0');
    if (sum > 1ull << 53) return false;
  }
  *number = sum;
  return true;
}

static const char REPLACEMENT[] = "\xef\xbf\xbd";

/** Appends a character beyond the surrogates as UTF-8. */
static void append_character(struct buffer *to, unsigned point) {
  char bytes[4];
  size_t length;
  if (point < 0x80) {
    bytes[0] = (char)point;
    length = 1;
  } else if (point < 0x800) {
    bytes[0] = (char)(0xc0 | point >> 6);
    length = 2;
  } else if (point < 0x10000) {
    bytes[0] = (char)(0xe0 | point >> 12);
    length = 3;
  } else {
    bytes[0] = (char)(0xf0 | point >> 18);
    length = 4;
  }
  for (size_t index = 1; index < length; index++)
    bytes[index] = (char)(0x80 | (point >> (6 * (length - 1 - index)) & 0x3f));
  append(to, bytes, length);
}

/** Appends a character as it stands in a string of `JSON.stringify`; `point` may be half of a surrogate pair. */
static void append_escaped(struct buffer *to, unsigned point) {
  static const char short_forms[] = "btn\0fr";
  if (point == '"' || point == '\\') {
    append(to, "\\", 1);
    append_character(to, point);
  } else if (point >= 8 && point <= 13 && point != 11) {
    append(to, "\\", 1);
    append(to, &short_forms[point - 8], 1);
  } else if (point < 0x20 || (point >= 0xd800 && point <= 0xdfff)) {
    char bytes[sizeof "\\u0000" - 1];
    struct buffer escape = {.at = bytes, .size = sizeof bytes};
    append_string(&escape, "\\u");
    append_hex(&escape, point, 4);
    append(to, bytes, sizeof bytes);
  } else append_character(to, point);
}

/** Appends a string of a JSON text: what it stands for, or, `escaped`, as `JSON.stringify` writes that. */
static void append_json_string(struct buffer *to, struct text string, bool escaped) {
  while (string.length > 0 && !to->full) {
    const int unit = take_escape(&string);
    if (unit < 0) {
      size_t invalid;
      const size_t length = utf8_character(string, &invalid);
      if (length == 0) append_string(to, REPLACEMENT);
      else append(to, string.at, length);
      skip(&string, length == 0 ? invalid : length);
      continue;
    }
    unsigned point = (unsigned)unit;
    if (point >= 0xd800 && point <= 0xdbff) {
      struct text after = string;
      const int low = take_escape(&after);
      if (low >= 0xdc00 && low <= 0xdfff) {
        point = 0x10000 + ((point - 0xd800) << 10) + ((unsigned)low - 0xdc00);
        string = after;
      }
    }
    if (escaped) append_escaped(to, point);
    else if (point >= 0xd800 && point <= 0xdfff) append_string(to, REPLACEMENT);
    else append_character(to, point);
  }
}

void json_decode(struct buffer *to, struct text string) { append_json_string(to, string, false); }

void json_rewrite(struct buffer *to, struct text string) {
  append(to, "\"", 1);
  append_json_string(to, string, true);
  append(to, "\"", 1);
}

void json_quote(struct buffer *to, struct text text) {
  append(to, "\"", 1);
  for (size_t index = 0; index < text.length; index++) {
    const unsigned char c = (unsigned char)text.at[index];
    if (c >= 0x80) append(to, text.at + index, 1);
    else append_escaped(to, c);
  }
  append(to, "\"", 1);
}
