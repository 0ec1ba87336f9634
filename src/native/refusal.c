#include "refusal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "json.h"
#include "protocol.h"
#include "signals.h"
#include "system.h"

/** What has been sent by the host: before the refusal, and, MAX_ASKED bytes of it, after. */
static char asked[MAX_UNANSWERED + MAX_ASKED];
static size_t asked_length;
static bool kept = true;

static const struct {
  const char *code;
  int exit;
} codes[] = {ERROR_CODES};

/** The entry of a code; that of a fault where a newer daemon uses one that this program does not know. */
static size_t index_of(struct text code) {
  size_t fault = 0;
  for (size_t index = 0; index < sizeof codes / sizeof codes[0]; index++) {
    if (strlen(codes[index].code) == code.length && memcmp(codes[index].code, code.at, code.length) == 0) return index;
    if (strcmp(codes[index].code, "daemon-internal") == 0) fault = index;
  }
  return fault;
}

struct refusal refusal_of(const char *code, const char *message, const char *hint) {
  const size_t index = index_of(text_of(code));
  const struct text none = {NULL, 0};
  return (struct refusal){codes[index].code, text_of(message), hint == NULL ? none : text_of(hint), codes[index].exit};
}

bool read_refusal(struct text payload, struct refusal *refusal) {
  if (!json_is_valid(payload)) return false;
  const struct json_value value = json_value_of(payload);
  const struct json_value code = json_member(value, "code");
  const struct json_value message = json_member(value, "message");
  const struct json_value hint = json_member(value, "hint");
  const size_t index = index_of(code.kind == JSON_STRING ? code.text : text_of(""));
  unsigned long long exit;
  refusal->code = codes[index].code;
  refusal->message = message.kind == JSON_NONE ? text_of("undefined") : message.text;
  refusal->hint = hint.text;
  refusal->exit = json_whole_number(json_member(value, "exit"), &exit) ? (int)(exit & 0xff) : codes[index].exit;
  return true;
}

void print_refusal(const struct refusal *refusal) {
  static char said[MAX_ERRORS / 2];
  struct buffer text = {said, 0, sizeof said, false};
  append_string(&text, "warder: error: ");
  json_decode(&text, refusal->message);
  append_string(&text, "\n");
  if (refusal->hint.at != NULL) {
    append_string(&text, "warder: hint: ");
    json_decode(&text, refusal->hint);
    append_string(&text, "\n");
  }
  write_error((struct text){said, text.length});
}

void keep_unanswered(struct text bytes) {
  if (!kept) return;
  if (bytes.length > MAX_UNANSWERED - asked_length) {
    forget_unanswered();
    return;
  }
  memcpy(asked + asked_length, bytes.at, bytes.length);
  asked_length += bytes.length;
}

void forget_unanswered(void) {
  kept = false;
  asked_length = 0;
}

bool is_unanswered(void) { return kept; }

/** Answers that wait to be written. */
static char answers[1 << 16];
static struct buffer unwritten = {answers, 0, sizeof answers, false};

/** Writes the answers, until `deadline`. Ends the process where that fails. */
static void write_answers(const struct refusal *refusal, struct stream output, long long deadline) {
  for (size_t done = 0; done < unwritten.length;) {
    const ssize_t got = write_stream(output, (struct text){answers + done, unwritten.length - done});
    if (got > 0) done += (size_t)got;
    else if (errno != EAGAIN || deadline <= now() || !await_stream(output, deadline - now())) exit(refusal->exit);
  }
  unwritten.length = 0;
}

/** `,"error":…` of each answer: it is the same for all. Returns false where it is too long to be answered. */
static bool append_error(struct buffer *to, const struct refusal *refusal) {
  append_string(to, ",\"error\":{\"code\":" NOT_STARTED ",\"message\":");
  json_rewrite(to, refusal->message);
  append_string(to, ",\"data\":{\"code\":\"");
  append_string(to, refusal->code);
  append_string(to, "\"");
  if (refusal->hint.at != NULL) {
    append_string(to, ",\"hint\":");
    json_rewrite(to, refusal->hint);
  }
  append_string(to, "}}}\n");
  return !to->full;
}

/** Answers a message if it is a request. Returns whether it is. */
static bool answer_message(const struct refusal *refusal, struct json_value message, struct stream output, long long deadline) {
  // A byte that is not UTF-8 becomes three.
  static char line[3 * sizeof asked + 2 * JSON_LIMIT];
  const struct json_value id = json_member(message, "id");
  if (json_member(message, "method").kind != JSON_STRING) return false;
  if (id.kind != JSON_STRING && id.kind != JSON_NUMBER) return false;
  struct buffer text = {line, 0, sizeof line, false};
  append_string(&text, "{\"jsonrpc\":\"2.0\",\"id\":");
  if (id.kind == JSON_NUMBER) append_text(&text, id.text);
  else json_rewrite(&text, id.text);
  if (!append_error(&text, refusal)) return false;
  for (size_t done = 0; done < text.length;) {
    const size_t room = unwritten.size - unwritten.length;
    const size_t length = text.length - done < room ? text.length - done : room;
    append(&unwritten, line + done, length);
    done += length;
    if (unwritten.length == unwritten.size) write_answers(refusal, output, deadline);
  }
  return true;
}

/** Answers the requests of one line, also of a batch (JSON-RPC 2.0, section 6). Returns whether there were any. */
static bool answer_line(const struct refusal *refusal, struct text line, struct stream output, long long deadline) {
  if (!json_is_valid(line)) return false;
  const struct json_value value = json_value_of(line);
  if (value.kind != JSON_ARRAY) return answer_message(refusal, value, output, deadline);
  bool asks = false;
  struct text rest = value.text;
  for (;;) {
    const struct json_value message = json_element(&rest);
    if (message.kind == JSON_NONE) return asks;
    asks = answer_message(refusal, message, output, deadline) || asks;
  }
}

/** Answers the lines that are complete, or, at the end of the input, all of them, and ends the process if anything was asked. */
static void answer_asked(const struct refusal *refusal, struct stream output, bool at_end, long long deadline) {
  bool asks = false;
  size_t from = 0;
  while (from < asked_length) {
    const char *end = memchr(asked + from, '\n', asked_length - from);
    if (end == NULL && !at_end) break;
    const size_t length = end == NULL ? asked_length - from : (size_t)(end - (asked + from));
    asks = answer_line(refusal, (struct text){asked + from, length}, output, deadline) || asks;
    from += length + 1;
  }
  if (asks) write_answers(refusal, output, deadline);
  if (asks || at_end) exit(refusal->exit);
  asked_length -= from;
  memmove(asked, asked + from, asked_length);
}

void answer_refused(const struct refusal *refusal, struct stream output, bool at_end, long long started, int signals) {
  const long long least = now() + PATIENCE / 4;
  const long long deadline = started + PATIENCE > least ? started + PATIENCE : least;
  size_t length = 0;
  answer_asked(refusal, output, at_end, deadline);
  for (;;) {
    const long long left = deadline - now();
    struct pollfd wait[] = {{STDIN_FILENO, POLLIN, 0}, {signals, POLLIN, 0}, {has_errors() ? errors_descriptor() : -1, POLLOUT, 0}};
    if (left <= 0 || (poll(wait, 3, (int)left) < 0 && errno != EINTR)) exit(refusal->exit);
    if (wait[1].revents != 0) exit_by_signal(signals);
    if (wait[2].revents != 0) flush_errors();
    if (wait[0].revents == 0) continue;
    static char chunk[1 << 16];
    const ssize_t got = read(STDIN_FILENO, chunk, sizeof chunk);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) answer_asked(refusal, output, true, deadline);
    length += (size_t)got;
    if (length > MAX_ASKED) continue;
    memcpy(asked + asked_length, chunk, (size_t)got);
    asked_length += (size_t)got;
    if (memchr(chunk, '\n', (size_t)got) != NULL) answer_asked(refusal, output, false, deadline);
  }
}
