// Frames, as in src/wire/frame.ts: u8 type | u32 little-endian length | payload. The numbers are in protocol.h, which the
// build makes of that file.
#ifndef WARDER_FRAME_H
#define WARDER_FRAME_H

#include <stdint.h>

#include "text.h"

/** The longest payload of a frame whose payload is JSON, in bytes. The daemon's are much shorter. */
#define MAX_CONTROL ((size_t)1 << 20)

/** What has been read of a frame. Begins as all zeros. */
struct decoder {
  unsigned char head[5];
  size_t head_length;
  /** How many bytes of the payload are still to come. */
  size_t left;
  /** The payload of an OPEN, EXIT, REFUSE or TAKEN frame so far. */
  size_t gathered;
};

enum decoded { DECODED_ALL, DECODED_BYTES, DECODED_FRAME, DECODED_UNKNOWN_TYPE, DECODED_TOO_LONG };

/** What `decode` found. */
struct piece {
  uint8_t type;
  /** DECODED_BYTES: the next bytes of a DATA or STDERR frame. DECODED_FRAME: the payload, until the next call. */
  struct text bytes;
  /** DECODED_TOO_LONG: how long the frame is, and how long it may be. */
  size_t length;
  size_t limit;
};

/**
 * Decodes the next piece of `*rest`, which has been read, and takes it away from there. DECODED_ALL: there is no more.
 * DATA and STDERR are passed on as they arrive, OPEN, EXIT, REFUSE and TAKEN when they are complete, others are left out. After
 * an error the stream cannot be used.
 */
enum decoded decode(struct decoder *decoder, struct text *rest, struct piece *piece);

/** Writes a frame's header, 5 bytes. */
void put_header(char *to, uint8_t type, size_t length);

#endif
