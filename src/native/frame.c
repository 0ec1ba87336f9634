#include "frame.h"

#include "protocol.h"

static char payload[MAX_CONTROL];

static bool is_stream(uint8_t type) { return type == FRAME_DATA || type == FRAME_STDERR; }

static bool is_control(uint8_t type) {
  return type == FRAME_OPEN || type == FRAME_EXIT || type == FRAME_REFUSE || type == FRAME_TAKEN;
}

enum decoded decode(struct decoder *decoder, struct text *rest, struct piece *piece) {
  while (rest->length > 0) {
    if (decoder->head_length < sizeof decoder->head) {
      decoder->head[decoder->head_length++] = (unsigned char)*rest->at;
      rest->at++;
      rest->length--;
      if (decoder->head_length < sizeof decoder->head) continue;
      const unsigned char *head = decoder->head;
      decoder->left = head[1] | (size_t)head[2] << 8 | (size_t)head[3] << 16 | (size_t)head[4] << 24;
      decoder->gathered = 0;
      if (head[0] < FRAME_HELLO || head[0] > FRAME_TAKEN) {
        piece->type = head[0];
        return DECODED_UNKNOWN_TYPE;
      }
      piece->limit = is_control(head[0]) ? MAX_CONTROL : MAX_PAYLOAD;
      piece->length = decoder->left;
      if (decoder->left > piece->limit) return DECODED_TOO_LONG;
    }
    const uint8_t type = decoder->head[0];
    const size_t length = rest->length < decoder->left ? rest->length : decoder->left;
    const struct text bytes = {rest->at, length};
    rest->at += length;
    rest->length -= length;
    decoder->left -= length;
    if (decoder->left == 0) decoder->head_length = 0;
    piece->type = type;
    if (is_stream(type) && length > 0) {
      piece->bytes = bytes;
      return DECODED_BYTES;
    }
    if (is_control(type)) {
      memcpy(payload + decoder->gathered, bytes.at, length);
      decoder->gathered += length;
      if (decoder->left > 0) continue;
      piece->bytes = (struct text){payload, decoder->gathered};
      return DECODED_FRAME;
    }
  }
  return DECODED_ALL;
}

void put_header(char *to, uint8_t type, size_t length) {
  to[0] = (char)type;
  for (size_t index = 0; index < 4; index++) to[1 + index] = (char)(length >> (8 * index) & 0xff);
}
