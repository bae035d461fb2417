// C side of package avdec: a thin reader of one video stream over libavformat
// and libavcodec, FFmpeg 5.1 to 7.
#ifndef DASHLINE_AVDEC_H
#define DASHLINE_AVDEC_H

#include <stddef.h>
#include <stdint.h>

typedef struct dv_reader dv_reader;

typedef struct {
    int width, height; // of the first picture, as it is coded
    int rotation;      // degrees clockwise in which to show it: 0, 90, 180 or 270
    double fps;        // nominal; 0 where unknown
    int64_t frames;    // as the container counts them; 0 where it does not
    int cut;           // the index names bytes that the file does not have
    char codec[32];
} dv_facts;

typedef struct {
    int width, height;
    int64_t pts_ns; // in the stream; INT64_MIN where unknown
    int damage;     // one of DV_WHOLE...
} dv_picture;

enum { DV_WHOLE, DV_CORRUPT, DV_NO_REFERENCE, DV_TOO_LARGE };

enum { DV_PICTURE = 1, DV_END = 0, DV_CUT = -1, DV_BROKEN = -2 };

// dv_open returns 0, or -1 with the reason in err.
// serial asks for pictures one after the other instead of several side by side.
int dv_open(const char *path, int64_t max_pixels, int serial, dv_reader **out, dv_facts *facts, char *err, size_t err_len);

// dv_next decodes the next picture: DV_PICTURE (also for a damaged one, which
// has no pixels), DV_END, DV_CUT where the file ends early, or DV_BROKEN.
int dv_next(dv_reader *r, dv_picture *p, char *err, size_t err_len);

// dv_bgr writes the latest picture as BGR, 3 bytes a pixel, rows of step bytes.
int dv_bgr(dv_reader *r, uint8_t *dst, int step, char *err, size_t err_len);

// dv_gray copies the luma of the latest picture, 1 byte a pixel, without gaps.
int dv_gray(dv_reader *r, uint8_t *dst, char *err, size_t err_len);

void dv_close(dv_reader *r);

#endif
