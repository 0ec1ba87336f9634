// JSON and UTF-8: whatever the bytes, nothing beyond them is read, and what is written of them is JSON and UTF-8 again.
#include "json.h"

#include <stdlib.h>

#include "fuzz.h"
#include "utf8.h"

#define ROOM ((size_t)1 << 17)

static char first[ROOM];
static char second[ROOM];
static char third[ROOM];

static bool equal(struct text one, struct text other) {
  return one.length == other.length && memcmp(one.at, other.at, one.length) == 0;
}

static struct text written(const struct buffer *buffer) { return (struct text){buffer->at, buffer->length}; }

/** A string of a JSON text, in each of the ways that it is written. */
static void check_string(struct text string) {
  struct buffer decoded = {first, 0, ROOM, false};
  json_decode(&decoded, string);
  check(!decoded.full, "what a string stands for is longer than it can be");
  check(is_utf8(written(&decoded)), "what a string stands for is UTF-8");
  struct buffer quoted = {second, 0, ROOM, false};
  json_quote(&quoted, written(&decoded));
  check(!quoted.full && json_is_valid(written(&quoted)), "a quoted text is JSON");

  struct buffer rewritten = {first, 0, ROOM, false};
  json_rewrite(&rewritten, string);
  check(!rewritten.full && json_is_valid(written(&rewritten)), "a string that is written anew is JSON");
  check(is_utf8(written(&rewritten)), "a string that is written anew is UTF-8");
  const struct json_value value = json_value_of(written(&rewritten));
  check(value.kind == JSON_STRING, "a string that is written anew is a string");
  struct buffer again = {second, 0, ROOM, false};
  json_rewrite(&again, value.text);
  check(equal(written(&again), written(&rewritten)), "writing a string anew twice changes it twice");
}

static void check_value(struct text whole, struct json_value value) {
  check(value.kind != JSON_NONE, "a valid text has a value");
  check(value.text.at >= whole.at && value.text.at + value.text.length <= whole.at + whole.length, "a value lies in its text");
  unsigned long long number;
  if (json_whole_number(value, &number)) check(value.kind == JSON_NUMBER && number <= 1ull << 53, "a whole number is one");
  if (value.kind == JSON_STRING) check_string(value.text);
  static const char *const names[] = {"id", "method", "code", "message", "hint", "exit", "pid", "started", "marker", ""};
  for (size_t index = 0; index < sizeof names / sizeof names[0]; index++) {
    const struct json_value member = json_member(value, names[index]);
    check(value.kind == JSON_OBJECT || member.kind == JSON_NONE, "only objects have members");
    if (member.kind == JSON_STRING) check_string(member.text);
    else if (member.kind != JSON_NONE) check(json_is_valid(member.text), "a member is JSON");
  }
  if (value.kind != JSON_ARRAY) return;
  struct text rest = value.text;
  for (struct json_value element; (element = json_element(&rest)).kind != JSON_NONE;) {
    if (element.kind == JSON_STRING) check_string(element.text);
    else check(json_is_valid(element.text), "an element is JSON");
  }
  check(rest.length <= 1, "the elements of an array are all of it");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > ROOM / 16) return 0;
  const struct text text = {(const char *)data, size};
  if (json_is_valid(text)) check_value(text, json_value_of(text));
  // As the inside of a string, and as text of which a JSON string is made.
  struct buffer string = {third, 0, ROOM, false};
  append_string(&string, "\"");
  append_text(&string, text);
  append_string(&string, "\"");
  if (json_is_valid(written(&string))) check_value(written(&string), json_value_of(written(&string)));
  if (is_utf8(text)) {
    struct buffer quoted = {first, 0, ROOM, false};
    json_quote(&quoted, text);
    check(json_is_valid(written(&quoted)), "a quoted text is JSON");
    struct buffer decoded = {second, 0, ROOM, false};
    json_decode(&decoded, json_value_of(written(&quoted)).text);
    check(equal(written(&decoded), text), "a quoted text stands for itself");
  }
  return 0;
}
