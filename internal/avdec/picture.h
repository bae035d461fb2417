// Decoded pictures as the callers want them; C side of package avdec.
#ifndef DASHLINE_AVDEC_PICTURE_H
#define DASHLINE_AVDEC_PICTURE_H

#include <libavcodec/avcodec.h>
#include <libavutil/frame.h>

#include <stddef.h>
#include <stdint.h>

// dv_converter keeps what a conversion needs from one picture to the next.
typedef struct {
    struct SwsContext *scale;
    uint8_t *rows[4]; // for widths that swscale would write beyond
    int row_step[4];
    int rows_width, rows_height;
} dv_converter;

// dv_to_bgr writes a picture as BGR, 3 bytes a pixel, rows of step bytes.
int dv_to_bgr(dv_converter *c, const AVFrame *f, uint8_t *dst, int step, char *err, size_t len);

// dv_to_gray copies a picture's luma, 1 byte a pixel, without gaps.
int dv_to_gray(const AVFrame *f, uint8_t *dst, char *err, size_t len);

void dv_converter_free(dv_converter *c);

int dv_is_key(const AVFrame *f);

// dv_is_damaged says that the decoder knows of errors in the picture.
int dv_is_damaged(const AVFrame *f);

// dv_strict makes a codec say that a picture has errors instead of concealing
// them. Call it before the codec is opened.
void dv_strict(AVCodecContext *c, int64_t max_pixels);

// dv_fail writes what is wrong, with FFmpeg's words for a negative code, and
// returns -1.
int dv_fail(char *err, size_t len, const char *what, int code);

#endif
