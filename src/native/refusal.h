// Why there is no session, or no longer one: said on standard error, and, where the host asks, in answer to its requests.
// As src/wire/refused-start.ts, and src/launcher.ts for the launcher in Node.
#ifndef WARDER_REFUSAL_H
#define WARDER_REFUSAL_H

#include "stream.h"

/** The most that the host may send before the first answer for it to be kept, in bytes. */
#define MAX_UNANSWERED ((size_t)1 << 20)

/** An error, in the words of errors.ts. */
struct refusal {
  /** One of the codes that this program knows. */
  const char *code;
  /** A string of a JSON text, with its escapes. */
  struct text message;
  /** The same; `at` is NULL where there is none. */
  struct text hint;
  int exit;
};

/** An error of the launcher's own, with the exit code of its code. The texts need no escapes. */
struct refusal refusal_of(const char *code, const char *message, const char *hint);

/** Reads the payload of a REFUSE frame, which must stay. False where it is not JSON. */
bool read_refusal(struct text payload, struct refusal *refusal);

/** Says it on standard error. */
void print_refusal(const struct refusal *refusal);

/** Keeps what the host has sent, for an answer. */
void keep_unanswered(struct text bytes);

/** Nothing need be kept any more: an answer may have been sent. */
void forget_unanswered(void);

/** Whether all that the host has sent is kept, so that it can be answered. */
bool is_unanswered(void);

/**
 * Answers what the host has asked, or asks until a second after `started`, and ends the process. `at_end`: the host's input
 * has ended. `signals`: a descriptor that can be read when a signal was received.
 */
_Noreturn void answer_refused(const struct refusal *refusal, struct stream output, bool at_end, long long started, int signals);

#endif
