// C side of package avenc: a thin writer of one H.264, H.265 or MJPEG stream in
// an MP4 file over libavcodec (libx264, libx265) and libavformat, FFmpeg 5.1 to 7.
#ifndef DASHLINE_AVENC_H
#define DASHLINE_AVENC_H

#include <stddef.h>
#include <stdint.h>

typedef struct dw_writer dw_writer;

enum { DW_H264, DW_H265, DW_MJPEG };

typedef struct {
    int codec;         // one of the above
    int width, height; // pixels, even
    double fps;
    int crf;
    const char *preset;
    int keyframes; // at most this many pictures apart
    int no_scenecut; // and none where the scene changes
    int bframes;   // between two others, at most; -1: as the preset has it
    int slices;    // of a picture
    int threads;
} dw_options;

enum { DW_OK = 0, DW_FAILED = -1, DW_NO_ENCODER = -2 };

// dw_open starts a file. All return DW_OK, or another with the reason in err.
int dw_open(const char *path, const dw_options *o, dw_writer **out, char *err, size_t err_len);

// dw_write encodes the next picture: BGR, 3 bytes a pixel, rows without gaps;
// with key as a key frame.
int dw_write(dw_writer *w, const uint8_t *bgr, int key, char *err, size_t err_len);

// dw_skip lets time go by: the next picture is shown so many periods later.
void dw_skip(dw_writer *w, int64_t periods);

// dw_finish writes what is still in the encoder, and the index.
int dw_finish(dw_writer *w, char *err, size_t err_len);

// dw_close frees the writer; without dw_finish the file stays unusable.
void dw_close(dw_writer *w);

#endif
