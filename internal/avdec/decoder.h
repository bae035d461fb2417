// C side of package avdec: a decoder of packets that somebody else has read.
#ifndef DASHLINE_AVDEC_DECODER_H
#define DASHLINE_AVDEC_DECODER_H

#include <stddef.h>
#include <stdint.h>

typedef struct dv_decoder dv_decoder;

typedef struct {
    int width, height;
    int64_t id; // of the packet that the picture was in
    int damaged;
} dv_decoded;

enum { DV_DECODED = 1, DV_MORE = 0, DV_BAD = -1, DV_MEMORY = -2 };

// dv_decoder_open returns 0, or -1 with the reason in err.
int dv_decoder_open(const char *codec, int64_t max_pixels, dv_decoder **out, char *err, size_t len);

// dv_decoder_send gives it a packet, which it copies: 0, DV_BAD or DV_MEMORY.
// Pictures must have been received until DV_MORE. A NULL packet asks for what
// it holds back.
int dv_decoder_send(dv_decoder *d, const uint8_t *data, size_t size, int64_t id, char *err, size_t len);

// dv_decoder_receive gives the next picture in the order of presentation:
// DV_DECODED, DV_MORE when it wants packets, DV_BAD or DV_MEMORY.
int dv_decoder_receive(dv_decoder *d, dv_decoded *p, char *err, size_t len);

// dv_decoder_reset forgets all packets and pictures, as before the first.
void dv_decoder_reset(dv_decoder *d);

// dv_decoder_delay is how many pictures the stream says may come before one that
// is shown earlier; 0 before the first key picture.
int dv_decoder_delay(const dv_decoder *d);

int dv_decoder_bgr(dv_decoder *d, uint8_t *dst, int step, char *err, size_t len);

void dv_decoder_close(dv_decoder *d);

#endif
